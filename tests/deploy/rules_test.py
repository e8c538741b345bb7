"""k8s/monitoring/rules.yaml is what its generator makes of k8s/alerts."""

import pathlib
import subprocess
import tempfile
import unittest

MONITORING = pathlib.Path(__file__).resolve().parents[2] / "k8s/monitoring"


class Rules(unittest.TestCase):
    def test_are_what_their_generator_writes(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["/usr/bin/python3", MONITORING / "make.py", folder], check=True)
            made = (pathlib.Path(folder) / "rules.yaml").read_text()
        kept = (MONITORING / "rules.yaml").read_text()
        self.assertTrue(made == kept, "k8s/alerts was changed: call python3 k8s/monitoring/make.py")


if __name__ == "__main__":
    unittest.main(verbosity=2)
