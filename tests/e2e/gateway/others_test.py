"""Vanguard and grpc-gateway give the JSON that Envoy gives. UNWIND_GATEWAYS is the program of gateway_go."""

import json
import os
import subprocess
import unittest

import shop as front


class Others(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shop = front.Shop()
        cls.addClassCleanup(cls.shop.stop)
        addresses = cls.shop.addresses
        cls.others = subprocess.Popen(
            [
                os.environ["UNWIND_GATEWAYS"],
                f"--protoset={front.FILES}/unwind.protoset",
                f"--orchestrator={addresses['orchestrator']}",
                f"--stock_svc={addresses['stock_svc']}",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        cls.addClassCleanup(cls.others.wait)
        cls.addClassCleanup(cls.others.kill)
        with cls.others.stdout as lines:
            cls.addresses = dict(line.strip().split("=") for line in lines)

    def same(self, method, path, body=None, headers=None):
        told = self.shop.rest(method, path, body, headers)
        for name in ("vanguard", "grpc_gateway"):
            answer = front.call(self.addresses[name], method, path, body, headers)
            self.assertEqual((name, answer.status, json.loads(answer.text)), (name, told.status, json.loads(told.text)))
        return told

    def test_a_resource(self):
        self.assertEqual(self.same("GET", "/api/v1/products/lamp").status, 200)

    def test_an_order_under_one_key(self):
        headers = {"Idempotency-Key": "others-1", "Content-Type": "application/json"}
        self.assertEqual(self.same("POST", "/api/v1/orders", front.order_of("lamp"), headers).status, 200)

    def test_a_refusal(self):
        self.assertEqual(self.same("GET", "/api/v1/products/none").status, 404)


if __name__ == "__main__":
    front.main()
