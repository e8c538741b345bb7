"""docs/CLIENTS.md, played: each client buys exactly once while the orchestrator is killed, and repeats what it should.

usage: clients_test.py Python|Go|Java|Node...
"""

import concurrent.futures
import http.server
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import grpc
from google.protobuf import any_pb2, json_format

import document
import shop as front

DOCUMENT = "docs/CLIENTS.md"
LANGUAGES = ("Python", "Go", "Java", "Node")
METHOD = "/shop.checkout.v1.CheckoutService/PlaceOrder"
PATIENCE_S = 120  # longer than that of a client
ASKED_PAUSE_S = 0.7
ASKED_AFTER_S = 1
STATUS_OF = {"UNAVAILABLE": 503, "RESOURCE_EXHAUSTED": 429, "DEADLINE_EXCEEDED": 504, "INTERNAL": 500, "ABORTED": 409}

shop = None
orchestrator = None


def setUpModule():
    global shop, orchestrator
    shop = front.Shop()
    unittest.addModuleCleanup(shop.stop)
    orchestrator = Orchestrator()
    unittest.addModuleCleanup(orchestrator.kill)


def error_of(code, reason="", pause=0):
    """An error as both kinds of servers are given it."""
    details = []
    if reason:
        details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "shop.unwind"})
    if pause:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{pause}s"})
    return {"code": getattr(grpc.StatusCode, code).value[0], "message": "scripted", "details": details}, code


class ScriptedRpc:
    """Answers calls of PlaceOrder, one after the other, by a script: an error of error_of, else the order; None: never."""

    def __init__(self, script):
        self.script, self.came, self.requests = script, [], []
        self.ended = threading.Event()
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        handler = grpc.unary_unary_rpc_method_handler(self.answer)
        service, _, name = METHOD.strip("/").rpartition("/")
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: handler}),))
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def answer(self, request, context):
        self.came.append(time.monotonic())
        self.requests.append(request)
        told = self.script[min(len(self.came), len(self.script)) - 1]
        if told is None:
            self.ended.wait(PATIENCE_S)
        if not told:
            response = shop.protos.factory.GetPrototype(shop.protos.method(METHOD).output_type)
            return response(order_id="scripted").SerializeToString()
        error, code = told
        status = shop.protos.factory.GetPrototype(shop.protos.pool.FindMessageTypeByName("google.rpc.Status"))()
        json_format.ParseDict(error, status, descriptor_pool=shop.protos.pool)
        if error["details"]:
            context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
        context.abort(getattr(grpc.StatusCode, code), "scripted")

    def stop(self):
        self.ended.set()
        self.server.stop(None).wait()


class ScriptedRest:
    """The same by REST. What is RESOURCE_EXHAUSTED without details has a Retry-After of ASKED_AFTER_S."""

    def __init__(self, script):
        self.script, self.came, self.requests = script, [], []
        self.ended = threading.Event()
        scripted = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                scripted.came.append(time.monotonic())
                body = self.rfile.read(int(self.headers["Content-Length"]))
                scripted.requests.append((self.headers["Idempotency-Key"], body))
                told = scripted.script[min(len(scripted.came), len(scripted.script)) - 1]
                if told is None:
                    scripted.ended.wait(PATIENCE_S)
                    return
                error, code = told or ({"orderId": "scripted"}, "")
                self.send_response(STATUS_OF[code] if code else 200)
                if code == "RESOURCE_EXHAUSTED" and not error["details"]:
                    self.send_header("Retry-After", str(ASKED_AFTER_S))
                self.end_headers()
                self.wfile.write(json.dumps(error).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


class Orchestrator:
    """That of the shop, which can be killed and started again at the same addresses."""

    def __init__(self):
        self.pid = int(shop.addresses["orchestrator_pid"])
        command = pathlib.Path(f"/proc/{self.pid}/cmdline").read_text().split("\0")[:-1]
        addresses = {"--listen": "orchestrator", "--admin_listen": "orchestrator_admin", "--metrics_listen": None}
        self.command = [word for word in command if word.partition("=")[0] not in addresses]
        self.command += [f"{flag}={shop.addresses[door]}" for flag, door in addresses.items() if door]
        self.process = None

    def kill(self):
        if self.process is None:
            os.kill(self.pid, signal.SIGKILL)
        else:
            self.process.kill()
            self.process.wait()

    def start(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.DEVNULL)


class Client:
    """A language's client: built once by the document's commands."""

    def __init__(self, language, folder):
        self.language = language
        self.workplace = document.Workplace(folder)
        blocks = document.blocks_of(DOCUMENT)
        own = [b for b in blocks if b.language == "sh" and b.headings[-1] in ("Calling a saga", language)]
        save = document.Block("sh", "declare -p W >$TMPDIR/buy.sh; declare -f buy >>$TMPDIR/buy.sh", (), 0)
        for output, status in self.workplace.run([*own, save], {}):
            assert status == 0, output
        (self.call,) = [b.text for b in blocks if b.headings[-1] == "An order"]
        self.door = "gateway" if language == "Node" else "orchestrator"
        self.server = ScriptedRest if language == "Node" else ScriptedRpc

    def start(self, *arguments):
        return subprocess.Popen(
            ["bash", "-c", f'. {self.workplace.folder}/buy.sh; buy "$@"', "buy", *map(str, arguments)],
            cwd=self.workplace.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def buy(self, *arguments):
        """Exit status, standard output, standard error."""
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=PATIENCE_S)
        return process.returncode, output.strip(), errors


class Clients:
    """What each client must do; a class of each language has `language`."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="unwind-clients-")
        cls.addClassCleanup(folder.cleanup)
        cls.client = Client(cls.language, folder.name)
        cls.product = f"book-{cls.language.lower()}"
        shop.restock(cls.product, 20)

    def key(self, what):
        return f"{self.language}-{what}"

    def scripted(self, script, seconds=60):
        server = self.client.server(script)
        self.addCleanup(server.stop)
        return server, self.client.buy(server.address, self.key("scripted"), "lamp", 1, seconds)

    def is_known(self, key):
        """Whether a saga has the key."""
        request = {"definition": "place-order", "key": key}
        try:
            return shop.rpc("orchestrator_admin", "/saga.v1.SagaService/GetSaga", request)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error
            return None

    def orders(self):
        listed = shop.rpc("order_svc", "/shop.order.v1.OrderService/ListOrders", {"member_id": "mina", "page_size": 100})
        return [order for order in listed["orders"] if self.product in json.dumps(order)]

    def test_the_line_of_the_document(self):
        line = self.client.call.split("#")[0].replace("127.0.0.1:7000", shop.addresses[self.client.door])
        status, output, errors = self.client.buy(*line.replace("order-1", self.key("order-1")).split()[1:])
        self.assertEqual((status, errors), (0, ""))
        self.assertRegex(output, front.ID)

    def test_an_order_is_placed_once_though_the_orchestrator_dies(self):
        stock_svc = int(shop.addresses["stock_svc_pid"])
        self.addCleanup(os.kill, stock_svc, signal.SIGCONT)
        os.kill(stock_svc, signal.SIGSTOP)  # so that the saga is under way when the orchestrator dies
        key = self.key("crash")
        process = self.client.start(shop.addresses[self.client.door], key, self.product, 3)
        document.eventually(lambda: self.is_known(key))
        orchestrator.kill()
        told = process.stderr.readline()
        orchestrator.start()
        os.kill(stock_svc, signal.SIGCONT)
        output, errors = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 0, told + errors)
        self.assertIn("not known yet", told)
        (order,) = self.orders()
        self.assertEqual((order["orderId"], order["state"]), (output.strip(), "STATE_PAID"))
        # Another process goes on with the same key.
        self.assertEqual(self.client.buy(shop.addresses[self.client.door], key, self.product, 3), (0, output.strip(), ""))
        self.assertEqual(len(self.orders()), 1)
        said, holds = shop.audit()
        self.assertTrue(holds, said)

    def test_a_refusal_is_not_repeated(self):
        status, output, errors = self.client.buy(shop.addresses[self.client.door], self.key("many"), "lamp", 999)
        self.assertEqual((status, output), (1, ""))
        self.assertRegex(errors, "^refused: .*STOCK_NOT_ENOUGH")

    def test_what_says_that_nothing_is_known_is_repeated_under_one_key(self):
        script = [
            error_of("UNAVAILABLE"),
            error_of("RESOURCE_EXHAUSTED", "OVERLOADED", ASKED_PAUSE_S),
            error_of("RESOURCE_EXHAUSTED"),
            error_of("DEADLINE_EXCEEDED"),
            error_of("INTERNAL", "STORE_FAILED"),
            (),
        ]
        server, (status, output, errors) = self.scripted(script)
        self.assertEqual((status, output), (0, "scripted"), errors)
        self.assertEqual(len(server.requests), len(script))
        self.assertEqual(server.requests, server.requests[:1] * len(script))
        self.assertIn(self.key("scripted"), str(server.requests[0]))
        self.assertGreaterEqual(server.came[2] - server.came[1], ASKED_PAUSE_S)
        if self.client.server is ScriptedRest:
            self.assertGreaterEqual(server.came[3] - server.came[2], ASKED_AFTER_S)

    def test_what_is_decided_is_asked_for_once(self):
        for code, reason in [
            ("DEADLINE_EXCEEDED", "PAYMENT_TIMEOUT"),
            ("INTERNAL", "PAYMENT_FAILED"),
            ("ABORTED", "SAGA_DEADLINE"),
        ]:
            with self.subTest(reason):
                server, (status, output, errors) = self.scripted([error_of(code, reason)])
                self.assertEqual((status, output, len(server.came)), (1, "", 1), errors)
                self.assertIn(reason, errors)

    def test_it_ends_when_its_time_is_over(self):
        for script in ([error_of("UNAVAILABLE")], [None]):
            with self.subTest(script):
                _, (status, output, errors) = self.scripted(script, seconds=1)
                self.assertEqual((status, output), (2, ""), errors)
                self.assertIn("not known", errors)


if __name__ == "__main__":
    for language in sys.argv[1:] or LANGUAGES:
        globals()[language] = type(language, (Clients, unittest.TestCase), {"language": language})
    unittest.main(argv=sys.argv[:1], verbosity=2)
