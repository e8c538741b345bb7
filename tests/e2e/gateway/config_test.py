"""gateway/envoy.yaml against Envoy, against the protos, and against the programs' own limits."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

import authority
import echo
import shop as front

BUYERS = (
    "shop.checkout.v1.CheckoutService",
    "shop.coupon.v1.CouponService",
    "shop.order.v1.OrderService",
    "shop.order.v1.CartService",
    "shop.order.v1.NotificationService",
    "shop.payment.v1.PaymentService",
    "shop.payment.v1.PaymentWebhookService",
    "shop.stock.v1.StockService",
    "shop.wallet.v1.WalletService",
)
TESTERS = ("pg.v1.MockControl", "pg.v1.PaymentGateway", "shop.checkout.v1.TestService")


def annotated(protos):
    """The google.api.http of each method that has one, by its path."""
    http = protos.pool.FindExtensionByName("google.api.http")
    protos.factory.GetPrototype(http.message_type)
    options_type = protos.factory.GetPrototype(http.containing_type)
    options_type.RegisterExtension(http)
    found = {}
    for file in protos.files.file:
        for service in file.service:
            for method in service.method:
                options = options_type.FromString(method.options.SerializeToString())
                if options.HasExtension(http):
                    found[f"/{file.package}.{service.name}/{method.name}"] = options.Extensions[http]
    return found


def routes(gateway, door):
    """Path to timeout in seconds of the routes that a listener sends to a service."""
    dump = json.loads(front.call(gateway.addresses["gateway_stats"], "GET", "/config_dump").text)
    [hosts] = [
        each["route_config"]["virtual_hosts"]
        for section in dump["configs"]
        for each in section.get("static_route_configs", ())
        if each["route_config"]["name"] == door
    ]
    return {
        route["match"].get("path", route["match"].get("prefix")): float(route["route"]["timeout"].rstrip("s"))
        for host in hosts
        for route in host["routes"]
        if "timeout" in route.get("route", {})
    }


def write_secrets(folder):
    """What start.py --secrets asks for."""
    ca = authority.Authority()
    for who in ("front", "gateway", "operators_gateway"):
        for name, data in zip(("tls.crt", "tls.key"), ca.service(who)):
            authority.replace(folder / who / name, data)
    authority.replace(folder / "gateway/ca.crt", ca.pem)
    authority.replace(folder / "jwks.json", authority.key_set(authority.Signer("k")))


class Config(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = echo.Gateway()
        cls.addClassCleanup(cls.gateway.stop)
        cls.http = annotated(front.Protos())

    def test_envoy_takes_it_as_it_stands(self):
        with tempfile.TemporaryDirectory() as run:
            folder = pathlib.Path(run)
            write_secrets(folder / "secrets")
            shutil.copytree(front.PROJECT / "gateway/sds", folder / "sds")
            for name in ("unwind.protoset", "openapi.json", "openapi_admin.json", "console"):
                (folder / name).symlink_to(front.FILES / name)
            config = front.PROJECT / "gateway/envoy.yaml"
            command = [front.envoy(), "--mode", "validate", "--config-path", config]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_envoy_takes_it_without_secrets_and_with_the_test_routes(self):
        for more in ((), ("--test_listen=127.0.0.1:0", "--mock_pg=127.0.0.1:1")):
            with self.subTest(more), tempfile.TemporaryDirectory() as run:
                done = subprocess.run(
                    [
                        front.PROJECT / "gateway/start.py",
                        f"--envoy={front.envoy()}",
                        "--mode=validate",
                        f"--files={front.FILES}",
                        f"--run_folder={run}",
                        *more,
                    ],
                    capture_output=True,
                    text=True,
                )
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_every_public_method_has_a_route_and_nothing_else(self):
        public = {path for path in self.http if path.split("/")[1] in BUYERS}
        self.assertEqual(set(routes(self.gateway, "gateway")), public)
        self.assertEqual(set(routes(self.gateway, "gateway_admin")),
                         {"/saga.v1.SagaService/", *(f"/saga.v1.SagaService/Watch{what}" for what in ("Saga", "Sagas"))})

    def test_the_test_routes_are_there_only_if_they_are_asked_for(self):
        self.assertNotIn("gateway_test", self.gateway.addresses)
        testing = echo.Gateway(arguments=["--test_listen=127.0.0.1:0", "--mock_pg=127.0.0.1:1"])
        self.addCleanup(testing.stop)
        public = {path for path in self.http if path.split("/")[1] in TESTERS}
        self.assertEqual(set(routes(testing, "gateway_test")), public)
        self.assertEqual({path.split("/")[1] for path in self.http}, {*BUYERS, *TESTERS, "saga.v1.SagaService"})

    def test_no_method_needs_a_response_body(self):
        for path, rule in self.http.items():
            for each in (rule, *rule.additional_bindings):
                self.assertEqual(each.response_body, "", path)

    def test_a_saga_answers_before_the_gateway_gives_up(self):
        help_text = subprocess.run([front.BIN / "orchestrator", "--helpfull"], capture_output=True, text=True).stdout
        [waits_s] = re.findall(r"--call_wait_max .*?default: (\d+)s", help_text, re.S)
        for path, timeout_s in routes(self.gateway, "gateway").items():
            if path.startswith("/shop.checkout."):
                self.assertGreaterEqual(timeout_s, int(waits_s) + 10, path)

    def test_every_door_is_for_this_host_unless_it_is_said(self):
        text = (front.PROJECT / "gateway/envoy.yaml").read_text()
        self.assertEqual(
            re.findall(r"address: ([0-9.]+), port_value: (\d+)", text),
            [("127.0.0.1", "8080"), ("127.0.0.1", "8081"), ("127.0.0.1", "9901")],
        )

    def test_every_door_and_every_way_in_has_tls_and_names_of_the_policy(self):
        config = yaml.safe_load((front.PROJECT / "gateway/envoy.yaml").read_text())
        [prefix] = re.findall(r"^spiffe: (.*)$", (front.PROJECT / "policy/shop.yaml").read_text(), re.M)
        self.assertEqual(prefix, authority.SPIFFE)
        ends = [chain for each in config["static_resources"]["listeners"] for chain in each["filter_chains"]]
        names = []
        for end in ends + config["static_resources"]["clusters"]:
            common = end["transport_socket"]["typed_config"]["common_tls_context"]
            peers = common.get("combined_validation_context", {}).get("default_validation_context", {})
            names.append((end["name"], [each["matcher"]["exact"] for each in peers.get("match_typed_subject_alt_names", ())]))
        admin = [("gateway", []), ("gateway_admin", [f"{prefix}operator"]), ("orchestrator", [f"{prefix}orchestrator"])]
        admin += [("orchestrator_admin", [f"{prefix}orchestrator"])]
        services = ("order_svc", "stock_svc", "payment_svc", "coupon_svc", "wallet_svc")
        self.assertEqual(names, admin + [(name, [prefix + name]) for name in services])

    def test_everything_that_is_wrong_with_the_command_line_is_named(self):
        with tempfile.TemporaryDirectory() as empty:
            command = [front.PROJECT / "gateway/start.py", "--envoy=/dev/null", f"--run_folder={empty}/none"]
            command += [f"--files={empty}", "--orchestrator=localhost", "--listen=127.0.0.1:65536", "--mock_pg=h:1"]
            command += ["--admin_listen=0.0.0.0:0", "--otlp_endpoint=https://h:1", "--trace_ratio=2"]
            done = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(
                done.stderr.splitlines(),
                [
                    "start.py: --envoy=/dev/null is not a program",
                    f"start.py: --run_folder={empty}/none is not a folder: make it first",
                    f"start.py: --files={empty} has no unwind.protoset: the build makes it",
                    f"start.py: --files={empty} has no openapi.json: the build makes it",
                    f"start.py: --files={empty} has no openapi_admin.json: the build makes it",
                    "start.py: --listen=127.0.0.1:65536 is not HOST:PORT, with a port of 0 to 65535",
                    "start.py: --admin_listen=0.0.0.0:0 needs --secrets: without them everybody there acts in anybody's name",
                    "start.py: --orchestrator=localhost is not HOST:PORT, with a port of 0 to 65535",
                    "start.py: --otlp_endpoint=https://h:1 is not http://HOST:PORT, with a port of 0 to 65535",
                    "start.py: --trace_ratio=2.0 is not a number of 0 to 1",
                    "start.py: --mock_pg is of use with --test_listen only",
                ],
            )
            self.assertEqual(list(pathlib.Path(empty).iterdir()), [])

    def test_secrets_must_be_whole_and_know_no_test_routes(self):
        with tempfile.TemporaryDirectory() as run:
            secrets = pathlib.Path(run) / "secrets"
            write_secrets(secrets)
            (secrets / "front/tls.key").unlink()
            command = [front.PROJECT / "gateway/start.py", f"--envoy={front.envoy()}", f"--run_folder={run}"]
            command += [f"--files={front.FILES}", f"--secrets={secrets}", "--test_listen=127.0.0.1:0"]
            done = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(
                done.stderr.splitlines(),
                [
                    f"start.py: --secrets={secrets} has no front/tls.key",
                    "start.py: --test_listen is of use without --secrets only: the test routes know no tester",
                ],
            )


if __name__ == "__main__":
    front.main()
