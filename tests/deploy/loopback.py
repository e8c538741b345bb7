"""Starts what is deployed on this machine: each pod has a loopback address of its own, and the ports that it is given."""

import itertools
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import urllib.request

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e/gateway"))

import poll  # noqa: E402

PROJECT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("UNWIND_BIN_DIR", PROJECT / "build/dev/bin"))
CHECK_S = 5
PATIENCE_S = 120
SERVING = b"\x08\x01"
OF_THE_IMAGE = ("/usr/libexec/unwind", "/usr/share/unwind", "/etc/unwind")
ENVOY = "/usr/local/bin/envoy"


def addresses():
    """Addresses of loopback, from a block that is likely nobody else's."""
    block = f"127.{random.randint(64, 250)}.{random.randint(1, 250)}"
    return (f"{block}.{last}" for last in itertools.count(1))


def installed(root):
    """Puts into `root` what is installed, as the image and the package have it."""
    done = subprocess.run(
        ["cmake", "--install", BIN.parent], env={**os.environ, "DESTDIR": str(root)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return root


def under(text, folders):
    """`text` with each path at or below one of `folders` where that folder really is."""
    for inside, real in sorted(folders.items(), key=lambda each: -len(each[0])):
        text = re.sub(rf"(?<![\w./-]){re.escape(inside)}(?=[/\s,]|$)", lambda _: f"\0{real}", text)
    return text.replace("\0", "")


class Program:
    """A process with a log; the end of this one is its end too."""

    def __init__(self, name, argv, env, folder):
        self.name = name
        self.log = folder / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["/usr/bin/setpriv", "--pdeathsig=KILL", "--", *map(str, argv)],
                env={"PATH": "/usr/bin:/bin", **env},
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def passes(self, probe):
        """Whether `probe()` holds before long; fails with the log if the process ends first."""
        poll.eventually(lambda: probe() or self.process.poll() is not None)
        assert self.process.poll() is None, f"{self.name} ended, {self.process.returncode}: {self.log.read_text()}"

    def stop(self):
        self.process.kill()
        self.process.wait()


class Host:
    """What runs, and the folder that it runs in."""

    def __init__(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="unwind-deploy-")
        self.folder = pathlib.Path(self.scratch.name)
        self.root = installed(self.folder / "root")
        self.addresses = addresses()
        self.programs = []

    def image(self):
        """Where the folders of the image are."""
        folders = {inside: f"{self.root}{inside}" for inside in OF_THE_IMAGE}
        envoy = os.environ.get("UNWIND_ENVOY")
        return {**folders, ENVOY: envoy} if envoy else folders

    def start(self, name, argv, env):
        folder = self.folder / name
        folder.mkdir()
        program = Program(name, argv, env, folder)
        self.programs.append(program)
        return program

    def stop(self):
        for program in self.programs:
            program.stop()
        self.scratch.cleanup()


def is_serving(address, service):
    """What a probe of kind grpc asks."""
    request = b"\x0a" + bytes([len(service)]) + service.encode() if service else b""
    with grpc.insecure_channel(address) as channel:
        try:
            return channel.unary_unary("/grpc.health.v1.Health/Check")(request, timeout=CHECK_S) == SERVING
        except grpc.RpcError:
            return False


def holds(probe, address):
    """Whether a probe of a pod at `address` passes."""
    if "grpc" in probe:
        return is_serving(f"{address}:{probe['grpc']['port']}", probe["grpc"].get("service", ""))
    command = [each.replace("127.0.0.1", address) for each in probe["exec"]["command"]]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def answers(url):
    """Whether http://`url` is answered well."""
    try:
        urllib.request.urlopen(f"http://{url}", timeout=CHECK_S).close()
        return True
    except OSError:
        return False


def metric(address, name):
    """The value of a metric without labels."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=CHECK_S) as answer:
        lines = answer.read().decode().splitlines()
    [value] = [line.split()[1] for line in lines if line.split(" ")[0] == name]
    return float(value)
