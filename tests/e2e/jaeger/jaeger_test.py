"""A real Jaeger reads the trace of an order."""
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "gateway"))
import shop as front  # noqa: E402
from poll import eventually  # noqa: E402

# Of Jaeger's many ports those that are used, and all others, which it would open at its usual places.
PORTS = ("collector.otlp.grpc.host-port", "query.http-server.host-port", "collector.otlp.http.host-port",
         "query.grpc-server.host-port", "admin.http.host-port", "collector.grpc-server.host-port",
         "collector.http-server.host-port", "http-server.host-port")
AGENTS = ("jaeger-compact", "jaeger-binary", "zipkin-compact")


def free_addresses(count):
    """Addresses that nobody has; all are held until the last was found."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return ["%s:%d" % each.getsockname() for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Jaeger:
    def __init__(self):
        self.log = tempfile.TemporaryFile()
        addresses = free_addresses(len(PORTS) + len(AGENTS))
        flags = [f"--{name}={address}" for name, address in zip(PORTS, addresses)]
        flags += [f"--processor.{name}.server-host-port={address}"
                  for name, address in zip(AGENTS, addresses[len(PORTS):])]
        self.otlp, self.query = addresses[:2]
        self.process = subprocess.Popen([os.environ["UNWIND_JAEGER"], *flags], stdout=self.log, stderr=self.log,
                                        env={**os.environ, "SPAN_STORAGE_TYPE": "memory"})

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def get(self, path):
        """The `data` of an answer; None as long as nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{self.query}{path}", timeout=5) as answer:
                return json.load(answer)["data"] or []
        except (urllib.error.URLError, ConnectionError):
            return None

    def spans(self, trace):
        """(service, name) of each span, and how many hang on nothing that is there."""
        found = self.get(f"/api/traces/{trace}")
        if not found:
            return [], 0
        services = {key: process["serviceName"] for key, process in found[0]["processes"].items()}
        spans = found[0]["spans"]
        ids = {span["spanID"] for span in spans}
        loose = sum(1 for span in spans if not any(ref["spanID"] in ids for ref in span["references"]))
        return [(services[span["processID"]], span["operationName"]) for span in spans], loose


class Traces(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.jaeger = Jaeger()
        cls.addClassCleanup(cls.jaeger.stop)
        eventually(lambda: cls.jaeger.get("/api/services") is not None)
        cls.shop = front.Shop(f"--otlp_endpoint=http://{cls.jaeger.otlp}")
        cls.addClassCleanup(cls.shop.stop)

    def test_an_order_is_one_trace(self):
        request = {"request_id": "jaeger-1", "member_id": "mina", "items": [{"product_id": "lamp", "quantity": 1}],
                   "payment_method": "PAYMENT_METHOD_CARD"}
        order = self.shop.rpc("orchestrator", "/shop.checkout.v1.CheckoutService/PlaceOrder", request)["orderId"]
        trace = order.replace("-", "")
        wanted = {("orchestrator", "place-order"),
                  ("orchestrator", "shop.stock.v1.StockService/Reserve"),
                  ("stock_svc", "shop.stock.v1.StockService/Reserve"),
                  ("payment_svc", "shop.payment.v1.PaymentService/Charge"),
                  ("payment_svc", "pg.v1.PaymentGateway/Confirm"),
                  ("mock_pg", "pg.v1.PaymentGateway/Confirm"),
                  ("order_svc", "shop.order.v1.OrderService/ConfirmOrder"),
                  ("order_svc", "batch")}
        eventually(lambda: wanted <= set(self.jaeger.spans(trace)[0]) and self.jaeger.spans(trace)[1] == 1)
        services = set(self.jaeger.get("/api/services"))
        self.assertLessEqual({"orchestrator", "order_svc", "stock_svc", "payment_svc", "mock_pg"}, services)

    def test_an_order_by_rest_hangs_on_the_gateways_span(self):
        placed = self.shop.rest("POST", "/api/v1/orders", {"request_id": "jaeger-2", "member_id": "mina",
                                                           "items": [{"product_id": "lamp", "quantity": 1}],
                                                           "payment_method": "PAYMENT_METHOD_CARD"})
        self.assertEqual(placed.status, 200, placed.text)
        wanted = {("orchestrator", "place-order"), ("payment_svc", "pg.v1.PaymentGateway/Confirm")}

        def is_whole(trace):
            spans, loose = self.jaeger.spans(trace)
            return wanted <= set(spans) and "gateway" in dict(spans) and loose == 1

        # What Envoy began has ids of its own.
        eventually(lambda: any(is_whole(trace["traceID"])
                               for trace in self.jaeger.get("/api/traces?service=gateway&limit=20") or ()))


if __name__ == "__main__":
    unittest.main(verbosity=2)
