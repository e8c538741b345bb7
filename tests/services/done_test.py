"""What a service of the shop has besides its code. Which services there are is what unwind.protoset says: those of
shop.NAME.v1 are NAME_svc's, those of shop.checkout.v1 are served from definitions.

A row of PLACES and LISTS, and a function of CHECKS, is what must be there; what is missing is said with the file where it
belongs. Metrics and spans are asked of the running program.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import grpc
import yaml

PROJECT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("UNWIND_BIN_DIR", PROJECT / "build/dev/bin"))
FILES = BIN.parent
sys.path += [str(PROJECT / "gateway"), str(PROJECT / "tests/e2e/gateway")]
from poll import eventually  # noqa: E402
from protos import Protos  # noqa: E402

BY_DEFINITIONS = "shop.checkout.v1"
OWN_FLAGS = {"payment_svc": ["--pg_address=127.0.0.1:1"]}  # without which the program does not start
SERVICES_MIN = 5  # fewer: the test looked in the wrong place

# Part, file, and what stands there of a program: {program} is such as order_svc, {dashed} order-svc, {name} order.
PLACES = (
    ("build", "CMakeLists.txt", r"^add_subdirectory\({program}\)"),
    ("tests of the whole shop", "tests/support/cluster.cc", r'return "{program}";'),
    ("contract tests on both stores", "tests/contract/CMakeLists.txt", r"^unwind_test\({name}_service_test EVERY_STORE\b"),
    ("package", "cmake/Package.cmake", r"^install\(TARGETS .*\b{program}\b"),
    ("unit", "cmake/Package.cmake", r"^unwind_unit\({program} "),
    ("unit's settings", "packaging/etc/{program}.env", r"^UNWIND_DB=/var/lib/unwind/{program}/"),
    ("compose", "compose.yaml", r"command: \[/usr/libexec/unwind/bin/{program}\]"),
    ("manifest", "k8s/base/{program}.yaml", r"^kind: Deployment$"),
    ("volume", "k8s/overlays/dev/volumes.yaml", r"name: {dashed} "),
    ("volume of its pod", "k8s/overlays/dev/volume_of_each.yaml", r"claimName: {dashed} "),
    ("certificate", "k8s/overlays/prod/certificates.yaml", r'/sa/{program}"'),
    ("database", "k8s/overlays/prod/secrets_of_each.yaml", r"name: {dashed}-db,"),
    ("disruption budget", "k8s/overlays/prod/disruption.yaml", r"name: {dashed} "),
    ("gateway's way to it", "gateway/envoy.yaml", r"cluster_name: {program}$"),
    ("its identity there", "gateway/envoy.yaml", r'/sa/{program}"'),
    ("gateway's option", "gateway/start.py", r'\("{program}", "{dashed}, port_value'),
    ("how to install it", "docs/DEPLOY.md", r"\bunwind-{dashed}\b"),
    ("what it is", "docs/ARCHITECTURE.md", r"`{program}`"),
)

# Part, and files in which a line that names two of the programs names all of them.
LISTS = (
    ("manifests, scraping, alerts with their runbooks, network", "k8s/**/*.yaml"),
    ("image", "Dockerfile"),
    ("package", "cmake/Package.cmake"),
    ("gateway's addresses", "packaging/etc/gateway.env"),
    ("what ./run builds", "run"),
    ("tests of whole processes", "tests/e2e/CMakeLists.txt"),
    ("this test", "tests/services/CMakeLists.txt"),
    ("clang-tidy", ".clang-tidy"),
    ("metrics", "docs/METRICS.md"),
    ("flags", "docs/FLAGS.md"),
    ("folders", "README.md"),
)


def read(path):
    file = PROJECT / path
    return file.read_text() if file.exists() else ""


def names(line, program):
    """Whether the line names the program, with a dash or an underscore, alone or as part of a unit's name or a flag's."""
    return re.search(rf"(?<![A-Za-z0-9_]){program.replace('_', '[_-]')}(?![A-Za-z0-9_])", line) is not None


class Service:
    def __init__(self, package, name, methods):
        self.full_name, self.name, self.methods = f"{package}.{name}", name, methods
        self.program = None if package == BY_DEFINITIONS else f"{package.split('.')[1]}_svc"
        self.steps = [m for m in methods if may_call(f"{self.full_name}/{m.name}", "orchestrator")]


def may_call(method, caller):
    """Whether the policy lets the caller call the method; without a caller: whether any rule is about it."""
    service = method.partition("/")[0]
    return any(
        {method, f"{service}/*"} & set(rule["methods"]) and (caller is None or caller in rule["callers"])
        for rule in POLICY["rules"]
    )


# The checks of a service. Each gives (where, what is missing there).


def is_served_by_a_definition(service):
    text = "".join(read(path) for path in (PROJECT / "orchestrator/sagas").glob("*.yaml"))
    for method in service.methods:
        if service.program is None and f"serves: {service.full_name}/{method.name}\n" not in text:
            yield "orchestrator/sagas", f"a definition that serves {method.name}"


def is_routed_to(service):
    for path in ("packaging/etc/orchestrator.env", "k8s/base/orchestrator.yaml", "tests/support/cluster.cc"):
        if service.steps and service.program and f"{service.full_name}=" not in read(path):
            yield path, "its route in --participants"


def has_policy_lines(service):
    for method in service.methods:
        path = f"{service.full_name}/{method.name}"
        if not may_call(path, None):
            yield "policy/shop.yaml", f"a rule about {path}"
        if f'"{path}"' not in read("tests/e2e/policy_matrix_test.cc"):
            yield "tests/e2e/policy_matrix_test.cc", f"who may call {path}"


def is_reached_by_rest(service):
    buyers, testers, document = read("gateway/envoy.yaml"), read("gateway/test_routes.yaml"), read("docs/REST.md")
    operations = {each["operationId"] for path in OPENAPI["paths"].values() for each in path.values()}
    for method in service.methods:
        route = f"path: /{service.full_name}/{method.name},"
        if PROTOS.option(method, PROTOS.http) is None or route in testers:
            continue
        if route not in buyers:
            yield "gateway/envoy.yaml", f"a route for {method.name}"
        if f"{service.name}_{method.name}" not in operations:
            yield "gateway/openapi.py", f"{service.full_name}, so that openapi.json has {method.name}"
        if not re.search(rf"`({service.name}\.)?{method.name}`", document):
            yield "docs/REST.md", f"{service.name}.{method.name}"


def has_contract_tests(service):
    path = "tests/contract/" + re.sub(r"(?<!^)(?=[A-Z])", "_", service.name).lower() + "_test.cc"
    if service.program and service.name not in read(path):
        yield path, "a contract test of it"
    if service.program and path.rpartition("/")[2] not in read("tests/contract/CMakeLists.txt"):
        yield "tests/contract/CMakeLists.txt", path


CHECKS = (is_served_by_a_definition, is_routed_to, has_policy_lines, is_reached_by_rest, has_contract_tests)


class Running:
    """A program, and what it tells of itself: its metrics, and spans to a collector."""

    def __init__(self, program, collector):
        self.folder = tempfile.TemporaryDirectory(prefix="unwind-done-")
        ports = pathlib.Path(self.folder.name) / "ports"
        flags = [f"--db={self.folder.name}/rows.db", "--listen=127.0.0.1:0", "--metrics_listen=127.0.0.1:0"]
        flags += [f"--port_file={ports}", f"--otlp_endpoint=http://127.0.0.1:{collector}", *OWN_FLAGS.get(program, ())]
        log = pathlib.Path(self.folder.name) / "log"
        with open(log, "wb") as out:
            self.process = subprocess.Popen([BIN / program, *flags], stdout=out, stderr=out)
        eventually(lambda: ports.exists() or self.process.poll() is not None)
        assert ports.exists(), f"{program} did not start: {log.read_text()}"
        port, *others = ports.read_text().split()
        named = dict(zip(others[::2], others[1::2]))
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.metrics_url = f"http://127.0.0.1:{named['metrics']}/metrics"

    def call(self, method):
        """With an empty message, within a trace that is kept; whatever comes of it."""
        trace = [("traceparent", f"00-{'1' * 32}-{'2' * 16}-01")]
        try:
            self.channel.unary_unary(f"/{method}")(b"", timeout=20, metadata=trace)
        except grpc.RpcError as error:
            assert error.code() != grpc.StatusCode.UNIMPLEMENTED, f"{method}: {error.details()}"

    def metrics(self):
        return urllib.request.urlopen(self.metrics_url, timeout=20).read().decode()

    def stop(self):
        self.channel.close()
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


class Collector(grpc.GenericRpcHandler):
    """Takes spans, as the bytes that they come as: the name of one stands in them as it is."""

    def __init__(self):
        self.taken = []
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        self.server.add_generic_rpc_handlers((self,))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def service(self, _):
        def take(request, _):
            self.taken.append(request)
            return b""

        return grpc.unary_unary_rpc_method_handler(take)


class Done(unittest.TestCase):
    maxDiff = None

    def test_there_are_services(self):
        self.assertGreaterEqual(len(SERVICES), SERVICES_MIN)
        self.assertIn("order_svc", PROGRAMS)

    def test_every_program_stands_where_it_must(self):
        for program in sorted(PROGRAMS):
            words = {"program": program, "dashed": program.replace("_", "-"), "name": program.removesuffix("_svc")}
            missing = [
                f"{path.format(**words)}: {part}"
                for part, path, pattern in PLACES
                if not re.search(pattern.format(**words), read(path.format(**words)), re.M)
            ]
            with self.subTest(program):
                self.assertEqual(missing, [])

    def test_a_list_of_programs_has_all(self):
        missing = []
        for part, files in LISTS:
            found = sorted(PROJECT.glob(files))
            self.assertTrue(found, files)
            for file in found:
                for number, line in enumerate(file.read_text().splitlines(), 1):
                    named = {each for each in PROGRAMS if names(line, each)}
                    if len(named) > 1 and named != PROGRAMS:
                        place = f"{file.relative_to(PROJECT)}:{number}"
                        missing.append(f"{place}: {part}: {', '.join(sorted(PROGRAMS - named))}")
        self.assertEqual(missing, [])

    def test_every_service_has_what_it_must_have(self):
        for service in SERVICES:
            missing = [f"{where}: {what}" for check in CHECKS for where, what in check(service)]
            with self.subTest(service.full_name):
                self.assertEqual(missing, [])

    def test_every_service_has_metrics_and_spans(self):
        collector = Collector()
        self.addCleanup(lambda: collector.server.stop(0).wait())
        for program in sorted(PROGRAMS):
            running = Running(program, collector.port)
            self.addCleanup(running.stop)
            for service in SERVICES:
                if service.program != program:
                    continue
                method = f"{service.full_name}/{service.methods[0].name}"
                with self.subTest(method):
                    running.call(method)
                    self.assertIn(f'grpc_service="{service.full_name}"', running.metrics())
                    eventually(lambda: any(method.encode() in each for each in list(collector.taken)))


PROTOS = Protos(FILES / "unwind.protoset")
OPENAPI = json.loads((FILES / "openapi.json").read_text())
POLICY = yaml.safe_load(read("policy/shop.yaml"))
SERVICES = [
    Service(file.package, each.name, list(PROTOS.pool.FindServiceByName(f"{file.package}.{each.name}").methods))
    for file in PROTOS.files.file
    if file.package.startswith("shop.")
    for each in file.service
]
PROGRAMS = {service.program for service in SERVICES} - {None}

if __name__ == "__main__":
    unittest.main(verbosity=2)
