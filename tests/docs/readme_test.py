"""The saga that README.md shows: an order whose card is declined, as sagactl has it."""

import subprocess
import unittest

import grpc

import document
import shop as front

ORDER = {
    "request_id": "readme",
    "member_id": "mina",
    "items": [{"product_id": "lamp", "quantity": 2}],
    "payment_method": "PAYMENT_METHOD_CARD",
}


class Readme(unittest.TestCase):
    maxDiff = None

    def test_the_saga_that_it_shows(self):
        shop = front.Shop()
        self.addCleanup(shop.stop)
        shop.scenario(failPercent=100)
        with self.assertRaises(grpc.RpcError):
            shop.rpc("orchestrator", "/shop.checkout.v1.CheckoutService/PlaceOrder", ORDER)
        command = [front.BIN / "sagactl", "--server", shop.addresses["orchestrator_admin"], "find", "place-order", "readme"]
        said = subprocess.run(command, capture_output=True, text=True).stdout
        (shown,) = [b.text for b in document.blocks_of("README.md") if b.headings[-1] == "What it looks like"]
        self.assertIn(document.without_what_changes(shown), document.without_what_changes(said))


if __name__ == "__main__":
    unittest.main(verbosity=2)
