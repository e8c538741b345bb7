"""Makes the databases of a release with sagas in every stage, as SQL text: `make.py BIN OUT` (see README.md).

BIN is the folder of that release's programs, OUT that of the SQL. Times are written relative to the end of the
recording, as @-12500000us@ in the unit of their column, so that a test can play them as if they had just been made.
"""

import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[3]
PATIENCE = 30
DISTANCE_MAX_S = 40 * 86400


class Programs:
    """The five processes, each over a SQLite file in `folder`."""

    def __init__(self, bin_folder, folder):
        self.bin, self.folder, self.running, self.address = pathlib.Path(bin_folder), folder, {}, {}
        for name in ("mock_pg", "order_svc", "stock_svc", "payment_svc", "orchestrator"):
            self.start(name)

    def start(self, name):
        port_file = self.folder / f"{name}.port"
        port_file.unlink(missing_ok=True)
        flags = [f"--listen={self.address.get(name, '127.0.0.1:0')}", f"--port_file={port_file}", f"--db={self.folder / name}.db"]
        if name == "payment_svc":
            flags.append(f"--pg_address={self.address['mock_pg']}")
        if name == "orchestrator":
            flags.append("--definitions=orchestrator/sagas")
            flags.append(
                f"--participants=shop.order.v1.OrderService={self.address['order_svc']},"
                f"shop.stock.v1.StockService={self.address['stock_svc']},"
                f"shop.payment.v1.PaymentService={self.address['payment_svc']}"
            )
        log = open(self.folder / f"{name}.log", "a")
        self.running[name] = subprocess.Popen([self.bin / name, *flags], cwd=ROOT, stdout=log, stderr=log)
        until(lambda: port_file.exists() and port_file.read_text().strip())
        self.address[name] = "127.0.0.1:" + port_file.read_text().split()[0]

    def kill(self, name):
        self.running[name].send_signal(signal.SIGKILL)
        self.running[name].wait()


def until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("it does not come to pass")
        threading.Event().wait(0.01)


class Caller:
    """Calls methods with messages of the generated Python code."""

    def __init__(self, programs):
        self.programs = programs
        self.channels = {name: grpc.insecure_channel(address) for name, address in programs.address.items()}

    def begin(self, program, method, request, response_type):
        call = self.channels[program].unary_unary(
            method, request_serializer=lambda message: message.SerializeToString(), response_deserializer=response_type.FromString
        )
        return call.future(request, timeout=PATIENCE, wait_for_ready=True)


def generate(folder):
    protos = [str(path.relative_to(ROOT / "protos")) for path in (ROOT / "protos").rglob("*.proto")]
    protos = [path for path in protos if path.startswith(("pg/", "shop/", "saga/v1/", "third_party/google/"))]
    protos = [path.removeprefix("third_party/") for path in protos]
    subprocess.run(
        ["protoc", f"-I{ROOT / 'protos'}", f"-I{ROOT / 'protos/third_party'}", f"--python_out={folder}", *protos], check=True
    )
    sys.path.insert(0, str(folder))


def record(programs, folder):
    generate(folder)
    from pg.v1 import mock_control_pb2 as mock
    from saga.v1 import saga_service_pb2 as sagas
    from shop.checkout.v1 import checkout_service_pb2 as checkout
    from shop.stock.v1 import stock_service_pb2 as stock

    caller = Caller(programs)

    def scenario(**faults):
        request = mock.SetScenarioRequest(scenario=mock.Scenario(**faults))
        caller.begin("mock_pg", "/pg.v1.MockControl/SetScenario", request, mock.SetScenarioResponse).result()

    def place(key, product="lamp"):
        request = checkout.PlaceOrderRequest(request_id=key, member_id="mina", payment_method=1)
        request.items.add(product_id=product, quantity=1)
        method = "/shop.checkout.v1.CheckoutService/PlaceOrder"
        return caller.begin("orchestrator", method, request, checkout.PlaceOrderResponse)

    def saga_of(key):
        answer = caller.begin("orchestrator", "/saga.v1.SagaService/ListSagas", sagas.ListSagasRequest(page_size=100), sagas.ListSagasResponse)
        return next((saga for saga in answer.result().sagas if saga.key == key), None)

    def step_state(key, step):
        saga = saga_of(key)
        return None if saga is None else next(each.attempt for each in saga.steps if each.name == step)

    for product, price in (("lamp", 5000), ("yacht", 900000000)):
        request = stock.RestockRequest(product_id=product, quantity=100)
        request.price.minor_units, request.price.currency_code = price, "KRW"
        metadata = (("idempotency-key", f"stock-{product}"),)
        call = caller.channels["stock_svc"].unary_unary("/shop.stock.v1.StockService/Restock", request_serializer=lambda m: m.SerializeToString(), response_deserializer=stock.RestockResponse.FromString)
        call(request, timeout=PATIENCE, metadata=metadata, wait_for_ready=True)

    # Finished: paid, declined, cancelled.
    scenario(refuse_amount_minor=100000000)
    place("paid").result()
    declined = place("declined", "yacht")
    until(declined.done)
    cancelled = place("cancelled").result()
    request = checkout.CancelOrderRequest(request_id="cancel", order_id=cancelled.order_id, member_id="mina")
    caller.begin("orchestrator", "/shop.checkout.v1.CheckoutService/CancelOrder", request, checkout.CancelOrderResponse).result()

    # Parked: the order's row is put out of the way while it is confirmed, and back afterwards.
    scenario(refuse_amount_minor=100000000, delay_ms=800)
    parked = place("parked")
    until(lambda: step_state("parked", "charge"))
    orders = sqlite3.connect(folder / "order_svc.db", timeout=PATIENCE)
    order_id = saga_of("parked").saga_id
    with orders:
        orders.execute("UPDATE orders SET state = 3 WHERE order_id = ?", (order_id,))
    until(lambda: saga_of("parked").state == sagas.Saga.STATE_PARKED)
    with orders:
        orders.execute("UPDATE orders SET state = 1 WHERE order_id = ?", (order_id,))
    orders.close()

    # Under way: each is past its charge, or asks for it, when what it needs next goes away.
    scenario(refuse_amount_minor=100000000, delay_ms=800)
    under_way = [parked]
    under_way += [place(f"to-confirm-{i}") for i in range(2)] + [place(f"to-undo-{i}", "yacht") for i in range(2)]
    until(lambda: all(step_state(key, "charge") for key in ("to-confirm-0", "to-confirm-1", "to-undo-0", "to-undo-1")))
    begun = time.monotonic()  # the gateway answers those above while it still keeps these waiting
    until(lambda: time.monotonic() > begun + 0.5)
    under_way += [place(f"to-charge-{i}") for i in range(2)]
    until(lambda: all(step_state(key, "charge") for key in ("to-charge-0", "to-charge-1")))
    programs.kill("stock_svc")
    until(lambda: step_state("to-confirm-0", "confirm_stock") and step_state("to-confirm-1", "confirm_stock"))
    until(lambda: all(saga_of(key).state == sagas.Saga.STATE_COMPENSATING for key in ("to-undo-0", "to-undo-1")))
    programs.kill("payment_svc")
    programs.kill("mock_pg")
    under_way += [place(f"to-reserve-{i}") for i in range(2)]
    until(lambda: all(step_state(key, "reserve_stock") for key in ("to-reserve-0", "to-reserve-1")))
    programs.kill("order_svc")
    under_way += [place(f"to-create-{i}") for i in range(2)]
    until(lambda: all(step_state(key, "create_order") for key in ("to-create-0", "to-create-1")))
    programs.kill("orchestrator")
    return time.time()


def relative(text, end):
    """Times near `end`, in microseconds or nanoseconds, become distances from it."""

    def replace(match):
        digits = match.group(0)
        unit, scale = ("us", 10**6) if len(digits) == 16 else ("ns", 10**9)
        distance = int(digits) - int(end * scale)
        return digits if abs(distance) > DISTANCE_MAX_S * scale else f"@{distance}{unit}@"

    return re.sub(r"(?<![0-9A-Za-z])(?:[0-9]{16}|[0-9]{19})(?![0-9A-Za-z])", replace, text)


def dump(database, out, end):
    """What makes the tables goes to NAME.schema.sql, what fills them to NAME.rows.sql: PostgreSQL takes the rows too."""
    statements = {"schema": [], "rows": []}
    with sqlite3.connect(database) as connection:
        for statement in connection.iterdump():
            if statement.startswith(("CREATE", "INSERT")):
                is_row = statement.startswith("INSERT") and "sqlite_sequence" not in statement
                statements["rows" if is_row else "schema"].append(statement)
    for kind, texts in statements.items():
        (out / f"{database.stem}.{kind}.sql").write_text(relative("\n".join(texts) + "\n", end))


def main():
    bin_folder, out = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        programs = Programs(bin_folder, folder)
        try:
            end = record(programs, folder)
        finally:
            for program in programs.running:
                programs.kill(program)
        for database in folder.glob("*.db"):
            dump(database, pathlib.Path(out), end)


if __name__ == "__main__":
    main()
