"""Two orchestrators and two of each service on PostgreSQL behind the gateway, one of each killed under 1,000 buyers: exactly
100 are paid, each buyer is told, and the books agree."""

import collections
import json
import os
import signal
import threading
import unittest

import crowd
import poll
import shop as front

MEMBERS, PIECES, PATIENCE_S = 1000, 100, 60
VICTIMS = ("stock_svc", "payment_svc", "orchestrator", "order_svc")


class Copies(unittest.TestCase):
    def setUp(self):
        self.shop = front.Shop("--store=postgres", "--two_of_each")
        self.addCleanup(self.shop.stop)

    def kill(self, node):
        os.kill(int(self.shop.addresses[node + "_pid"]), signal.SIGKILL)

    def test_one_of_each_killed_under_a_thousand_buyers(self):
        self.shop.restock("poster", PIECES)
        sold = threading.Event()

        def kill_one_after_the_other():
            for number, node in enumerate(VICTIMS):
                poll.eventually(lambda: sold.is_set() or self.paid() >= number * PIECES // 5)
                self.assertFalse(sold.is_set(), f"the sale was over before {node} was killed")
                self.kill(node)

        bought, failures = [], []
        killer = threading.Thread(target=lambda: failures.extend(raised(kill_one_after_the_other)))
        killer.start()
        bought = crowd.rush(self.shop.addresses["gateway"], "poster", MEMBERS, PATIENCE_S)
        sold.set()
        killer.join()
        self.assertEqual(failures, [])
        self.assertEqual(crowd.counts(bought), {"PAID": PIECES, "STOCK_NOT_ENOUGH": MEMBERS - PIECES})
        self.assertEqual(len({each.order for each in bought if each.order}), PIECES)
        text, holds = self.shop.audit()
        self.assertTrue(holds, text)
        cut_off = max(sum(is_lost(answer) for answer in each.answers) for each in bought)
        self.assertLessEqual(cut_off, 1, "a buyer was cut off by the death of one process, and then again")
        told = collections.Counter(answer for each in bought for answer in each.answers)
        print(f"p99 {crowd.percentile(bought, 0.99) * 1000:.0f} ms; {dict(told)}")

    def paid(self):
        """Pieces that are sold or held for an order."""
        answer = self.shop.rest("GET", "/api/v1/products")
        return PIECES - int(available_of("poster", answer.text)) if answer.status == 200 else 0


def is_lost(answer):
    """Whether it says nothing of the order."""
    return answer in ("SERVICE_UNREACHABLE", "GATEWAY_TIMEOUT") or answer.startswith("no answer")


def available_of(product, shelf):
    return next(each["available"] for each in json.loads(shelf)["products"] if each["productId"] == product)


def raised(function):
    """What it raised, as a list of at most one."""
    try:
        function()
    except Exception as error:  # of the killer's thread, to be told by the test's
        return [error]
    return []


if __name__ == "__main__":
    front.main()
