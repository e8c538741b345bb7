"""Each line of sagactl in docs/OPERATING.md is understood: it is answered, or refused by the server."""

import os
import subprocess
import unittest

import document
import shop as front

CALLED_WRONGLY = 2
WATCH_S = 1  # a watch of many sagas does not end


class Operating(unittest.TestCase):
    def test_each_line_of_sagactl_is_understood(self):
        shop = front.Shop()
        self.addCleanup(shop.stop)
        order = {
            "request_id": "buy-1",
            "member_id": "mina",
            "items": [{"product_id": "lamp", "quantity": 1}],
            "payment_method": "PAYMENT_METHOD_CARD",
        }
        placed = shop.rpc("orchestrator", "/shop.checkout.v1.CheckoutService/PlaceOrder", order)
        environment = {
            "PATH": f"{document.BIN}:{os.environ['PATH']}",
            "UNWIND_SERVER": shop.addresses["orchestrator_admin"],
            "SAGA": placed["orderId"],
            "STEP": "charge",
        }
        blocks = [b for b in document.blocks_of("docs/OPERATING.md") if b.language == "sh"]
        lines = [line for b in blocks for line in b.text.splitlines() if line.startswith("sagactl ")]
        self.assertGreaterEqual(len(lines), 15)
        for line in lines:
            with self.subTest(line):
                command = ["timeout", "--kill-after=60", str(WATCH_S)] if " watch --" in line else []
                done = subprocess.run(
                    [*command, "bash", "-c", line], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
                )
                self.assertNotIn(done.returncode, (CALLED_WRONGLY, 3, 127), done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
