"""The long forms of the model, the simulation, the crash matrix and the deaths at the end of a saga that is followed, one
after the other: `./run prove` explains it.
"""

import argparse
import functools
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOGS = ROOT / "build/prove"


def say(message):
    print(f"\033[1m== {message}\033[0m", flush=True)


def start(name, command):
    """Runs it with its output in a log; its progress, which it writes to stderr, comes here."""
    return subprocess.Popen(command, cwd=ROOT, stdout=open(LOGS / f"{name}.log", "w"))


def finish(name, process):
    """The JSON object that ends its log, and whether it ended well. Its failures are printed."""
    code = process.wait()
    lines = (LOGS / f"{name}.log").read_text(errors="replace").splitlines()
    found = next((line for line in reversed(lines) if line.startswith("{")), None)
    if code != 0:
        print("\n".join(line for line in lines[-60:] if not line.startswith("{")))
        print(f"prove: {name} failed with status {code}: build/prove/{name}.log", file=sys.stderr)
    if found is None:
        print(f"prove: {name} printed no summary: build/prove/{name}.log", file=sys.stderr)
        return {}, False
    return json.loads(found), code == 0


def prove_model(args):
    summary, ok = finish("model", start("model", [f"{args.bin_dir}/unwind_model", "--large"]))
    return summary.get("model", {}), ok


def add(total, part):
    for key, value in part.items():
        if isinstance(value, dict):
            add(total.setdefault(key, {}), value)
        else:
            total[key] = total.get(key, 0) + value


def prove_simulation(args):
    """One process a core, each with its share of the seeds."""
    shares = []
    for job in range(args.jobs):
        first, last = args.seeds * job // args.jobs + 1, args.seeds * (job + 1) // args.jobs
        if first <= last:
            name = f"sim_{first}_{last}"
            command = [f"{args.bin_dir}/../tests/sim/unwind_sim", f"--seeds={first}..{last}", "--json"]
            shares.append((name, start(name, command)))
    total, ok = {}, bool(shares)
    for name, process in shares:
        summary, ended_well = finish(name, process)
        add(total, summary)
        ok = ok and ended_well
    if "cpu_seconds" in total:
        total["sagas_per_cpu_second"] = round(total["sagas"] / total["cpu_seconds"])
    return total, ok and total.get("seeds") == args.seeds


def prove_crashes(args, store):
    """Every case once, then one of each kind in crowds."""
    total, ok = {}, True
    for kind, how in (("each", []), ("crowds", ["--brief", f"--seeds={args.crash_seeds}"])):
        name = f"crash_{store}_{kind}"
        summary, ended_well = finish(name, start(name, [f"{args.bin_dir}/unwind_crash", f"--store={store}", *how]))
        numbers = summary.get("crash", {})
        add(total, {key: value for key, value in numbers.items() if key not in ("store", "seeds")})
        ok = ok and ended_well
    return total, ok


def prove_followers(args, store):
    """As the test is in `./run test`, but for the number of deaths."""
    name, begun = f"follow_{store}", time.monotonic()
    results = LOGS / f"{name}.json"
    results.unlink(missing_ok=True)
    environment = {**os.environ, "UNWIND_FOLLOW_KILLS": str(args.follow_kills), "UNWIND_TEST_STORE": store}
    with open(LOGS / f"{name}.log", "w") as log:
        code = subprocess.run([f"{args.bin_dir}/../tests/follow_crash_test", f"--gtest_output=json:{results}"], cwd=ROOT,
                              env=environment, stdout=log, stderr=subprocess.STDOUT).returncode
    total = {"deaths": 0, "orders": 0}
    played = json.loads(results.read_text())["testsuites"] if results.exists() else []
    for test in (test for suite in played for test in suite["testsuite"]):
        add(total, {key: int(test.get(key, 0)) for key in total})
    total["seconds"] = round(time.monotonic() - begun)
    if code != 0:
        print(f"prove: {name} failed with status {code}: build/prove/{name}.log", file=sys.stderr)
    return total, code == 0 and total["deaths"] >= 2 * args.follow_kills


def count(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("it must be a number, 1 or more")
    return int(text)


def main():
    parser = argparse.ArgumentParser(prog="./run prove", description="The long forms of the model, the simulation, the "
                                     "crash matrix and the deaths at the end of sagas that are followed. Exit 0: nothing "
                                     "was violated, and everything was reached.")
    parser.add_argument("--bin_dir", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--jobs", type=count, default=os.cpu_count(), help=argparse.SUPPRESS)
    parser.add_argument("--seeds", type=count, default=100_000, metavar="N", help="simulated worlds (100000)")
    parser.add_argument("--crash_seeds", type=count, default=1, metavar="N", help="crowds at each kind of crash (1)")
    parser.add_argument("--follow_kills", type=count, default=1000, metavar="N",
                        help="deaths at the end of sagas that are followed, alone and beside another orchestrator (1000)")
    parser.add_argument("--only", choices=["model", "simulation", "crash", "follow"], help="one of the four")
    args = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    began, proved, failed = time.monotonic(), {}, []
    parts = [("model", prove_model, "every world that two orchestrators and their participants can reach"),
             ("simulation", prove_simulation, f"{args.seeds} worlds of 50 orders, one a seed"),
             *((f"crash_{store}", functools.partial(prove_crashes, store=store),
                f"every crash point, then each kind of crash in crowds ({args.crash_seeds}), on {store}")
               for store in ("sqlite", "postgres")),
             *((f"follow_{store}", functools.partial(prove_followers, store=store),
                f"twice {args.follow_kills} deaths at the end of sagas that are followed, on {store}")
               for store in ("sqlite", "postgres"))]
    for name, prove, what in parts:
        if args.only not in (None, name.partition("_")[0]):
            continue
        say(f"{name}: {what}")
        proved[name], ok = prove(args)
        numbers = ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in proved[name].items()
                            if not isinstance(value, dict))
        print(f"   {'holds' if ok else 'FAILED'}: {numbers}", flush=True)
        if not ok:
            failed.append(name)
    minutes = round((time.monotonic() - began) / 60, 1)
    say(f"{'nothing is violated' if not failed else 'FAILED: ' + ', '.join(failed)}; {minutes} minutes")
    print(json.dumps({"prove": proved, "failed": failed, "minutes": minutes}))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
