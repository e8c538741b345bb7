"""Writes the Grafana dashboards from source/*.yaml: python3 k8s/dashboards/make.py [FOLDER]

Without FOLDER, beside this file. Their JSON is mostly what every panel repeats; the sources have what differs.

uid, title, description    the dashboard's
processes                  a metric that the processes have that it is about; default server_serving
variables                  more than the data source, jobs and instances: name (a label), label (its title), of (a
                           metric)
rows                       title and panels; a panel is a `graph` with queries by their legends, or a `stat` with one
                           query and the value from which on it is `bad` or `good`

A query is PromQL in which the braces of every metric stand, as in saga_live{}: what selects the chosen jobs and
instances is put into them. rate() gets the range that Grafana computes, increase() the dashboard's.
"""

import json
import pathlib
import re
import sys

import yaml

FOLDER = pathlib.Path(__file__).resolve().parent
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
SIZES = {"stat": {"w": 4, "h": 4}, "graph": {"w": 8, "h": 8}}


def complete(query):
    chosen = 'job=~"$job", instance=~"$instance"'
    query = re.sub(r"(\w)\{([^}]*)\}", lambda m: f"{m[1]}{{{chosen}{', ' + m[2] if m[2] else ''}}}", query)
    query = re.sub(r"\brate\((\w+\{[^}]*\})\)", r"rate(\1[$__rate_interval])", query)
    return re.sub(r"\bincrease\((\w+\{[^}]*\})\)", r"increase(\1[$__range])", query)


# --- panels -----------------------------------------------------------------------------------------------------------


def common(source, kind, queries):
    """What both kinds have. `queries`: by legend."""
    return {
        "title": source[kind],
        "description": source["description"],
        "datasource": DATASOURCE,
        "gridPos": SIZES[kind],
        "targets": [
            {
                "refId": chr(ord("A") + n),
                "datasource": DATASOURCE,
                "expr": complete(query),
                "legendFormat": legend,
            }
            for n, (legend, query) in enumerate(queries.items())
        ],
    }


def graph(source):
    return {
        "type": "timeseries",
        **common(source, "graph", source["queries"]),
        "fieldConfig": {
            "defaults": {
                "unit": source["unit"],
                "min": 0,
                "color": {"mode": "palette-classic"},
                "custom": {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never"},
            },
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def stat(source):
    steps = [{"value": None, "color": "red" if "good" in source else "green"}]
    steps += [
        {"value": source[word], "color": color} for word, color in (("bad", "red"), ("good", "green")) if word in source
    ]
    return {
        "type": "stat",
        **common(source, "stat", {"": source["query"]}),
        "fieldConfig": {
            "defaults": {
                "unit": source["unit"],
                "color": {"mode": "thresholds"},
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": {
            "reduceOptions": {"calcs": ["lastNotNull"], "values": False},
            "graphMode": "area",
            "colorMode": "value",
            "textMode": "auto",
            "justifyMode": "auto",
            "orientation": "auto",
            "wideLayout": True,
            "showPercentChange": False,
            "percentChangeColorMode": "standard",
        },
    }


def place(rows):
    """The panels, laid out from left to right, each row under its title."""
    panels, top = [], 0
    for row in rows:
        panels.append({"type": "row", "title": row["title"], "collapsed": False, "panels": []})
        panels[-1]["gridPos"] = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        top, left, height = top + 1, 0, 0
        for panel in [stat(each) if "stat" in each else graph(each) for each in row["panels"]]:
            size = panel["gridPos"]
            if left + size["w"] > COLUMNS:
                top, left, height = top + height, 0, 0
            panel["gridPos"] = {"x": left, "y": top, **size}
            left, height = left + size["w"], max(height, size["h"])
            panels.append(panel)
        top += height
    return [{"id": n, **panel} for n, panel in enumerate(panels, 1)]


# --- dashboards -------------------------------------------------------------------------------------------------------


def datasource():
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "refresh": 1,
        "current": {"text": "default", "value": "default"},
        "options": [],
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "skipUrlSync": False,
    }


def variable(name, label, metric):
    query = f"label_values({metric}, {name})"
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,  # when the time range changes
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": ["All"], "value": ["$__all"]},
        "options": [],
        "hide": 0,
        "skipUrlSync": False,
    }


def dashboard(source):
    processes = source.get("processes", "server_serving")
    of_job = '{job=~"$job"}'
    more = [variable(each["name"], each["label"], each["of"] + of_job) for each in source.get("variables", [])]
    jobs = [variable("job", "Job", processes), variable("instance", "Instance", processes + of_job)]
    return {
        "uid": source["uid"],
        "title": source["title"],
        "description": source["description"],
        "tags": ["unwind"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [datasource(), *jobs, *more]},
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "title": "Unwind",
                "icon": "external link",
                "tooltip": "",
                "url": "",
                "tags": ["unwind"],
                "asDropdown": True,
                "targetBlank": False,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "panels": place(source["rows"]),
    }


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for source in sorted((FOLDER / "source").glob("*.yaml")):
        made = dashboard(yaml.safe_load(source.read_text()))
        (folder / f"{source.stem}.json").write_text(json.dumps(made, indent=2) + "\n")


if __name__ == "__main__":
    main()
