"""Every container of an overlay, started as the built overlay says: command, arguments, environment, files. Each probe must
pass, and each memory limit cover what the process says of its limits.

What stands for a cluster: a loopback address for each pod, which stands for 0.0.0.0 and for the Services that lead there; a
PostgreSQL; certificates by openssl after the Certificates of the overlay; a mock_pg where the payment gateway is yours.
"""

import base64
import hashlib
import hmac
import json
import re
import ssl
import time
import unittest

import grpc

import loopback  # first: it says where those of tests/e2e/gateway are

import authority
import database
import issuing
import manifests
import shop as front

AT_REST = 50 << 20
GATEWAYS_NAMES = re.compile(r"address: ([a-z-]+), port_value: (\d+)")
OWN_NAME = re.compile(r"\b([a-z0-9-]+)\.([a-z-]+)\.[a-z-]+\.svc:(\d+)")  # of a pod of a StatefulSet
STAND_IN = "payment-gateway"
GRPC, BUYERS, OPERATORS, STATS = 7000, 8080, 8081, 9901
OPERATOR = {"uris": ["spiffe://shop.example/ns/prod/sa/operator"], "usages": ["client auth"]}
PROVIDER = authority.Signer("of-members")
WEBHOOK_SECRET, NEXT_SECRET = b"of the payment gateway", b"of the payment gateway from now on"
STOCK = {"product_id": "lamp", "quantity": 3, "price": {"minor_units": 1000, "currency_code": "KRW"}}
ORDER = {
    "member_id": "mina",
    "items": [{"product_id": "lamp", "quantity": 1}],
    "payment_method": "PAYMENT_METHOD_CARD",
}


class Cluster:
    def __init__(self, overlay, host):
        self.overlay = overlay
        self.host = host
        self.folder = self.host.folder
        pods = [each.pod for each in overlay.containers() + overlay.jobs()]
        self.address = {pod: next(self.host.addresses) for pod in pods}
        self.services = {each["metadata"]["name"] for each in overlay.of("Service")} | {STAND_IN}
        self.programs = {}
        for each in overlay.of("Secret"):
            self.write_secret(each["metadata"]["name"], {key: base64.b64decode(text) for key, text in each["data"].items()})
        if overlay.of("Certificate"):
            self.make_secrets()

    def make_secrets(self):
        self.issuer = issuing.Issuer(self.folder)
        self.postgres = database.Postgres(self.host, self.issuer, next(self.host.addresses))
        self.address[STAND_IN] = next(self.host.addresses)
        for each in self.overlay.of("Certificate"):
            spec = each["spec"]
            if spec.get("isCA"):
                continue
            services = [name for name in spec.get("dnsNames", ()) if name in self.services]
            self.issuer.issue(spec, [each for name in services for each in self.addresses_of(name)], self.folder / "secret" / spec["secretName"])
        self.issuer.issue(OPERATOR, [], self.folder / "secret/operator-tls")
        self.write_secret("payment-webhook", dict.fromkeys(("current", "next"), WEBHOOK_SECRET))
        used = {source for each in self.overlay.containers() for source in each.files.values()}
        for name in sorted(name for kind, name, _ in used if kind == "secret" and name.endswith("-db")):
            self.postgres.secret(name.removesuffix("-db").replace("-", "_"), self.folder / "secret" / name)

    def write_secret(self, name, files):
        folder = self.folder / "secret" / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            (folder / file).write_bytes(content)

    def secret_of_webhooks(self):
        """The name of the secret that payment_svc has of the payment gateway."""
        for container in self.overlay.containers():
            if container.labels["app.kubernetes.io/name"] == "payment_svc":
                return container.files["/run/unwind/webhook"][1]
        raise AssertionError("there is no payment_svc")

    def addresses_of(self, service):
        """Of the copies behind a Service; of the stand-in where that is yours."""
        if service == STAND_IN and STAND_IN in self.address:
            return [self.address[STAND_IN]]
        [port, *_] = self.overlay.named("Service", service)["spec"]["ports"]
        return [self.address[pod] for pod, _ in self.overlay.behind(service, port["port"])]

    def folder_of(self, pod, source):
        """Where the files of a volume are."""
        kind, name, sub_path = source
        if kind == "secret":
            folder = self.folder / "secret" / name
            assert folder.is_dir(), f"nobody makes the secret {name}"
        elif kind == "configMap":
            folder = self.folder / "configMap" / name
            if not folder.is_dir():  # programs that run already read it
                folder.mkdir(parents=True)
                for file, text in self.data_of(name).items():
                    (folder / file).write_text(text)
        elif kind == "persistentVolumeClaim":
            folder = self.folder / "claim" / name
            folder.mkdir(parents=True, exist_ok=True)
        else:
            folder = self.folder / "volume" / pod / (name or kind)
            folder.mkdir(parents=True, exist_ok=True)
        return folder / sub_path

    def mounted(self, container):
        """Where the container's first folders are, in which its volumes are links."""
        root = self.folder / "mounts" / container.pod
        for path, source in container.files.items():
            link = root / path.lstrip("/")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(self.folder_of(container.pod, source))
        return {f"/{each.name}": str(each) for each in root.iterdir()}

    def data_of(self, name):
        """Of a ConfigMap; of what the operator makes of his identity provider's keys."""
        return {"jwks.json": authority.key_set(PROVIDER)} if name == "members-jwks" else self.overlay.named("ConfigMap", name)["data"]

    def here(self, text, container, folders):
        """`text` of a container with this machine's addresses and files in place of the cluster's."""
        text = text.replace("0.0.0.0:", self.address[container.pod] + ":")
        text = re.sub(OWN_NAME, lambda m: f"{self.address[m[1]]}:{m[3]}" if m[2] in self.services else m[0], text)
        for service in self.services:
            text = re.sub(rf"(?<![\w./-]){service}:(\d+)", lambda m: self.reached(service, int(m[1])), text)
        return loopback.under(text, folders)

    def reached(self, service, port):
        """The address of the first copy behind a Service's port."""
        if service == STAND_IN and STAND_IN in self.address:
            return f"{self.address[STAND_IN]}:{port}"
        pod, target = self.overlay.behind(service, port)[0]
        return f"{self.address[pod]}:{target}"

    def start(self, container):
        folders = {**self.host.image(), **self.mounted(container)}
        env = {}
        for name, value in container.env.items():
            if isinstance(value, tuple):
                value = (self.folder / "secret" / value[1] / value[2]).read_text()
            env[name] = self.here(value, container, folders)
        argv = [self.here(each, container, folders) for each in container.argv]
        if container.labels["app.kubernetes.io/name"] == "gateway":
            argv += self.doors(container, argv)
        self.programs[container.pod] = self.host.start(container.pod, argv, env)

    def doors(self, container, argv):
        """For start.py: the doors that it is not told of on the pod's own loopback, and where the names of envoy.yaml are."""
        given = [each.split("=")[0] for each in argv]
        ports = {"--listen": BUYERS, "--admin_listen": OPERATORS, "--stats_listen": STATS}
        flags = [f"{name}={self.address[container.pod]}:{port}" for name, port in ports.items() if name not in given]
        text = (manifests.PROJECT / "gateway/envoy.yaml").read_text()
        for name, port in GATEWAYS_NAMES.findall(text):
            flag = "orchestrator_admin" if port == "7001" else name.replace("-", "_")
            copies = self.overlay.behind(name, int(port))
            flags.append(f"--{flag}=" + ",".join(f"{self.address[pod]}:{target}" for pod, target in copies))
        return flags

    def credentials(self, who):
        """Of a gRPC client with this certificate; none where there are none."""
        if not self.overlay.of("Certificate"):
            return None
        tls = self.folder / "secret" / f"{who}-tls"
        return grpc.ssl_channel_credentials(*((tls / file).read_bytes() for file in ("ca.crt", "tls.key", "tls.crt")))

    def call(self, pod, path, request, who, metadata):
        """The answer of a pod of ours to `who`, as JSON would have it."""
        return front.Protos().call(f"{self.address[pod]}:{GRPC}", path, request, metadata, self.credentials(who))

    def start_stand_in(self):
        """A payment gateway, with the certificate that the overlay has for it."""
        tls = self.folder / "secret/payment-gateway-tls"
        address = self.address[STAND_IN]
        argv = [self.host.root / "usr/libexec/unwind/bin/mock_pg", f"--listen={address}:{GRPC}", "--db=rows.db"]
        argv += [f"--tls_cert={tls}/tls.crt", f"--tls_key={tls}/tls.key", f"--tls_ca={tls}/ca.crt"]
        argv += [f"--policy={self.host.root}/etc/unwind/policy.yaml"]
        self.host.start(STAND_IN, argv, {})


def case(name):
    class Started(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            host = loopback.Host()
            cls.addClassCleanup(host.stop)
            cls.cluster = Cluster(manifests.Overlay(name), host)
            if STAND_IN in cls.cluster.address:
                cls.cluster.start_stand_in()
            cls.containers = cls.cluster.overlay.containers()
            for container in cls.containers:
                cls.cluster.start(container)

        def test_every_probe_passes(self):
            for container in self.containers:
                for kind, probe in container.probes.items():
                    with self.subTest(pod=container.pod, probe=kind):
                        address = self.cluster.address[container.pod]
                        self.cluster.programs[container.pod].passes(lambda: loopback.holds(probe, address))

        def test_an_order_is_paid_at_every_orchestrator(self):
            for container in self.containers:
                address = self.cluster.address[container.pod]
                self.cluster.programs[container.pod].passes(lambda: loopback.holds(container.probes["readinessProbe"], address))
            call = self.cluster.call
            call("stock-svc-0", "/shop.stock.v1.StockService/Restock", STOCK, "operator", [("idempotency-key", "k")])
            member = [("x-member-id", "mina")] if self.cluster.overlay.of("Certificate") else []
            for pod in (each.pod for each in self.containers if each.pod.startswith("orchestrator")):
                order = {**ORDER, "request_id": pod}
                answer = call(pod, "/shop.checkout.v1.CheckoutService/PlaceOrder", order, "gateway", member)
                self.assertEqual(answer["state"], "STATE_PAID")

        def test_buyers_and_operators_are_served_at_every_gateway(self):
            for pod in (each.pod for each in self.containers if each.pod.startswith("gateway")):
                self.cluster.programs[pod].passes(lambda: self.rest(pod, BUYERS, "products") == 200)
                self.cluster.programs[pod].passes(lambda: self.rest(pod, OPERATORS, "sagas") == 200)

        def rest(self, pod, door, what):
            """The status of a list, asked for as who comes by that door."""
            address, tls = self.door(pod, door)
            headers = {"Host": "localhost"}
            if tls is not None:
                headers["Authorization"] = f"Bearer {PROVIDER.token()}"
            try:
                return front.call(address, "GET", f"/api/v1/{what}", headers=headers, tls=tls).status
            except OSError:
                return 0

        def door(self, pod, door):
            """Its address, and how who comes by it speaks TLS; None: not at all."""
            tls = None
            if self.cluster.overlay.of("Certificate"):
                tls = ssl.create_default_context(cafile=self.cluster.issuer.crt)
                if door == OPERATORS:
                    folder = self.cluster.folder / "secret/operator-tls"
                    tls.load_cert_chain(folder / "tls.crt", folder / "tls.key")
            return f"{self.cluster.address[pod]}:{door}", tls

        def test_webhooks_are_taken_under_either_secret(self):
            self.assertEqual(self.sent(WEBHOOK_SECRET + b"?"), 401)
            folder = self.cluster.folder / "secret" / self.cluster.secret_of_webhooks()
            self.assertEqual(self.sent((folder / "current").read_bytes()), 200)
            (folder / "next").write_bytes(NEXT_SECRET)
            self.gateway().passes(lambda: self.sent(NEXT_SECRET) == 200)
            self.assertEqual(self.sent((folder / "current").read_bytes()), 200)

        def gateway(self):
            return next(program for pod, program in self.cluster.programs.items() if pod.startswith("gateway"))

        def sent(self, secret):
            """The status of a webhook of the payment gateway's, which is signed under `secret`."""
            self.gateway().passes(lambda: self.rest("gateway-0", BUYERS, "products") == 200)
            transaction = {"idempotency_key": "charge-of-nobody", "transaction_id": "of-nobody", "kind": "KIND_CAPTURE"}
            body = json.dumps({"event_id": f"of-{time.time_ns()}", "transaction": transaction})
            moment = str(int(time.time()))
            proof = hmac.new(secret.strip(), f"{moment}.{body}".encode(), hashlib.sha256).hexdigest()
            headers = {"pg-signature": f"t={moment},v1={proof}", "content-type": "application/json"}
            address, tls = self.door("gateway-0", BUYERS)
            return front.call(address, "POST", "/webhook/payment", body, headers, tls=tls).status

        def test_payments_are_compared_and_the_result_is_told(self):
            for service in (each for each in self.containers if each.pod.startswith(("payment-svc", "order-svc"))):
                address = self.cluster.address[service.pod]
                self.cluster.programs[service.pod].passes(lambda: loopback.holds(service.probes["readinessProbe"], address))
            [job] = self.cluster.overlay.jobs()
            self.cluster.start(job)
            done = self.cluster.programs[job.pod]
            self.assertEqual(done.process.wait(loopback.PATIENCE_S), 0, done.log.read_text())
            self.assertRegex(done.log.read_text(), r"\b0 differences\n")
            for service in (each for each in self.containers if each.pod.startswith("payment-svc")):
                metrics = f"{self.cluster.address[service.pod]}:{service.ports['metrics']}"
                told = lambda: loopback.metric(metrics, "payment_reconcile_timestamp_seconds") > 0
                self.cluster.programs[service.pod].passes(told)

        def test_memory_limits_cover_what_the_flags_allow(self):
            checked = 0
            for container in self.containers:
                if container.labels["app.kubernetes.io/name"] in ("gateway", "payment_gateway"):
                    continue
                address = self.cluster.address[container.pod]
                ready = lambda: loopback.holds(container.probes["startupProbe"], address)
                self.cluster.programs[container.pod].passes(ready)
                allowed = loopback.metric(f"{address}:{container.ports['metrics']}", "memory_limits_bytes")
                self.assertGreaterEqual(container.memory, allowed + AT_REST, container.pod)
                checked += 1
            self.assertGreaterEqual(checked, 4)

        def test_nothing_is_written_but_into_volumes(self):
            for container in self.containers:
                address = self.cluster.address[container.pod]
                self.cluster.programs[container.pod].passes(lambda: loopback.holds(container.probes["readinessProbe"], address))
                inside = [each.name for each in (self.cluster.folder / container.pod).iterdir()]
                self.assertEqual(inside, [f"{container.pod}.log"])

    Started.__qualname__ = Started.__name__ = name.capitalize()
    return Started


Dev = case("dev")
Prod = case("prod")

if __name__ == "__main__":
    unittest.main(verbosity=2)
