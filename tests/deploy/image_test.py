"""The last two stages of the Dockerfile, without an engine: their steps in a Debian 12 of debootstrap's, with the package of
this build. What comes out must run as the user that k8s/ and compose.yaml name.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import loopback
import manifests

USER = "65532:65532"
BASE = pathlib.Path(os.environ["UNWIND_DEBIAN"])
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def steps(stage):
    """(instruction, what it says) of a stage of the Dockerfile."""
    text = (manifests.PROJECT / "Dockerfile").read_text().replace("\\\n", " ")
    text = re.split(rf"^FROM \S+ AS {stage}$", text, flags=re.M)[1].split("\nFROM ")[0]
    lines = (line.strip() for line in text.splitlines())
    return [tuple(line.split(" ", 1)) for line in lines if line and not line.startswith("#")]


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="unwind-image-")
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = pathlib.Path(scratch.name)
        cls.folder.chmod(0o755)
        cls.root = cls.folder / "root"
        subprocess.run(["cp", "-a", BASE, cls.root], check=True)
        build = loopback.BIN.parent
        subprocess.run(["cpack", "--config", build / "CPackConfig.cmake", "-B", cls.root / "package"], check=True, stdout=subprocess.DEVNULL)
        cls.workdir = "/"
        for stage in ("programs", "gateway"):
            for instruction, what in steps(stage):
                cls.step(instruction, what)

    @classmethod
    def step(cls, instruction, what):
        if instruction == "RUN":
            cls.inside("sh", "-c", re.sub(r"--mount=\S+", "", what), user="root").check_returncode()
        elif instruction == "COPY":
            assert what == "--from=envoy /usr/local/bin/envoy /usr/local/bin/envoy", what
            shutil.copy(os.environ["UNWIND_ENVOY"], cls.root / "usr/local/bin/envoy")
        elif instruction == "WORKDIR":
            cls.workdir = what
            (cls.root / what.lstrip("/")).mkdir(parents=True, exist_ok=True)
        else:
            assert instruction in ("USER", "CMD"), instruction

    @classmethod
    def inside(cls, *command, user=USER):
        with_proc = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", 'mount -t proc proc "$0/proc" && exec chroot "$@"']
        return subprocess.run(
            [*with_proc, cls.root, f"--userspec={user}", cls.root, "/usr/bin/env", "-C", cls.workdir, *command],
            env={"PATH": PATH, "DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            text=True,
        )

    def test_the_last_user_is_the_one_of_the_manifests(self):
        for stage in ("programs", "gateway"):
            self.assertEqual([what for instruction, what in steps(stage) if instruction == "USER"][-1], USER)
        self.assertEqual(self.inside("id", "-un").stdout, "unwind\n")
        for overlay in manifests.OVERLAYS:
            for _, template in manifests.Overlay(overlay).pods():
                context = template["spec"]["securityContext"]
                self.assertEqual(f"{context['runAsUser']}:{context['runAsGroup']}", USER)

    def test_every_program_that_is_deployed_runs(self):
        for container in manifests.Overlay("dev").containers():
            with self.subTest(container.pod):
                done = self.inside(container.argv[0], "--help")
                self.assertIn("usage" if "start.py" in container.argv[0] else "--listen", done.stdout + done.stderr)
        self.assertEqual(self.inside("sagactl", "--version").returncode, 0)

    def test_a_program_keeps_its_rows_where_a_volume_would_be(self):
        done = self.inside("/usr/libexec/unwind/bin/stock_svc", "migrate", "--db=/var/lib/unwind/stock_svc/rows.db")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.inside("/usr/libexec/unwind/bin/stock_svc", "migrate", "--db=/var/lib/rows.db")
        self.assertEqual(done.returncode, 1, "it writes elsewhere too")

    def test_the_definitions_are_taken(self):
        done = self.inside("/usr/libexec/unwind/bin/orchestrator", "check", "/usr/share/unwind/sagas/place_order.yaml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_envoy_takes_its_configuration(self):
        (self.root / "run/unwind").mkdir()
        shutil.chown(self.root / "run/unwind", 65532, 65532)
        [gateway] = [each for each in manifests.Overlay("dev").containers() if each.pod == "gateway-0"]
        done = self.inside(*gateway.argv, "--mode=validate")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
