"""The shop as ./run up starts it, with the REST gateway before it, and how to call it by REST and by gRPC."""

import collections
import contextlib
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

import poll

PROJECT = pathlib.Path(__file__).resolve().parents[3]
BIN = pathlib.Path(os.environ.get("UNWIND_BIN_DIR", PROJECT / "build/dev/bin"))
FILES = BIN.parent
CALL_PATIENCE_S = 60
AT_REST = ("every saga is over", "the gateway has said its last word")  # how rules of the audit begin
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")

Answer = collections.namedtuple("Answer", "status headers text")


def envoy():
    """The program: of the environment, else the one that ./run has installed. None: there is none."""
    given = os.environ.get("UNWIND_ENVOY")
    if given:
        return given
    installed = sorted((PROJECT / "build/tools").glob("envoy-*"))
    return str(installed[-1]) if installed else None


def read_addresses(file):
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


def await_file(file, process, log):
    """The addresses in `file` once it is there; fails with the log if the process ends before."""
    poll.eventually(lambda: file.exists() or process.poll() is not None)
    assert file.exists(), f"{process.args[0]} did not start: {log.read_text()}"
    return read_addresses(file)


def call(address, method, path, body=None, headers=None, source="127.0.0.1", tls=None):
    """One request on a connection of its own, from the address `source`; `body` is text, bytes, or something to be
    written as JSON. `tls`: an ssl.SSLContext; none: in plaintext."""
    if body is not None and not isinstance(body, (str, bytes)):
        body = json.dumps(body)
    options = {"timeout": CALL_PATIENCE_S, "source_address": (source, 0)}
    if tls is not None:
        connection = http.client.HTTPSConnection(address, context=tls, **options)
    else:
        connection = http.client.HTTPConnection(address, **options)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read().decode())
    finally:
        connection.close()


def without_ids(text):
    """`text` with each id that the orchestrator chose replaced by ID."""
    return ID.sub("ID", text)


class Protos:
    """The messages of unwind.protoset."""

    def __init__(self):
        self.files = descriptor_pb2.FileDescriptorSet.FromString((FILES / "unwind.protoset").read_bytes())
        self.pool = descriptor_pool.DescriptorPool()
        for file in self.files.file:
            self.pool.Add(file)
        self.factory = message_factory.MessageFactory(self.pool)

    def message(self, name):
        return self.factory.GetPrototype(self.pool.FindMessageTypeByName(name))

    def method(self, path):
        service, _, name = path.strip("/").rpartition("/")
        return self.pool.FindServiceByName(service).methods_by_name[name]

    def call(self, address, path, request, metadata=(), credentials=None):
        """The answer of a gRPC call as JSON would have it. `credentials`: of a TLS client; none: in plaintext."""
        method = self.method(path)
        message = json_format.ParseDict(request, self.factory.GetPrototype(method.input_type)())
        answer_type = self.factory.GetPrototype(method.output_type)
        secure = credentials is not None
        with grpc.secure_channel(address, credentials) if secure else grpc.insecure_channel(address) as channel:
            stub = channel.unary_unary(path, lambda m: m.SerializeToString(), answer_type.FromString)
            answer = stub(message, metadata=metadata, timeout=CALL_PATIENCE_S)
        return json_format.MessageToDict(answer, including_default_value_fields=True, descriptor_pool=self.pool)


class Shop:
    def __init__(self, *flags):
        """`flags`: more of unwind_up's."""
        self.folder = tempfile.TemporaryDirectory(prefix="unwind-gateway-")
        folder = pathlib.Path(self.folder.name)
        self.log = folder / "log"
        addresses = folder / "addresses"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [BIN / "unwind_up", f"--addresses_file={addresses}", f"--envoy={envoy() or ''}", *flags],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self.addresses = await_file(addresses, self.process, self.log)
        except AssertionError:
            self.stop()
            raise
        self.protos = Protos()
        told = self.log.read_text()
        self.scratch = pathlib.Path(re.search(r"^Databases and logs: (.*)$", told, re.M).group(1))
        postgres = re.search(r"^PostgreSQL: psql -h (\S+) -p (\d+) ", told, re.M)
        self.books = (
            [f"--folder={postgres[1]}", f"--postgres_port={postgres[2]}"] if postgres else [f"--folder={self.scratch}"]
        )

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()

    def rest(self, method, path, body=None, headers=None, door="gateway", tls=None):
        return call(self.addresses[door], method, path, body, headers, tls=tls)

    def rpc(self, node, path, request, metadata=()):
        credentials = None
        if "ca" in self.addresses:
            files = (pathlib.Path(self.addresses[name]).read_bytes() for name in ("ca", "key", "cert"))
            credentials = grpc.ssl_channel_credentials(*files)
        return self.protos.call(self.addresses[node], path, request, metadata, credentials)

    def scenario(self, **faults):
        self.rpc("mock_pg", "/pg.v1.MockControl/SetScenario", {"scenario": faults})

    def restock(self, product, pieces, price=1000):
        self.rpc(
            "stock_svc",
            "/shop.stock.v1.StockService/Restock",
            {"product_id": product, "quantity": pieces, "price": {"minor_units": price, "currency_code": "KRW"}},
            [("idempotency-key", f"stock-{product}")],
        )

    def campaign(self, campaign, coupons=0):
        """Coupons of 1,000 won."""
        self.rpc(
            "coupon_svc",
            "/shop.coupon.v1.CouponService/CreateCampaign",
            {
                "campaign_id": campaign,
                "terms": {"amount_off": {"minor_units": 1000, "currency_code": "KRW"}},
                "valid_until": "2999-01-01T00:00:00Z",
                "coupons_max": coupons,
            },
            [("idempotency-key", f"campaign-{campaign}")],
        )

    def charge(self, member, amount):
        self.rpc(
            "wallet_svc",
            "/shop.wallet.v1.WalletService/Charge",
            {"charge_id": f"charge-{member}", "member_id": member, "amount": {"minor_units": amount, "currency_code": "KRW"}},
            [("idempotency-key", f"charge-{member}")],
        )

    def order(self, key, product, quantity=1, member="mina"):
        """The answer of an order by REST."""
        return self.rest("POST", "/api/v1/orders", order_of(product, quantity, member), {"Idempotency-Key": key})

    def audit(self):
        """What the books say; the second is whether all rules hold. What follows an order ends after it, and so does what the
        payment gateway is asked: both have their time."""
        said = []

        def is_over():
            done = subprocess.run([BIN / "unwind_audit", *self.books], capture_output=True, text=True)
            said[:] = done.stdout + done.stderr, done.returncode == 0
            return not any(f"VIOLATED  {rule}" in done.stdout for rule in AT_REST)

        with contextlib.suppress(AssertionError):
            poll.eventually(is_over)
        return said


def order_of(product, quantity=1, member="mina"):
    return {
        "memberId": member,
        "items": [{"productId": product, "quantity": quantity}],
        "paymentMethod": "PAYMENT_METHOD_CARD",
    }


def main():
    """Runs the tests of a module; 77, which ctest takes for skipped, where there is no Envoy."""
    if envoy() is None:
        print("skipped: there is no Envoy in build/tools (./run up installs it) and none in UNWIND_ENVOY")
        sys.exit(77)
    unittest.main(verbosity=2)
