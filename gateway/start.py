#!/usr/bin/env python3
"""Starts Envoy with envoy.yaml, its addresses replaced by those of the command line.

Without --secrets TLS and tokens are taken out of the file: a shop on one machine, where everybody may say who he is.

The process becomes Envoy, so that a signal reaches it. --run_folder gets what Envoy was started with and, once it serves,
a file `addresses`: a line NAME=HOST:PORT for each door, also where port 0 was asked for.
"""

import argparse
import ipaddress
import json
import os
import pathlib
import sys
import time
import urllib.request

import yaml

FOLDER = pathlib.Path(__file__).resolve().parent
FILES = ("unwind.protoset", "openapi.json", "openapi_admin.json")
SECRETS = (
    *(f"{who}/tls.{what}" for who in ("front", "gateway", "operators_gateway") for what in ("crt", "key")),
    "gateway/ca.crt",
    "jwks.json",
)
JWT = "envoy.filters.http.jwt_authn"
REVOKED = "gateway/crl.pem"  # which need not be there
START_PATIENCE_S = 60
PLAINTEXT = "http://"

# Option, the address that stands for it in the files, what it is.
DOORS = (
    ("listen", "127.0.0.1, port_value: 8080", "where buyers call"),
    ("admin_listen", "127.0.0.1, port_value: 8081", "where operators call"),
    ("stats_listen", "127.0.0.1, port_value: 9901", "Envoy's own administration"),
)
SERVICES = (
    ("orchestrator", "orchestrator, port_value: 7000", "the orchestrator's --listen"),
    ("orchestrator_admin", "orchestrator, port_value: 7001", "its --admin_listen"),
    ("order_svc", "order-svc, port_value: 7000", "order_svc"),
    ("stock_svc", "stock-svc, port_value: 7000", "stock_svc"),
    ("payment_svc", "payment-svc, port_value: 7000", "payment_svc"),
    ("coupon_svc", "coupon-svc, port_value: 7000", "coupon_svc"),
    ("wallet_svc", "wallet-svc, port_value: 7000", "wallet_svc"),
)
COPIED = {name for name, _, _ in SERVICES}
COLLECTOR = ("otlp_endpoint", "collector, port_value: 4317", "where a collector takes OTLP over gRPC")
TEST = (
    ("test_listen", "127.0.0.1, port_value: 8082", "the test routes, which there are only if this is given"),
    ("mock_pg", "mock-pg, port_value: 7000", "mock_pg; with --test_listen only"),
)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0], allow_abbrev=False)
    parser.add_argument("--envoy", required=True, help="the program, 1.40")
    parser.add_argument("--files", required=True, help="folder of " + ", ".join(FILES))
    parser.add_argument("--run_folder", required=True, help="folder to write to")
    parser.add_argument("--secrets", help=f"folder of {', '.join(SECRETS)}, and {REVOKED} if a certificate is revoked")
    parser.add_argument("--mode", default="serve", choices=("serve", "validate"), help="validate: check and end")
    for name, given, what in DOORS:
        parser.add_argument("--" + name, metavar="HOST:PORT", help=f"{what}; without it {host_port(given)}")
    for name, given, what in SERVICES:
        parser.add_argument(
            "--" + name, metavar="HOST:PORT,...", help=f"{what}, each copy of it; without it {host_port(given)}"
        )
    for name, _, what in TEST:
        parser.add_argument("--" + name, metavar="HOST:PORT", help=what)
    parser.add_argument(
        "--otlp_endpoint", metavar="http://HOST:PORT", help=f"{COLLECTOR[2]}; without it no spans are made"
    )
    parser.add_argument(
        "--trace_ratio", default=0.1, type=float, help="of the requests of buyers, traced by all; 0.1 without it"
    )
    return parser.parse_args()


def host_port(given):
    return given.replace(", port_value: ", ":")


def is_address(value):
    host, _, port = value.rpartition(":")
    return bool(host) and port.isdigit() and int(port) <= 65535


def is_loopback(value):
    host = value.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def problems(options):
    """Everything that is wrong with the command line."""
    found = []
    if not os.access(options.envoy, os.X_OK):
        found.append(f"--envoy={options.envoy} is not a program")
    if not os.path.isdir(options.run_folder):
        found.append(f"--run_folder={options.run_folder} is not a folder: make it first")
    for name in FILES:
        if not os.path.isfile(os.path.join(options.files, name)):
            found.append(f"--files={options.files} has no {name}: the build makes it")
    for name, _, _ in DOORS + SERVICES + TEST:
        value = getattr(options, name)
        addresses = [] if value is None else value.split(",") if name in COPIED else [value]
        for address in addresses:
            if not is_address(address):
                found.append(f"--{name}={address} is not HOST:PORT, with a port of 0 to 65535")
            elif name.endswith("listen") and not options.secrets and not is_loopback(address):
                found.append(f"--{name}={address} needs --secrets: without them everybody there acts in anybody's name")
    for name in SECRETS if options.secrets else ():
        if not os.path.isfile(os.path.join(options.secrets, name)):
            found.append(f"--secrets={options.secrets} has no {name}")
    if options.secrets and options.test_listen is not None:
        found.append("--test_listen is of use without --secrets only: the test routes know no tester")
    if options.otlp_endpoint is not None:
        scheme, _, address = options.otlp_endpoint.rpartition("/")
        if scheme + "/" != PLAINTEXT or not is_address(address):
            found.append(f"--otlp_endpoint={options.otlp_endpoint} is not http://HOST:PORT, with a port of 0 to 65535")
    if not 0 <= options.trace_ratio <= 1:
        found.append(f"--trace_ratio={options.trace_ratio} is not a number of 0 to 1")
    if options.mock_pg is not None and options.test_listen is None:
        found.append("--mock_pg is of use with --test_listen only")
    return found


def replaced(text, options, names):
    """`text` with the address of each option that was given."""
    for name, standing, _ in names:
        value = getattr(options, name)
        if value is None:
            continue
        old, new = socket(standing), socket(given(value))
        if name in COPIED:
            old, new = endpoint(old), ", ".join(endpoint(socket(given(each))) for each in value.split(","))
        if text.count(old) != 1:
            sys.exit(f"start.py: '{old}' must stand once in the file, for --{name}")
        text = text.replace(old, new)
    return text


def given(address):
    """HOST:PORT as it stands in the file."""
    host, _, port = address.rpartition(":")
    return f"{json.dumps(host.strip('[]'))}, port_value: {port}"


def socket(standing):
    return f"socket_address: {{ address: {standing} }}"


def endpoint(of_socket):
    return f"{{ endpoint: {{ address: {{ {of_socket} }} }} }}"


def with_test_routes(main, more):
    """`main` with the listeners and the clusters of `more` behind its own: one text, so that anchors reach into both."""
    listeners, clusters = more.split("\n  listeners:\n", 1)[1].split("\n  clusters:\n", 1)
    main = main.replace("\n  clusters:\n", f"\n{listeners}\n  clusters:\n", 1)
    return main.replace("\noverload_manager:\n", f"\n{clusters}\noverload_manager:\n", 1)


def with_tracing(config, options):
    """`config` with a span of each request of a buyer."""
    options.otlp_endpoint = options.otlp_endpoint.removeprefix(PLAINTEXT)
    text = replaced((FOLDER / "tracing.yaml").read_text(), options, [COLLECTOR])
    more = yaml.safe_load(text)["static_resources"]
    more["door"]["tracing"]["random_sampling"]["value"] = 100 * options.trace_ratio
    [listener] = [each for each in config["static_resources"]["listeners"] if each["name"] == "gateway"]
    listener["filter_chains"][0]["filters"][0]["typed_config"].update(more["door"])
    config["static_resources"]["clusters"] += more["clusters"]
    return config


def without_secrets(node):
    """`node` without what needs them: TLS, and who a buyer is."""
    if isinstance(node, dict):
        return {name: without_secrets(value) for name, value in node.items() if name != "transport_socket"}
    if isinstance(node, list):
        kept = [each for each in node if not (isinstance(each, dict) and each.get("name") == JWT)]
        return [without_secrets(each) for each in kept]
    return node


def placed(node, folders):
    """`node` with each path below one of `folders` where that folder is."""
    if isinstance(node, dict):
        return {name: placed(value, folders) for name, value in node.items()}
    if isinstance(node, list):
        return [placed(each, folders) for each in node]
    first, slash, rest = node.partition("/") if isinstance(node, str) else ("", "", "")
    return f"{folders[first]}{slash}{rest}" if first in folders else node


def with_secrets(config, secrets, folder):
    """`config` with the files of --secrets; what it refers to is written into `folder`."""
    folders = {"secrets": secrets, "sds": folder}
    for each in (FOLDER / "sds").iterdir():
        secret = placed(yaml.safe_load(each.read_text()), folders)
        peers = secret["resources"][0].get("validation_context")
        if peers and (secrets / REVOKED).is_file():
            peers["crl"] = {"filename": str(secrets / REVOKED)}
        (folder / each.name).write_text(json.dumps(secret))
    return placed(config, folders)


def written(options):
    """Writes what Envoy is started with into the run folder; its arguments."""
    folder = pathlib.Path(options.run_folder).resolve()
    main = replaced((FOLDER / "envoy.yaml").read_text(), options, DOORS + SERVICES)
    if options.test_listen is not None:
        main = with_test_routes(main, replaced((FOLDER / "test_routes.yaml").read_text(), options, TEST))
    config = yaml.safe_load(main)
    if options.otlp_endpoint is not None:
        config = with_tracing(config, options)
    if options.secrets:
        config = with_secrets(config, pathlib.Path(options.secrets).resolve(), folder)
    else:
        config = without_secrets(config)
    (folder / "envoy.json").write_text(json.dumps(config))
    call = [options.envoy, "--disable-hot-restart", "--mode", options.mode, "--config-path", str(folder / "envoy.json")]
    return call + ["--log-level", "warn", "--admin-address-path", str(folder / "stats_address")]


def doors(stats_address):
    """NAME=HOST:PORT of every listener, and of Envoy's own."""
    with urllib.request.urlopen(f"http://{stats_address}/listeners?format=json", timeout=5) as answer:
        listeners = json.load(answer)["listener_statuses"]
    lines = [f"gateway_stats={stats_address}"]
    for listener in listeners:
        address = listener["local_address"]["socket_address"]
        lines.append(f"{listener['name']}={address['address']}:{address['port_value']}")
    return lines


def tell_addresses(folder, envoy):
    """Writes `addresses` once Envoy serves; gives up when it has ended."""
    for _ in range(START_PATIENCE_S * 20):
        time.sleep(0.05)
        if not os.path.exists(f"/proc/{envoy}"):
            return
        try:
            stats_address = (folder / "stats_address").read_text().strip()
            urllib.request.urlopen(f"http://{stats_address}/ready", timeout=5).close()
            lines = doors(stats_address)
        except (OSError, ValueError, KeyError):
            continue
        (folder / "addresses.new").write_text("\n".join(lines) + "\n")
        (folder / "addresses.new").rename(folder / "addresses")
        return


def main():
    options = arguments()
    if wrong := problems(options):
        sys.exit("\n".join(f"start.py: {each}" for each in wrong))
    call = written(options)
    folder = pathlib.Path(options.run_folder).resolve()
    for stale in ("stats_address", "addresses"):
        (folder / stale).unlink(missing_ok=True)
    call[0] = str(pathlib.Path(options.envoy).resolve())
    os.chdir(options.files)
    envoy = os.getpid()
    if options.mode == "serve":
        # Twice, so that the one who waits is no child of Envoy, which would not look after it.
        middle = os.fork()
        if middle == 0:
            if os.fork() == 0:
                tell_addresses(folder, envoy)
            os._exit(0)
        os.waitpid(middle, 0)
    os.execv(call[0], call)


if __name__ == "__main__":
    main()
