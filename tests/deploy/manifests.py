"""What kustomize makes of an overlay, and what each container of it is."""

import collections
import os
import pathlib
import re
import subprocess

import yaml

PROJECT = pathlib.Path(__file__).resolve().parents[2]
OVERLAYS = ("dev", "prod")
WORKLOADS = ("Deployment", "StatefulSet")
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}

# One container of one copy of a pod. `files`: where each mounted path comes from, as (kind, name, subPath).
Container = collections.namedtuple("Container", "pod labels argv env files ports probes memory")


def build(overlay):
    """The text of an overlay, as `kubectl apply -k` would send it."""
    kubectl = os.environ.get("UNWIND_KUBECTL", "kubectl")
    done = subprocess.run(
        [kubectl, "kustomize", PROJECT / "k8s/overlays" / overlay], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Overlay:
    def __init__(self, name):
        self.name = name
        self.objects = list(yaml.safe_load_all(build(name)))

    def of(self, *kinds):
        return [each for each in self.objects if each["kind"] in kinds]

    def named(self, kind, name):
        found = [each for each in self.of(kind) if each["metadata"]["name"] == name]
        assert len(found) == 1, f"there are {len(found)} {kind} {name}"
        return found[0]

    def pods(self):
        """(name, template) of every pod, copies and all."""
        for workload in self.of(*WORKLOADS):
            for copy in range(workload["spec"].get("replicas", 1)):
                yield f"{workload['metadata']['name']}-{copy}", workload["spec"]["template"]

    def pods_of_jobs(self):
        """(name, template) of the pod of every job, which ends by itself."""
        for job in self.of("CronJob"):
            yield job["metadata"]["name"], job["spec"]["jobTemplate"]["spec"]["template"]

    def containers(self):
        return containers_of(self.pods())

    def jobs(self):
        return containers_of(self.pods_of_jobs())

    def selected(self, selector):
        """The containers of the pods that a selector of labels fits."""
        return [each for each in self.containers() if fits(selector, each.labels)]

    def behind(self, service, port):
        """(pod, port) of the containers that a Service leads to, by its port's number."""
        spec = self.named("Service", service)["spec"]
        target = [each["targetPort"] for each in spec["ports"] if each["port"] == port]
        assert len(target) == 1, f"Service {service} has {len(target)} ports {port}"
        found = [(each.pod, each.ports[target[0]]) for each in self.selected({"matchLabels": spec["selector"]})]
        if spec.get("clusterIP") == "None":
            assert {each for _, each in found} == {port}, f"Service {service} is pods' addresses: a port is not translated"
        assert found, f"Service {service} leads nowhere"
        return found


def fits(selector, labels):
    if any(labels.get(name) != value for name, value in selector.get("matchLabels", {}).items()):
        return False
    for each in selector.get("matchExpressions", ()):
        assert each["operator"] == "In", each
        if labels.get(each["key"]) not in each["values"]:
            return False
    return True


def containers_of(pods):
    return [container_of(pod, template, each) for pod, template in pods for each in template["spec"]["containers"]]


def container_of(pod, template, container):
    spec = template["spec"]
    env = {}
    for each in container.get("env", ()):
        env[each["name"]] = value_of(pod, each, env)
    files = {}
    for mount in container.get("volumeMounts", ()):
        [volume] = [each for each in spec["volumes"] if each["name"] == mount["name"]]
        kind, source = source_of(volume)
        assert "subPath" not in mount or kind == "configMap", f"{pod}: a secret by subPath is never updated"
        files[mount["mountPath"]] = (kind, source, mount.get("subPath", ""))
    return Container(
        pod=pod,
        labels=template["metadata"]["labels"],
        argv=container["command"] + container.get("args", []),
        env=env,
        files=files,
        ports={each["name"]: each["containerPort"] for each in container.get("ports", ())},
        probes={each: container[each] for each in PROBES if template["spec"].get("restartPolicy") != "Never"},
        memory=bytes_of(container["resources"]["limits"]["memory"]),
    )


def value_of(pod, variable, before):
    """Its text, which may name variables `before` it; or ("secret", name, key)."""
    if "value" in variable:
        return re.sub(r"\$\((\w+)\)", lambda m: before[m[1]], variable["value"])
    [(kind, source)] = variable["valueFrom"].items()
    if kind == "fieldRef":
        assert source["fieldPath"] == "metadata.name", source
        return pod
    assert kind == "secretKeyRef", kind
    return ("secret", source["name"], source["key"])


def source_of(volume):
    [(kind, source)] = [(kind, source) for kind, source in volume.items() if kind != "name"]
    name = source.get("secretName") or source.get("name") or source.get("claimName")
    return kind, name


def bytes_of(quantity):
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi)", quantity).groups()
    return int(number) * UNITS[unit]
