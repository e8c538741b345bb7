"""The Debian package of a build: what it holds, what it needs, what it does to a machine; and its units, by systemd."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import loopback

PROJECT = loopback.PROJECT
BUILD = loopback.BIN.parent
EXPOSURE_MAX = 20  # of 100, as systemd-analyze counts
PROGRAMS = ("coupon_svc", "mock_pg", "orchestrator", "order_svc", "payment_svc", "stock_svc", "wallet_svc")


def output(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="unwind-package-")
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = pathlib.Path(scratch.name)
        output("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", cls.folder / "out")
        [cls.deb] = (cls.folder / "out").glob("unwind_*.deb")
        cls.root = cls.folder / "root"
        output("dpkg-deb", "--extract", cls.deb, cls.root)
        output("dpkg-deb", "--control", cls.deb, cls.folder / "control")
        cls.control = (cls.folder / "control/control").read_text()

    def files(self, root):
        return sorted(str(each.relative_to(root)) for each in root.rglob("*") if not each.is_dir())

    def test_it_is_laid_out_as_cmake_installs(self):
        installed = loopback.installed(self.folder / "installed")
        self.assertEqual(self.files(self.root), self.files(installed))
        for program in PROGRAMS:
            self.assertTrue(os.access(self.root / "usr/libexec/unwind/bin" / program, os.X_OK), program)
        link = self.root / "usr/libexec/unwind/unwind.protoset"
        self.assertEqual(link.resolve(), (self.root / "usr/share/unwind/unwind.protoset").resolve())
        self.assertEqual(self.files(self.root / "usr/share/unwind/console"), self.files(PROJECT / "console"))

    def test_everything_belongs_to_root_and_nobody_else_writes_it(self):
        for line in output("dpkg-deb", "--contents", self.deb).splitlines():
            self.assertRegex(line, r"^[-dl]\S+ root/root ")
            if not line.startswith("l"):
                self.assertRegex(line, r"^.....-..-")

    def test_settings_are_the_operators(self):
        kept = (self.folder / "control/conffiles").read_text().split()
        self.assertEqual(sorted(kept), sorted(f"/{each}" for each in self.files(self.root) if each.startswith("etc/")))

    def test_it_needs_the_libraries_that_its_programs_load(self):
        self.assertIn("\nDepends: adduser, ", self.control)
        for library in ("libpq5", "libsqlite3-0", "libmimalloc2.0", "libsoci-core4.0"):
            self.assertIn(library, self.control)

    def test_nothing_is_started_by_installing_it(self):
        for script in ("postinst", "prerm", "postrm"):
            text = (self.folder / "control" / script).read_text()
            self.assertNotRegex(text, r"systemctl (enable|start|restart|try-restart)|deb-systemd|invoke-rc\.d", script)
            subprocess.run(["sh", "-n", self.folder / "control" / script], check=True)

    def test_systemd_takes_its_units_and_finds_them_confined(self):
        units = sorted((self.root / "usr/lib/systemd/system").glob("*.service"))
        self.assertEqual(len(units), len(PROGRAMS) + len(("the REST gateway", "reconcile")))
        for unit in units:
            # As if its program were installed here.
            text = re.sub(r"^ExecStart=/", f"ExecStart={self.root}/", unit.read_text(), flags=re.M)
            unit.write_text(text)
            with self.subTest(unit.name):
                done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
                output("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager", unit)

    def test_systemd_takes_its_timers_and_each_starts_a_unit_that_nothing_else_starts(self):
        timers = sorted((self.root / "usr/lib/systemd/system").glob("*.timer"))
        self.assertEqual([each.stem for each in timers], ["unwind-payment-svc-reconcile"])
        for timer in timers:
            self.assertNotIn("[Install]", timer.with_suffix(".service").read_text())
            output("systemd-analyze", "calendar", re.search(r"^OnCalendar=(.*)$", timer.read_text(), re.M)[1])
            output("systemd-analyze", "verify", "--man=no", timer)


if __name__ == "__main__":
    unittest.main(verbosity=2)
