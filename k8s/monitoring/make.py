#!/usr/bin/env python3
"""Writes rules.yaml, the alerts of k8s/alerts as Prometheus' operator takes them: python3 k8s/monitoring/make.py [FOLDER]

Without FOLDER, beside this file. Kustomize can put files into ConfigMaps, but not into a PrometheusRule.
"""

import pathlib
import sys

import yaml

FOLDER = pathlib.Path(__file__).resolve().parent
ALERTS = FOLDER.parent / "alerts"
HEAD = "# Written by make.py from ../alerts: change those, then call it.\n"


def rule(file):
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": f"unwind-{file.stem}"},
        "spec": yaml.safe_load(file.read_text()),
    }


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    rules = [rule(file) for file in sorted(ALERTS.glob("*.yaml"))]
    text = yaml.safe_dump_all(rules, sort_keys=False, width=1000, allow_unicode=True)
    (folder / "rules.yaml").write_text(HEAD + text)


if __name__ == "__main__":
    main()
