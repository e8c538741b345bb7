"""What the package's units and compose.yaml start on one machine, started as they say; all of it on one loopback address."""

import collections
import configparser
import json
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

# As a unit or a service of compose has it; `memory` in bytes.
Started = collections.namedtuple("Started", "name argv env memory")


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
        yield Started(file.stem.removeprefix("unwind-"), shlex.split(line), env, bytes_of(service["MemoryMax"]))


def of_compose(_):
    for name, service in yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"].items():
        env = {}
        for file in service.get("env_file", ()):
            env |= settings((PROJECT / file).read_text())
        yield Started(name, service["command"], env, bytes_of(service["mem_limit"]))


def case(source):
    class OneMachine(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            cls.host = loopback.Host()
            cls.addClassCleanup(cls.host.stop)
            cls.address = next(cls.host.addresses)
            cls.all = list(source(cls.host.root))
            cls.programs = {each.name: cls.start(each) for each in cls.all}

        @classmethod
        def start(cls, each):
            folders = cls.host.image()
            for inside in ("/var/lib/unwind", "/run/unwind-gateway", "/run/unwind"):
                folders[inside] = str(cls.host.folder / "state" / each.name)
            (cls.host.folder / "state" / each.name / each.name.replace("-", "_")).mkdir(parents=True)
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
    pass


if __name__ == "__main__":
    unittest.main(verbosity=2)
