"""What the package's units and compose.yaml start on one machine, started as they say; all of it on one loopback address."""

import collections
import configparser
import json
import pathlib
import re
import shlex
import unittest

import yaml

import loopback
import shop as front

PROJECT = loopback.PROJECT
AT_REST = 50 << 20
UNITS = {"m": 1 << 20, "g": 1 << 30}
GATEWAY = "gateway"
BUYERS, OPERATORS, STATS, STOCK = 8080, 8081, 9901, 7002

DOORS = (("", BUYERS), ("admin_", OPERATORS), ("stats_", STATS))

# As a unit or a service of compose has it; `memory` in bytes. `ends`: by itself, once it has done its task.
Started = collections.namedtuple("Started", "name argv env memory ends")


def settings(text):
    """Of an environment file, as systemd and compose read it."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: value.strip('"') for name, value in (line.split("=", 1) for line in lines)}


def bytes_of(quantity):
    return int(quantity[:-1]) * UNITS[quantity[-1].lower()]


def of_the_units(root):
    for file in sorted((root / "usr/lib/systemd/system").glob("unwind-*.service")):
        unit = configparser.RawConfigParser(strict=False)
        unit.optionxform = str
        unit.read_string(file.read_text())
        service = unit["Service"]
        env = settings((root / service["EnvironmentFile"].lstrip("/")).read_text())
        # A variable in braces is one word, without them it is as many as it has.
        line = re.sub(r"\$\{(\w+)\}", lambda m: shlex.quote(env[m[1]]), service["ExecStart"])
        line = re.sub(r"\$(\w+)", lambda m: env[m[1]], line)
        name, ends = file.stem.removeprefix("unwind-"), service["Type"] == "oneshot"
        yield Started(name, shlex.split(line), env, bytes_of(service["MemoryMax"]), ends)


def of_compose(_):
    compose = yaml.safe_load((PROJECT / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        env = {}
        for file in service.get("env_file", ()):
            env |= settings((PROJECT / file).read_text())
        for variable, value in service.get("environment", {}).items():
            env[variable] = value
            for secret in service.get("secrets", ()):
                env[variable] = env[variable].replace(f"/run/secrets/{secret}", str(PROJECT / compose["secrets"][secret]["file"]))
        yield Started(name, service["command"], env, bytes_of(service["mem_limit"]), "profiles" in service)


def case(source):
    class OneMachine(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            cls.host = loopback.Host()
            cls.addClassCleanup(cls.host.stop)
            cls.address = next(cls.host.addresses)
            everything = list(source(cls.host.root))
            cls.all = [each for each in everything if not each.ends]
            [cls.reconcile] = [each for each in everything if each.ends]
            cls.programs = {each.name: cls.start(each) for each in cls.all}

        @classmethod
        def start(cls, each):
            folders = cls.host.image()
            program = pathlib.Path(each.argv[0]).name
            for inside in ("/var/lib/unwind", "/run/unwind-gateway", "/run/unwind"):
                folders[inside] = str(cls.host.folder / "state" / program)
            (cls.host.folder / "state" / program / program).mkdir(parents=True, exist_ok=True)
            here = lambda text: loopback.under(text.replace("127.0.0.1:", cls.address + ":"), folders)
            argv = [here(word) for word in each.argv]
            if each.name == GATEWAY:
                argv += [f"--{name}listen={cls.address}:{port}" for name, port in DOORS]
            env = {name: here(value) for name, value in each.env.items()}
            return cls.host.start(each.name, argv, env)

        def test_every_program_serves(self):
            services = [f"{name}-svc" for name in ("coupon", "order", "payment", "stock", "wallet")]
            self.assertEqual(sorted(self.programs), sorted(["gateway", "mock-pg", "orchestrator", *services]))
            for each in self.all:
                with self.subTest(each.name):
                    if each.name == GATEWAY:
                        ready = lambda: loopback.answers(f"{self.address}:{STATS}/ready")
                    else:
                        address = each.env["UNWIND_LISTEN"].replace("127.0.0.1", self.address)
                        ready = lambda: loopback.is_serving(address, "readiness")
                    self.programs[each.name].passes(ready)

        def test_an_order_is_paid_by_rest(self):
            by_grpc = front.Protos()
            stock = {"product_id": "lamp", "quantity": 3, "price": {"minor_units": 1000, "currency_code": "KRW"}}
            self.programs["stock-svc"].passes(lambda: loopback.is_serving(f"{self.address}:{STOCK}", "readiness"))
            by_grpc.call(f"{self.address}:{STOCK}", "/shop.stock.v1.StockService/Restock", stock, [("idempotency-key", "k")])
            self.programs[GATEWAY].passes(lambda: self.ordered().status == 200)
            self.assertIn('"state":"STATE_PAID"', self.ordered().text)
            order = json.loads(self.ordered().text)["orderId"]
            for door, path in (
                (BUYERS, "products/lamp"),
                (BUYERS, f"orders/{order}"),
                (BUYERS, f"payments/{order}"),
                (OPERATORS, f"sagas/{order}"),
            ):
                answer = front.call(f"{self.address}:{door}", "GET", f"/api/v1/{path}", headers={"Host": "localhost"})
                self.assertEqual(answer.status, 200, f"{path}: {answer.text}")

        def ordered(self):
            headers = {"Idempotency-Key": "one"}
            try:
                return front.call(f"{self.address}:{BUYERS}", "POST", "/api/v1/orders", front.order_of("lamp"), headers)
            except OSError:
                return front.Answer(0, {}, "")

        def test_payments_are_compared_and_the_result_is_told(self):
            payments = next(each for each in self.all if each.name == "payment-svc")
            metrics = payments.env["UNWIND_METRICS_LISTEN"].replace("127.0.0.1", self.address)
            self.programs["payment-svc"].passes(lambda: loopback.answers(f"{metrics}/metrics"))
            self.assertEqual(self.reconcile.argv, [*payments.argv, "reconcile"])
            gateway = f"{self.address}:7004"
            self.programs["mock-pg"].passes(lambda: loopback.is_serving(gateway, "readiness"))
            orders = f"{self.address}:7001"
            self.programs["order-svc"].passes(lambda: loopback.is_serving(orders, "readiness"))
            done = self.start(self.reconcile)
            self.assertEqual(done.process.wait(loopback.PATIENCE_S), 0, done.log.read_text())
            self.assertRegex(done.log.read_text(), r"\b0 differences\n")
            told = lambda: loopback.metric(metrics, "payment_reconcile_timestamp_seconds") > 0
            self.programs["payment-svc"].passes(told)

        def test_memory_limits_cover_what_the_flags_allow(self):
            for each in self.all:
                if each.name in (GATEWAY, "mock-pg"):
                    continue
                metrics = each.env["UNWIND_METRICS_LISTEN"].replace("127.0.0.1", self.address)
                self.programs[each.name].passes(lambda: loopback.answers(f"{metrics}/metrics"))
                self.assertGreaterEqual(each.memory, loopback.metric(metrics, "memory_limits_bytes") + AT_REST, each.name)

    return OneMachine


class Units(case(of_the_units)):
    pass


class Compose(case(of_compose)):
    def test_the_mock_and_the_service_have_one_secret_of_webhooks(self):
        envs = {each.name: each.env for each in self.all}
        secret = envs["mock-pg"]["UNWIND_WEBHOOK_SECRET_FILE"]
        self.assertEqual(secret, envs["payment-svc"]["UNWIND_WEBHOOK_SECRET_FILES"])
        self.assertEqual(envs["mock-pg"]["UNWIND_WEBHOOK_ADDRESS"], envs["payment-svc"]["UNWIND_LISTEN"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
