"""The gateway's spans, with start.py --otlp_endpoint: each request of a buyer is one, and the call of the service hangs on it."""

import concurrent.futures
import re
import unittest

import grpc

import echo
import poll
import shop as front

PRODUCT = "/api/v1/products/lamp"
SAMPLED, NOT_SAMPLED = "01", "00"
STRANGER = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-%s",
    "tracestate": "a=b",
    "baggage": "c=d",
}


class Collector(grpc.GenericRpcHandler):
    """Takes OTLP and keeps each message as it came."""

    def __init__(self):
        self.taken = []
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
        self.server.add_generic_rpc_handlers((self,))
        self.endpoint = f"http://127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def service(self, handler_call_details):
        if handler_call_details.method != "/opentelemetry.proto.collector.trace.v1.TraceService/Export":
            return None
        return grpc.unary_unary_rpc_method_handler(lambda message, _: self.taken.append(message) or b"")

    def has(self, *parts):
        return any(all(part in message for part in parts) for message in self.taken)


class Tracing(unittest.TestCase):
    def start(self, *arguments):
        gateway = echo.Gateway(arguments=arguments)
        self.addCleanup(gateway.stop)
        return gateway

    def passed(self, gateway, headers=None):
        """The metadata of the call that a request became."""
        gateway.echo.calls.clear()
        answer = gateway.rest("GET", PRODUCT, headers=headers or {})
        self.assertEqual(answer.status, 200, answer.text)
        [(_, metadata)] = gateway.echo.calls
        return metadata

    def trace(self, gateway, sampled, headers=None):
        """(trace, span) that the service was told, as bytes."""
        metadata = self.passed(gateway, headers)
        told = re.fullmatch("00-([0-9a-f]{32})-([0-9a-f]{16})-(..)", metadata["traceparent"])
        self.assertEqual(told[3], sampled)
        self.assertEqual(metadata.keys() & {"baggage"}, set())
        return bytes.fromhex(told[1]), bytes.fromhex(told[2])

    def test_a_request_is_a_span_and_the_call_hangs_on_it(self):
        collector = Collector()
        self.addCleanup(collector.server.stop, 0)
        gateway = self.start(f"--otlp_endpoint={collector.endpoint}", "--trace_ratio=1")
        trace, span = self.trace(gateway, SAMPLED)
        poll.eventually(lambda: collector.has(trace, span, b"gateway"))

    def test_a_stranger_neither_joins_a_trace_nor_decides_whether_one_is_kept(self):
        collector = Collector()
        self.addCleanup(collector.server.stop, 0)
        for ratio, sampled, other in (("1", SAMPLED, NOT_SAMPLED), ("0", NOT_SAMPLED, SAMPLED)):
            with self.subTest(ratio):
                gateway = self.start(f"--otlp_endpoint={collector.endpoint}", f"--trace_ratio={ratio}")
                headers = {**STRANGER, "traceparent": STRANGER["traceparent"] % other}
                trace, _ = self.trace(gateway, sampled, headers)
                self.assertNotIn(trace.hex(), headers["traceparent"])
                self.assertNotEqual(self.trace(gateway, sampled, headers)[0], trace)

    def test_a_collector_that_is_away_is_not_waited_for(self):
        gone = Collector()
        gone.server.stop(0).wait()
        gateway = self.start(f"--otlp_endpoint={gone.endpoint}", "--trace_ratio=1")
        for _ in range(20):
            self.trace(gateway, SAMPLED)

    def test_without_a_collector_no_trace_begins_here(self):
        self.assertEqual(self.passed(self.start()).keys() & STRANGER.keys(), set())


if __name__ == "__main__":
    front.main()
