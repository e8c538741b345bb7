"""The test routes; and the lines that docs/REST.md and ./run up give to paste, which do what is written there."""

import json
import os
import re
import signal
import subprocess
import unittest

import poll
import shop as front

shop = None


def setUpModule():
    global shop
    shop = front.Shop()


def tearDownModule():
    shop.stop()


def test_door(path, body=None):
    return shop.rest("POST", path, body, {"X-Requested-With": "test_routes_test"}, "gateway_test")


def pasted(script):
    """What bash makes of `script`, where curl fails for an error of HTTP."""
    names = {"GATEWAY": "gateway", "ADMIN": "gateway_admin", "TEST": "gateway_test"}
    return subprocess.run(
        ["bash", "-euc", 'curl() { command curl -sS --max-time 60 "$@"; }\n' + script],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", **{name: shop.addresses[door] for name, door in names.items()}},
    )


REMOVED = {"couponsRemoved", "ordersRemoved", "paymentsRemoved", "walletsRemoved"}  # what a reset counts

class TestRoutes(unittest.TestCase):
    def tearDown(self):
        self.scenario({})

    def scenario(self, faults):
        answer = test_door("/api/test/scenario", {"scenario": faults})
        self.assertEqual(answer.status, 200, answer.text)

    def process(self, order, amount):
        answer = test_door("/api/v1/payments/process", {"orderId": order, "amount": amount})
        return answer.status, json.loads(answer.text)

    def test_a_payment_is_taken_once(self):
        status, paid = self.process("t-1", 39000)
        self.assertEqual((status, paid["result"], paid["failedReason"]), (200, "RESULT_SUCCESS", ""))
        self.assertEqual(self.process("t-1", 39000), (200, paid))
        status, refused = self.process("t-1", 1)
        self.assertEqual((status, refused["details"][0]["reason"]), (400, "KEY_REUSED"))

    def test_it_fails_as_the_scenario_says(self):
        self.scenario({"failFirst": 1})
        failed = {"result": "RESULT_FAILED", "transactionId": "", "failedReason": "CARD_DECLINED"}
        self.assertEqual(self.process("t-2", 1), (200, failed))
        self.assertEqual(self.process("t-2", 1), (200, failed))
        self.scenario({"refuseAmountMinor": "100000"})
        self.assertEqual(self.process("t-3", 100000)[1]["failedReason"], "AMOUNT_REFUSED")

    def test_a_reset_needs_no_body(self):
        answer = test_door("/api/test/reset")
        self.assertEqual((answer.status, set(json.loads(answer.text))), (200, REMOVED))


class Ends(unittest.TestCase):
    def test_who_runs_the_shop_is_told_that_its_gateway_ended(self):
        own = front.Shop()
        self.addCleanup(own.stop)
        children = [
            int(pid)
            for pid in subprocess.run(
                ["pgrep", "-P", str(own.process.pid), "envoy"], capture_output=True, text=True
            ).stdout.split()
        ]
        self.assertEqual(len(children), 1)
        os.kill(children[0], signal.SIGKILL)
        poll.eventually(lambda: "the REST gateway ended; its log is " in own.log.read_text())
        product = own.rpc("stock_svc", "/shop.stock.v1.StockService/GetProduct", {"product_id": "lamp"})
        self.assertEqual(product["available"], "20")


class Pasted(unittest.TestCase):
    def test_the_lines_of_the_document(self):
        text = (front.PROJECT / "docs/REST.md").read_text()
        lines = re.findall(r"^(curl .*?)  # (\d{3})$", text, re.M)
        self.assertGreater(len(lines), 15)
        for line, status in lines:
            with self.subTest(line):
                done = pasted(line + " -o /dev/null -w '%{http_code}'")
                self.assertEqual((done.stdout, done.stderr), (status, ""))

    def test_the_lines_of_a_checkout(self):
        text = (front.PROJECT / "docs/REST.md").read_text()
        done = pasted(re.search(r"^TOLD=.*?(?=^```)", text, re.M | re.S).group(0))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        [payment] = set(re.findall(r'"paymentId":"(.*?)"', done.stdout))
        self.assertEqual(re.findall(r'"state":"(.*?)"', done.stdout)[:2], ["STATE_SUCCESS", "STATE_SUCCESS"])
        self.assertIn("PAYMENT_ALREADY_PAID", done.stdout)
        retry, why = f"/api/v1/sagas/{payment}/steps/collect:retry", {"actor": "kim", "reason": "to see"}

        def is_confirmed():  # hastened, as an operator may
            shop.rest("POST", retry, why, {"X-Requested-With": "test_routes_test"}, "gateway_admin")
            return '"state":"STATE_PAID"' in shop.rest("GET", f"/api/v1/orders/{payment}").text

        poll.eventually(is_confirmed)

    def test_the_lines_that_run_up_prints(self):
        printed = re.search(r"By REST.*?:\n(.*?)\nBy gRPC:", shop.log.read_text(), re.S).group(1)
        done = pasted(printed.replace("curl ", "curl --fail "))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn('"state":"STATE_PAID"', done.stdout)


if __name__ == "__main__":
    front.main()
