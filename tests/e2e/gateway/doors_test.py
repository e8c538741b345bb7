"""What the gateway lets through its doors, what it refuses, and in which words; the services are stood in for."""

import contextlib
import http.client
import json
import re
import socket
import unittest

import grpc

import echo
import poll
import raw_h2
import shop as front

WITH_HEADER = {"x-requested-with": "doors_test"}
gateway = None


def setUpModule():
    global gateway
    gateway = echo.Gateway(arguments=["--test_listen=127.0.0.1:0"])


def tearDownModule():
    gateway.stop()


class Case(unittest.TestCase):
    def setUp(self):
        gateway.echo.calls.clear()

    def refused(self, answer, status, code, reason):
        """The answer is the gateway's own, and no service was called."""
        self.assertEqual(answer.status, status, answer.text)
        self.assertEqual(answer.headers["content-type"], "application/json")
        body = json.loads(answer.text)
        self.assertEqual(body["code"], code)
        self.assertEqual(
            body["details"],
            [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "gateway.unwind"}],
        )
        self.assertNotEqual(body["message"], "")
        self.assertEqual(gateway.echo.calls, [])


class Headers(Case):
    def passed(self, headers, path="/api/v1/products/lamp"):
        answer = gateway.rest("GET", path, headers=headers)
        self.assertEqual(answer.status, 200, answer.text)
        [(_, metadata)] = gateway.echo.calls
        return metadata

    def test_what_only_the_inside_may_say_is_removed(self):
        metadata = self.passed(
            {
                "Saga-Id": "s",
                "saga-step": "charge",
                "SAGA-ISSUED-AT": "1",
                "X-Member-Id": "mina",
                "x-anything-bin": "!!!",
            }
        )
        self.assertEqual([name for name in metadata if re.search("^saga-|-bin$|member", name)], [])

    def test_what_a_request_says_after_its_body_harms_no_other(self):
        # gRPC ends the whole connection for a -bin header that is no base64, and callers share it.
        doors = {"gateway": "/shop.order.v1.OrderService/GetOrder", "gateway_admin": "/saga.v1.SagaService/GetSaga"}
        doors["gateway_test"] = "/pg.v1.PaymentGateway/Process"
        gateway.echo.pause_s = 0.5
        self.addCleanup(setattr, gateway.echo, "pause_s", 0.0)
        for door, path in doors.items():
            with self.subTest(door):
                gateway.echo.calls.clear()
                connection = raw_h2.Connection(gateway.addresses[door])
                self.addCleanup(connection.close)
                connection.begin(1, path, WITH_HEADER.items())
                connection.end(1)
                poll.eventually(lambda: len(gateway.echo.calls) == 1)
                connection.begin(3, path, WITH_HEADER.items())
                connection.end(3, [("x-anything-bin", "!!!"), ("saga-id", "s"), ("x-member-id", "mina")])
                self.assertEqual(connection.ended([1, 3]), {1, 3})

    def test_a_key_is_passed_on_and_no_trace_is(self):
        trace = {
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "tracestate": "a=b",
            "baggage": "c=d",
        }
        metadata = self.passed({"idempotency-key": '"k-1"', **trace})
        self.assertEqual(metadata["idempotency-key"], '"k-1"')
        self.assertEqual(metadata.keys() & trace.keys(), set())

    def test_a_webhook_is_passed_on_to_the_byte_with_its_signature(self):
        for body in (b'{ "eventId" : "evt-1",\n\t"unknown": 1 }\r\n', b"\x00\xff no json", b""):
            with self.subTest(body):
                gateway.echo.calls.clear()
                headers = {"pg-signature": "t=1,v1=00", "content-type": "application/json"}
                answer = gateway.rest("POST", "/webhook/payment", body, headers)
                self.assertEqual(answer.status, 200, answer.text)
                [(method, metadata)] = gateway.echo.calls
                self.assertEqual(method, "/shop.payment.v1.PaymentWebhookService/Receive")
                self.assertEqual(metadata["pg-signature"], "t=1,v1=00")
                sent = front.Protos().message("google.api.HttpBody").FromString(gateway.echo.requests[-1])
                self.assertEqual((sent.content_type, sent.data), ("application/json", body))

    def test_nobody_outside_sets_a_timeout(self):
        gateway.echo.pause_s = 0.2
        self.addCleanup(setattr, gateway.echo, "pause_s", 0.0)
        self.passed({"x-envoy-upstream-rq-timeout-ms": "1"})

    def test_too_large_or_too_many(self):
        self.refused(
            gateway.rest("GET", "/api/v1/products", headers={"x-large": "x" * 13000}), 431, 3, "METADATA_TOO_LARGE"
        )
        many = {f"x-{i}": "1" for i in range(65)}
        self.refused(gateway.rest("GET", "/api/v1/products", headers=many), 431, 3, "METADATA_TOO_LARGE")

    def test_the_largest_that_pass_do_not_reach_the_services_limit(self):
        metadata = self.passed({"x-large": "x" * 11000, **{f"x-{i}": "1" for i in range(40)}})
        self.assertLess(sum(len(name) + len(value) + 32 for name, value in metadata.items()), 16384)


class Bodies(Case):
    def post(self, body):
        return gateway.rest("POST", "/api/v1/orders", body)

    def test_of_bad_json(self):
        for body in (
            '{"memberId":',
            "[]",
            "{} {}",
            '{"memberId":["mina"]}',
            '{"memberId":7}',
            '{"items":[{"quantity":1.5}]}',
            '{"paymentMethod":"CASH"}',
            '{"memberId":"\\ud800x"}',
            b'{"memberId":"\xff\xfe"}',
        ):
            with self.subTest(body):
                self.refused(self.post(body), 400, 3, "INVALID_REQUEST")

    def test_too_large(self):
        self.refused(self.post({"requestId": "x" * 262144}), 413, 3, "MESSAGE_TOO_LARGE")

    def test_a_field_that_nobody_knows_is_ignored(self):
        self.assertEqual(self.post({"coupon": "none such"}).status, 200)

    def test_a_parameter_that_nobody_knows_is_refused(self):
        self.refused(gateway.rest("GET", "/api/v1/products?page=2"), 400, 3, "INVALID_REQUEST")
        self.refused(gateway.rest("GET", "/api/v1/products?pageSize=two"), 400, 3, "INVALID_REQUEST")

    def test_a_large_answer_is_whole_and_one_beyond_the_limit_is_none(self):
        self.addCleanup(setattr, gateway.echo, "reply", b"")
        order = b"\x0a\xeb\x07\x12\xe8\x07" + b"m" * 1000  # of which its member_id is known, of 1,000 bytes
        gateway.echo.reply = order * 10000
        answer = gateway.rest("GET", "/api/v1/orders")
        self.assertEqual((answer.status, len(json.loads(answer.text)["orders"])), (200, 10000))
        gateway.echo.reply = order * 20000
        gateway.echo.calls.clear()
        answer = gateway.rest("GET", "/api/v1/orders")
        self.assertEqual((answer.status, json.loads(answer.text)["details"][0]["reason"]), (500, "GATEWAY_FAILED"))


class Doors(Case):
    def test_what_is_not_for_buyers_is_not_there(self):
        for path in ("/api/v1/sagas", "/api/v1/nothing", "/"):
            with self.subTest(path):
                self.refused(gateway.rest("GET", path), 404, 5, "NO_SUCH_ROUTE")
        for path in ("/api/test/reset", "/api/v1/payments/process", "/api/v1/sagas/s:cancel"):
            with self.subTest(path):
                self.refused(gateway.rest("POST", path, {}), 404, 5, "NO_SUCH_ROUTE")
        self.refused(gateway.rest("DELETE", "/api/v1/products"), 404, 5, "NO_SUCH_ROUTE")
        self.refused(gateway.rest("POST", "/shop.order.v1.OrderService/GetOrder", {}), 404, 5, "NO_SUCH_ROUTE")

    def test_by_grpc_there_are_the_same_methods(self):
        with grpc.insecure_channel(gateway.addresses["gateway"]) as channel:

            def code(path):
                try:
                    channel.unary_unary(path)(b"", timeout=20)
                except grpc.RpcError as error:
                    self.assertEqual(error.details(), "no such method: see /openapi.json")
                    return error.code()
                return grpc.StatusCode.OK

            self.assertEqual(code("/shop.order.v1.OrderService/GetOrder"), grpc.StatusCode.OK)
            for path in (
                "/shop.order.v1.OrderService/ResetOrders",
                "/shop.payment.v1.PaymentService/Charge",
                "/saga.v1.SagaService/CancelSaga",
                "/pg.v1.MockControl/Reset",
                "/grpc.health.v1.Health/Check",
            ):
                self.assertEqual(code(path), grpc.StatusCode.UNIMPLEMENTED, path)

    def test_an_operators_connection_ends_however_busy_it_is(self):
        brief = echo.Gateway(lambda text: text.replace("max_connection_duration: 3600s", "max_connection_duration: 1s"))
        self.addCleanup(brief.stop)
        connection = http.client.HTTPConnection(brief.addresses["gateway_admin"], timeout=front.CALL_PATIENCE_S)
        self.addCleanup(connection.close)

        def is_last():
            connection.request("GET", "/api/v1/sagas")
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(answer.status, 200)
            return answer.headers["connection"] == "close"

        poll.eventually(is_last)

    def test_operators_see_sagas_alone(self):
        self.assertEqual(gateway.rest("GET", "/api/v1/sagas", door="gateway_admin").status, 200)
        gateway.echo.calls.clear()
        self.refused(gateway.rest("GET", "/api/v1/orders", door="gateway_admin"), 404, 5, "NO_SUCH_ROUTE")


class Browsers(Case):
    """A page of another site must not act with the rights of who looks at it."""

    DOORS = {  # of each something that changes, and something that does not
        "gateway_admin": ("/api/v1/sagas/s:cancel", "/api/v1/sagas"),
        "gateway_test": ("/api/test/reset", "/api/test/scenario"),
    }

    def each_door(self):
        for door, (change, read) in self.DOORS.items():
            with self.subTest(door):
                gateway.echo.calls.clear()
                yield (
                    gateway.addresses[door],
                    lambda headers: gateway.rest("POST", change, {}, headers, door),
                    lambda headers: gateway.rest("GET", read, None, headers, door),
                )

    def test_what_changes_something_needs_a_header_that_is_not_granted(self):
        for _, change, read in self.each_door():
            self.refused(change({}), 403, 7, "FOREIGN_ORIGIN")
            self.refused(change({"Content-Type": "text/plain"}), 403, 7, "FOREIGN_ORIGIN")
            self.assertEqual(change(WITH_HEADER).status, 200)
            self.assertEqual(read({}).status, 200)

    def test_no_other_origin_is_heard(self):
        for own, change, read in self.each_door():
            for origin in ("http://evil.example", "http://localhost:1", f"http://{own}.evil.example", "null"):
                self.refused(change({**WITH_HEADER, "Origin": origin}), 403, 7, "FOREIGN_ORIGIN")
                self.refused(read({"Origin": origin}), 403, 7, "FOREIGN_ORIGIN")
            self.assertEqual(change({**WITH_HEADER, "Origin": f"http://{own}"}).status, 200)

    def test_a_name_that_someone_elses_page_has_is_not_ours(self):
        for _, change, read in self.each_door():
            self.refused(read({"Host": "evil.example"}), 403, 7, "FOREIGN_ORIGIN")
            self.refused(change({**WITH_HEADER, "Host": "evil.example"}), 403, 7, "FOREIGN_ORIGIN")

    def test_operators_grant_nothing(self):
        asked = {
            "Origin": "http://localhost:3000",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-requested-with",
        }
        for door, (path, _) in self.DOORS.items():
            answer = gateway.rest("OPTIONS", path, None, asked, door)
            self.assertEqual(answer.status, 403)
            self.assertIsNone(answer.headers["access-control-allow-origin"])

    def test_buyers_pages_may_order_from_the_origins_of_the_file(self):
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "idempotency-key"}
        for origin, granted in (("http://localhost:3000", "http://localhost:3000"), ("http://evil.example", None)):
            preflight = gateway.rest("OPTIONS", "/api/v1/orders", headers={**asked, "Origin": origin})
            self.assertEqual(preflight.headers["access-control-allow-origin"], granted)
            answer = gateway.rest("POST", "/api/v1/orders", {}, {"Origin": origin})
            self.assertEqual(answer.headers["access-control-allow-origin"], granted)
        refused = gateway.rest("POST", "/api/v1/orders", "[", {"Origin": "http://localhost:3000"})
        self.assertEqual(refused.headers["access-control-allow-origin"], "http://localhost:3000")


class OwnAnswers(Case):
    def test_who_sends_slowly_is_told_so(self):
        host, _, port = gateway.addresses["gateway"].rpartition(":")
        with socket.create_connection((host, int(port)), timeout=front.CALL_PATIENCE_S) as slow:
            slow.sendall(b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\n")
            answer = b"".join(iter(lambda: slow.recv(65536), b""))
        self.assertIn(b" 408 ", answer.split(b"\r\n", 1)[0])
        self.assertIn(b"REQUEST_TIMEOUT", answer)

    def test_its_own_timeout_is_told_from_a_payments(self):
        hasty = echo.Gateway(lambda text: text.replace("timeout: 45s", "timeout: 0.3s"))
        self.addCleanup(hasty.stop)
        hasty.echo.pause_s = 2.0
        self.refused(hasty.rest("POST", "/api/v1/orders", {}), 504, 4, "GATEWAY_TIMEOUT")

    def test_a_service_that_is_away(self):
        lonely = echo.Gateway()
        self.addCleanup(lonely.stop)
        lonely.echo.stop()
        answer = lonely.rest("GET", "/api/v1/products")
        self.refused(answer, 503, 14, "SERVICE_UNREACHABLE")
        self.assertEqual(answer.headers["retry-after"], "1")

    def test_a_copy_that_refuses_often_is_asked_on_and_once_a_call(self):
        other = echo.Echo()
        self.addCleanup(other.stop)
        one = "[{ endpoint: { address: { socket_address: { address: orchestrator, port_value: 7000 } } } }]"
        second = one.replace("orchestrator, port_value: 7000", other.address.replace(":", ", port_value: ")).strip("[]")
        pair = echo.Gateway(lambda text: text.replace(one, f"{one[:-1]}, {second}]"))
        self.addCleanup(pair.stop)
        # As a declined card is answered, and a saga that goes on.
        for code, status in ((grpc.StatusCode.INTERNAL, 500), (grpc.StatusCode.UNAVAILABLE, 503)):
            pair.echo.code = other.code = code
            for _ in range(20):
                self.assertEqual(pair.rest("POST", "/api/v1/orders", {}).status, status)
        self.assertEqual(len(pair.echo.calls) + len(other.calls), 40)
        clusters = json.loads(pair.rest("GET", "/clusters?format=json", door="gateway_stats").text)["cluster_statuses"]
        [hosts] = [each["host_statuses"] for each in clusters if each["name"] == "orchestrator"]
        self.assertEqual([host["health_status"].get("failed_outlier_check") for host in hosts], [None, None])

    def test_how_long_to_wait_is_said_where_a_service_says_it(self):
        self.addCleanup(setattr, gateway.echo, "code", None)
        self.addCleanup(setattr, gateway.echo, "late", ())
        self.addCleanup(setattr, gateway.echo, "early", ())
        gateway.echo.code = grpc.StatusCode.UNAVAILABLE
        for early in ((), (("saga-id", "s"),)):
            for said, told in (("200", "1"), ("30000", "30"), ("30001", "31"), ("-1", None), (None, None)):
                with self.subTest((early, said)):
                    gateway.echo.early = early
                    gateway.echo.late = (("grpc-retry-pushback-ms", said),) if said else ()
                    answer = gateway.rest("POST", "/api/v1/orders", {})
                    self.assertEqual((answer.status, answer.headers["retry-after"]), (503, told))
                    self.assertEqual(answer.headers["saga-id"], dict(early).get("saga-id"))

    def test_too_many_requests(self):
        few = echo.Gateway(
            lambda text: text.replace(
                "max_tokens: 5000, tokens_per_fill: 1000, fill_interval: 1s",
                "max_tokens: 2, tokens_per_fill: 1, fill_interval: 3600s",
            )
        )
        self.addCleanup(few.stop)
        answers = [few.rest("GET", "/api/v1/products") for _ in range(8)]
        self.assertEqual(answers[0].status, 200)
        refused = [answer for answer in answers if answer.status != 200]
        self.refused(refused[0], 429, 8, "OVERLOADED")
        self.assertEqual(refused[0].headers["retry-after"], "1")

    def test_too_many_requests_of_one_address_do_not_harm_another(self):
        few = echo.Gateway(
            lambda text: text.replace(
                "max_tokens: 200, tokens_per_fill: 50, fill_interval: 1s",
                "max_tokens: 2, tokens_per_fill: 1, fill_interval: 3600s",
            )
        )
        self.addCleanup(few.stop)
        for source in ("127.0.0.2", "127.0.0.3"):
            answers = [few.rest("GET", "/api/v1/products", source=source) for _ in range(3)]
            self.assertEqual([answer.status for answer in answers], [200, 200, 429])
        few.echo.calls.clear()
        self.refused(few.rest("GET", "/api/v1/products", source="127.0.0.2"), 429, 8, "OVERLOADED")

    def test_too_many_connections(self):
        two = echo.Gateway(
            lambda text: text.replace(
                "max_active_downstream_connections: 10000", "max_active_downstream_connections: 2"
            )
        )
        self.addCleanup(two.stop)
        host, _, port = two.addresses["gateway"].rpartition(":")
        with contextlib.ExitStack() as open_ones:
            for _ in range(2):
                held = open_ones.enter_context(
                    socket.create_connection((host, int(port)), timeout=front.CALL_PATIENCE_S)
                )
                held.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertIn(b" 200 ", held.recv(100))
            third = open_ones.enter_context(socket.create_connection((host, int(port)), timeout=front.CALL_PATIENCE_S))
            self.assertEqual(third.recv(1), b"")

    def test_the_log_has_a_json_line_a_request_without_what_was_asked_for(self):
        gateway.rest("GET", "/api/v1/payments/log-test", headers={"x-request-id": "of-the-caller"})
        poll.eventually(lambda: "/shop.payment.v1.PaymentService/GetPayment" in gateway.log.read_text())
        self.assertNotIn("log-test", gateway.log.read_text())
        line = json.loads([each for each in gateway.log.read_text().splitlines() if "GetPayment" in each][-1])
        self.assertEqual((line["status"], line["grpc_status"], line["door"]), (200, 0, "gateway"))


class Statistics(unittest.TestCase):
    def test_nobody_stops_envoy_by_its_own_port(self):
        for path in ("/quitquitquit", "/drain_listeners", "/runtime_modify?a=1", "/healthcheck/fail", "/logging?level=off"):
            answer = front.call(gateway.addresses["gateway_stats"], "POST", path, headers={"Origin": "http://evil.example"})
            self.assertEqual(answer.status, 403, path)
        self.assertEqual(front.call(gateway.addresses["gateway_stats"], "GET", "/ready").status, 200)


if __name__ == "__main__":
    front.main()
