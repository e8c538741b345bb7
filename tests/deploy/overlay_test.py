"""What the built overlays say, against Kubernetes' schemas, the programs' flags, docs/METRICS.md, and each other."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import yaml

import loopback
import manifests

KUBERNETES = "1.30"
FLAG = re.compile(r"^    --(\w+) \(", re.M)
DEFAULT = r"--%s \(.*?default:\s+(.*?);"
HOST_PORT = re.compile(r"(?:^|=|,)([a-z-]+):(\d+)")
PROGRAMS = ("orchestrator", "order_svc", "stock_svc", "payment_svc", "coupon_svc", "wallet_svc")
OPERATORS = {"and", "or", "unless", "bool", "group_left", "group_right", "offset"}


def help_of(container):
    program = pathlib.Path(container.argv[0]).name
    return subprocess.run([loopback.BIN / program, "--helpfull"], capture_output=True, text=True).stdout


def is_ours(container):
    return container.labels["app.kubernetes.io/name"] != "gateway"


def called(overlay):
    """(label of the caller, host, port) of each address that a program or the gateway is told."""
    gateway = (manifests.PROJECT / "gateway/envoy.yaml").read_text()
    for host, port in re.findall(r"address: ([a-z-]+), port_value: (\d+)", gateway):
        yield "gateway", host, int(port)
    for container in overlay.containers() + overlay.jobs():
        for name in ("UNWIND_PARTICIPANTS", "UNWIND_PG_ADDRESS", "UNWIND_ORDER_ADDRESS", "UNWIND_WEBHOOK_ADDRESS", "UNWIND_NUDGE"):
            for host, port in HOST_PORT.findall(container.env.get(name, "")):
                yield container.labels["app.kubernetes.io/name"], host, int(port)


def lets(overlay, direction, labels, others, port):
    """Whether a network policy lets pods of `labels` be called by (Ingress), or call (Egress), those of `others`."""
    peers, key = ("from", "ingress") if direction == "Ingress" else ("to", "egress")
    for policy in overlay.of("NetworkPolicy"):
        spec = policy["spec"]
        if direction not in spec["policyTypes"] or not manifests.fits(spec["podSelector"], labels):
            continue
        for rule in spec.get(key, ()):
            selected = [each for each in rule.get(peers, [{}]) if "namespaceSelector" not in each]
            fits = any(manifests.fits(each.get("podSelector", {}), others) for each in selected)
            if fits and port in [each["port"] for each in rule["ports"]]:
                return True
    return False


def case(name):
    class Checked(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            cls.overlay = manifests.Overlay(name)
            cls.containers = cls.overlay.containers()
            cls.jobs = cls.overlay.jobs()
            cls.labels = {each.labels["app.kubernetes.io/name"]: each.labels for each in cls.containers + cls.jobs}

        def test_kubernetes_takes_it(self):
            with tempfile.TemporaryDirectory() as folder:
                file = pathlib.Path(folder) / "all.yaml"
                file.write_text(manifests.build(name))
                command = [os.environ["UNWIND_KUBECTL_VALIDATE"], file, "--version", KUBERNETES]
                done = subprocess.run(
                    [*command, "--local-crds", os.environ["UNWIND_CRDS"]], capture_output=True, text=True
                )
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

        def test_every_variable_is_a_flag_of_its_program(self):
            for container in filter(is_ours, self.containers + self.jobs):
                flags = {f"UNWIND_{flag.upper()}" for flag in FLAG.findall(help_of(container))}
                self.assertIn("UNWIND_LISTEN", flags)
                self.assertLessEqual(set(container.env), flags, container.pod)

        def test_every_address_that_is_listened_on_is_a_port_and_no_other(self):
            for container in filter(is_ours, self.containers):
                listens = {int(v.rpartition(":")[2]) for k, v in container.env.items() if k.endswith("LISTEN")}
                self.assertEqual(listens, set(container.ports.values()), container.pod)

        def test_every_service_leads_to_every_copy(self):
            for service in self.overlay.of("Service"):
                for port in service["spec"]["ports"]:
                    found = self.overlay.behind(service["metadata"]["name"], port["port"])
                    chosen = self.overlay.selected({"matchLabels": service["spec"]["selector"]})
                    self.assertEqual(len(found), len(chosen))

        def test_every_call_is_let_through_at_both_ends(self):
            for caller, host, port in called(self.overlay):
                with self.subTest(caller, host=host, port=port):
                    callee = host.replace("-", "_")
                    self.assertTrue(lets(self.overlay, "Egress", self.labels[caller], {"app.kubernetes.io/name": callee}, port))
                    if callee in self.labels:
                        self.assertTrue(lets(self.overlay, "Ingress", self.labels[callee], self.labels[caller], port))
                        self.assertTrue(self.overlay.behind(host, port))

        def test_sagas_are_moved_and_health_is_asked_by_nobody_else(self):
            for caller, labels in self.labels.items():
                may = lets(self.overlay, "Ingress", self.labels["orchestrator"], labels, 7001)
                self.assertEqual(may, caller == "gateway", caller)
                for callee in self.labels.values():
                    self.assertFalse(lets(self.overlay, "Ingress", callee, labels, 7002))

        def test_every_pod_is_confined_and_bounded(self):
            for pod, template in [*self.overlay.pods(), *self.overlay.pods_of_jobs()]:
                spec = template["spec"]
                context = spec["securityContext"]
                self.assertTrue(context["runAsNonRoot"], pod)
                self.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"}, pod)
                self.assertFalse(spec["automountServiceAccountToken"], pod)
                for each in spec["containers"]:
                    own = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
                    self.assertEqual(each["securityContext"], own, pod)
                    self.assertIn("memory", each["resources"]["limits"], pod)
                    self.assertRegex(each["image"], r":\d+\.\d+\.\d+$", pod)

        # On loopback, where the other test starts it, none of this is asked for.
        def test_what_others_reach_is_secured_or_said_not_to_be(self):
            for container in self.containers:
                if is_ours(container):
                    secured = {"UNWIND_TLS_CERT", "UNWIND_TLS_KEY", "UNWIND_TLS_CA", "UNWIND_POLICY"} <= set(container.env)
                    self.assertNotEqual(secured, container.env.get("UNWIND_INSECURE") == "true", container.pod)
                elif any("listen=" in each for each in container.argv):
                    self.assertIn("--secrets=/run/secrets/unwind", container.argv)

        def test_a_job_has_the_database_and_the_peers_of_its_program(self):
            self.assertEqual([each.argv[1:] for each in self.jobs], [["reconcile"]])
            alone = {"UNWIND_ORDER_ADDRESS": "order-svc:7000"}  # only the comparison asks for the orders
            for job in self.jobs:
                for served in (each for each in self.containers if each.argv[0] == job.argv[0]):
                    self.assertLessEqual(job.env.items(), (served.env | alone).items())
                    self.assertLessEqual(job.files.items(), served.files.items())
                secured = {"UNWIND_TLS_CERT", "UNWIND_TLS_KEY", "UNWIND_TLS_CA"} <= set(job.env)
                self.assertNotEqual(secured, job.env.get("UNWIND_INSECURE") == "true")

        def test_a_stop_has_its_time(self):
            for pod, template in self.overlay.pods():
                self.assertEqual(template["spec"]["terminationGracePeriodSeconds"], 30, pod)
            for container in filter(is_ours, self.containers):
                waits = [re.search(DEFAULT % flag, help_of(container), re.S)[1] for flag in ("lame_duck", "drain", "db_wait")]
                lame_duck, drain, db_wait = (int(each.rstrip("s")) for each in waits)
                self.assertGreater(30, lame_duck + drain + 6)
                readiness, start = container.probes["readinessProbe"], container.probes["startupProbe"]
                self.assertLess(readiness["periodSeconds"] * readiness["failureThreshold"], lame_duck)
                self.assertGreater(start["periodSeconds"] * start["failureThreshold"], db_wait + 10)

    Checked.__qualname__ = Checked.__name__ = name.capitalize()
    return Checked


Dev = case("dev")


class Prod(case("prod")):
    def test_there_are_two_of_each_and_one_may_be_taken_away(self):
        for workload in self.overlay.of(*manifests.WORKLOADS):
            self.assertEqual(workload["spec"]["replicas"], 2)
            budget = self.overlay.named("PodDisruptionBudget", workload["metadata"]["name"])["spec"]
            self.assertEqual(budget["selector"], workload["spec"]["selector"])
        names = [each.env["UNWIND_INSTANCE"] for each in self.containers if "UNWIND_INSTANCE" in each.env]
        self.assertEqual(names, ["orchestrator-0", "orchestrator-1"])

    def test_every_certificate_names_its_holder_and_the_hosts_that_are_called(self):
        policy = yaml.safe_load((manifests.PROJECT / "policy/shop.yaml").read_text())
        certificates = {each["spec"]["secretName"]: each["spec"] for each in self.overlay.of("Certificate")}
        for container in filter(is_ours, self.containers):
            [secret] = [name for _, name, _ in container.files.values() if name.endswith("-tls")]
            identity = policy["spiffe"] + container.labels["app.kubernetes.io/name"]
            self.assertEqual(certificates[secret]["uris"], [identity], container.pod)
        for _, host, _ in called(self.overlay):
            self.assertIn(host, certificates[f"{host}-tls"]["dnsNames"])
        self.assertTrue(policy["spiffe"].endswith(f"/ns/{self.overlay.named('Namespace', 'prod')['metadata']['name']}/sa/"))

    def test_each_orchestrator_says_where_the_other_reaches_it(self):
        port = self.overlay.named("Service", "orchestrator")["spec"]["ports"][0]["port"]
        own = self.labels["orchestrator"]
        self.assertTrue(lets(self.overlay, "Egress", own, own, port) and lets(self.overlay, "Ingress", own, own, port))
        namespace = self.overlay.named("Namespace", "prod")["metadata"]["name"]
        [names] = [each["spec"]["dnsNames"] for each in self.overlay.of("Certificate") if each["metadata"]["name"] == "orchestrator"]
        for pod in (each for each in self.containers if each.pod.startswith("orchestrator")):
            self.assertEqual(pod.env["UNWIND_ADVERTISE"], f"{pod.pod}.orchestrator.{namespace}.svc:{port}")
            self.assertIn(f"*.orchestrator.{namespace}.svc", names)

    def test_the_policy_and_the_alerts_are_those_of_the_project(self):
        [policy] = [each for each in self.overlay.of("ConfigMap") if each["metadata"]["name"].startswith("unwind-policy")]
        self.assertEqual(policy["data"]["policy.yaml"], (manifests.PROJECT / "policy/shop.yaml").read_text())
        self.assertEqual(len(self.overlay.of("PrometheusRule")), len(list((manifests.PROJECT / "k8s/alerts").glob("*.yaml"))))

    def test_every_dashboard_is_there(self):
        shown = [file for each in self.overlay.of("ConfigMap") for file in each["data"] if file.endswith(".json")]
        self.assertEqual(sorted(shown), sorted(each.name for each in (manifests.PROJECT / "k8s/dashboards").glob("*.json")))

    def test_every_job_of_the_alerts_is_scraped_and_every_metric_is_documented(self):
        [monitor] = [each["spec"] for each in self.overlay.of("PodMonitor")]
        pods = self.overlay.selected(monitor["selector"])
        self.assertEqual({each.labels[monitor["jobLabel"]] for each in pods}, set(PROGRAMS))
        for endpoint in monitor["podMetricsEndpoints"]:
            for container in pods:
                self.assertIn(endpoint["port"], container.ports)
        documented = set(re.findall(r"^\| `(\w+)`", (manifests.PROJECT / "docs/METRICS.md").read_text(), re.M))
        for rule in (each for file in self.overlay.of("PrometheusRule") for group in file["spec"]["groups"] for each in group["rules"]):
            without = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(by|on|without|ignoring) ?\([^)]*\)|\b\d\w*', " ", rule["expr"])
            named = {re.sub(r"_(bucket|sum|count)$", "", each) for each in re.findall(r"\b[a-z_]{2,}\b(?! *\()", without)}
            self.assertLessEqual(named - OPERATORS - {"up"}, documented, rule["alert"])
            for jobs in re.findall(r'job=~?"([^"]*)"', rule["expr"]):
                self.assertLessEqual(set(jobs.split("|")), set(PROGRAMS), rule["alert"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
