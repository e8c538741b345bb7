"""Breaks one line of the product at a time and requires that a test notices: `./run mutants` explains it.

Works on private copies of the sources in build/mutants/tree-N, each with a build of its own: JOBS of them, as many
mutants are tried at once. A mutant whose text is not found exactly once or that does not compile says nothing about the
tests, so it fails the run like one that survives.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests/mutants/mutants.txt"
LOGS = ROOT / "build/mutants/logs"
JOBS = int(os.environ.get("JOBS") or os.cpu_count())
LEAST = 25  # a table that lost its mutants must not pass
MEMORY_MAX_KB = 8 * 1024 * 1024

# How a test target is run in the copy. Every other one is a GoogleTest binary.
COMMANDS = {"unwind_sim": ["build/dev/tests/sim/unwind_sim", "--seeds=1..60", "--failures_max=1"],
            **{f"gateway_{name}_test": ["/usr/bin/python3", "-B", f"tests/e2e/gateway/{name}_test.py"]
               for name in ("config", "copies", "doors", "openapi", "rest", "secure", "test_routes", "tracing")}}


class Mutant:
    def __init__(self, name):
        self.name = name
        self.file, self.breaks, self.tests = "", "", []
        self.old, self.new = [], []

    def complete(self):
        return self.file and self.breaks and self.tests and self.old

    def mutate(self, text):
        """The mutated text, or None if the lines to replace are not found exactly once."""
        old, new = ("\n" + "".join(line + "\n" for line in lines) for lines in (self.old, self.new))
        return ("\n" + text).replace(old, new)[1:] if ("\n" + text).count(old) == 1 else None


def die(message):
    sys.exit(f"mutants: {message}")


def say(message):
    print(f"\033[1m== {message}\033[0m", flush=True)


def read_table():
    mutants = []
    for number, line in enumerate(TABLE.read_text().splitlines(), 1):
        key, _, rest = line.partition(" ")
        if not line or key == "#":
            continue
        if key == "mutant":
            mutants.append(Mutant(rest))
        elif not mutants:
            die(f"{TABLE.name}:{number}: a table begins with `mutant NAME`")
        elif key == "breaks":
            mutants[-1].breaks = rest
        elif key == "in":
            mutants[-1].file = rest
        elif key == "tests":
            mutants[-1].tests = rest.split()
        elif key in "-+":
            (mutants[-1].old if key == "-" else mutants[-1].new).append(rest)
        else:
            die(f"{TABLE.name}:{number}: a line begins with mutant, breaks, in, tests, - or +, not `{key}`")
    names = [mutant.name for mutant in mutants]
    for mutant in mutants:
        if not mutant.complete():
            die(f"{mutant.name} needs breaks, in, tests and at least one line to replace")
        if names.count(mutant.name) > 1:
            die(f"there are two mutants named {mutant.name}")
    return mutants


class Tree:
    """A copy of the sources with its build. Used by one thread at a time."""

    def __init__(self, number):
        self.path = ROOT / f"build/mutants/tree-{number}"
        # The copies differ in their path alone, so what one has compiled the next one finds.
        self.env = {**os.environ, "GTEST_FAIL_FAST": "1", "CCACHE_BASEDIR": str(self.path), "CCACHE_NOHASHDIR": "1"}

    def copy(self):
        """Makes it equal to the files that are tracked or new. Only what differs is written, for the build's sake."""
        listed = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                                capture_output=True, text=True).stdout
        files = {name for name in listed.split("\0") if name and (ROOT / name).is_file()}
        for name in files:
            source, target = ROOT / name, self.path / name
            if not target.is_file() or target.read_bytes() != source.read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
        for path in list(self.path.rglob("*")):
            name = path.relative_to(self.path).as_posix()
            if path.is_file() and name not in files and not name.startswith("build/"):
                path.unlink()

    def run(self, command, log, limit=None):
        """Runs it there. Whether it ended well within the limit, and its seconds; what it printed goes to the log."""
        began = time.monotonic()
        with open(log, "ab") as out:
            shell = f'ulimit -v {MEMORY_MAX_KB} && exec "$@"'
            # A session of its own: what the command started, such as the child of a death test, ends with it.
            process = subprocess.Popen(["bash", "-c", shell, "bash", *command], cwd=self.path, stdout=out, stderr=out,
                                       env=self.env, start_new_session=True)
            try:
                code = process.wait(timeout=limit)
            except subprocess.TimeoutExpired:
                code = "time limit"
                out.write(f"\nkilled after {limit:.0f} s\n".encode())
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return code == 0, time.monotonic() - began

    def build(self, targets, log, jobs=1):
        return self.run(["cmake", "--build", "--preset", "dev", "--parallel", str(jobs), "--target", *targets], log)[0]

    def test(self, target, log, limit=None):
        return self.run(COMMANDS.get(target, [f"build/dev/tests/{target}"]), log, limit)


def first_failure(log):
    """The test that failed, or the one that was running when the process ended."""
    text = log.read_text(errors="replace")
    found = re.findall(r"^(?:\[  FAILED  \]|FAIL:|ERROR:) ([\w/.]+)", text, re.M) or re.findall(r"^\[ RUN      \] (\S+)", text, re.M)[-1:]
    return found[0] if found else ""


def prepare(trees, mutants):
    """Builds the tests that the mutants need and shows that they pass. Their seconds by target."""
    targets = list(dict.fromkeys(target for mutant in mutants for target in mutant.tests))
    log = LOGS / "unmutated.log"
    for tree in trees:
        say(f"building {len(targets)} test targets in {tree.path.relative_to(ROOT)} (the first time takes some minutes)")
        tree.copy()
        if not tree.run(["cmake", "--preset", "dev"], log)[0] or not tree.build(targets, log, JOBS):
            die(f"the copy does not build unmutated: see {log}")
    seconds = {}
    for target in targets:
        passed, seconds[target] = trees[0].test(target, log)
        if not passed:
            die(f"{target} fails unmutated: see {log}")
        print(f"   unmutated, {target} passes in {seconds[target]:.1f} s", flush=True)
    return seconds


def try_out(tree, mutant, seconds):
    """What became of it: killed, survived or broken, and by what."""
    path, log = tree.path / mutant.file, LOGS / f"{mutant.name}.log"
    log.unlink(missing_ok=True)
    original = path.read_text()
    path.write_text(mutant.mutate(original))
    try:
        for target in mutant.tests:
            if not tree.build([target], log):
                return "broken", f"does not compile: see {log}"
            if not tree.test(target, log, limit=60 + 5 * seconds[target])[0]:
                return "killed", f"{target} {first_failure(log)}".strip()
        return "survived", "all of " + " ".join(mutant.tests)
    finally:
        path.write_text(original)


def try_all(trees, mutants, seconds):
    """Each mutant's fate by its name. Those of one file go to one tree, one after the other: the rest is built already."""
    by_file = {}
    for mutant in mutants:
        by_file.setdefault(mutant.file, []).append(mutant)
    work = queue.SimpleQueue()
    for group in sorted(by_file.values(), key=len, reverse=True):
        work.put(group)
    results, stopped = {}, threading.Event()

    def drain(tree):
        with contextlib.suppress(queue.Empty):
            while True:
                for mutant in work.get_nowait():
                    if stopped.is_set():
                        return
                    since = time.monotonic()
                    results[mutant.name] = try_out(tree, mutant, seconds)
                    print(f"   {len(results)}/{len(mutants)} {mutant.name}: {' by '.join(results[mutant.name])} "
                          f"({time.monotonic() - since:.0f} s)", flush=True)

    with concurrent.futures.ThreadPoolExecutor(len(trees)) as pool:
        try:
            for done in [pool.submit(drain, tree) for tree in trees]:
                done.result()
        finally:
            stopped.set()  # Ctrl-C, or a fault in one thread: the others end with the mutant they are at.
    return results


def main():
    parser = argparse.ArgumentParser(prog="./run mutants", description="Requires that a test kills every mutant of "
                                     "tests/mutants/mutants.txt, or those that are named.")
    parser.add_argument("--list", action="store_true", help="only print the mutants' names and what they break")
    parser.add_argument("--fit", action="store_true", help="only look whether the text of each stands in its file once")
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    every = read_table()
    if len(every) < LEAST:
        die(f"the table has {len(every)} mutants, and needs {LEAST} to say anything")
    for name in set(args.names) - {mutant.name for mutant in every}:
        die(f"there is no mutant {name}: ./run mutants --list")
    mutants = [mutant for mutant in every if not args.names or mutant.name in args.names]
    if args.list:
        for mutant in mutants:
            print(f"{mutant.name:34} {mutant.breaks}")
        return

    results = {mutant.name: ("broken", f"its text does not stand exactly once in {mutant.file}") for mutant in mutants
               if not (ROOT / mutant.file).is_file() or mutant.mutate((ROOT / mutant.file).read_text()) is None}
    if args.fit:
        for name, (_, why) in results.items():
            print(f"mutants: {name} is broken: {why}", file=sys.stderr)
        sys.exit(bool(results))

    began = time.monotonic()
    LOGS.mkdir(parents=True, exist_ok=True)
    (LOGS / "unmutated.log").unlink(missing_ok=True)
    whole = [mutant for mutant in mutants if mutant.name not in results]
    trees = [Tree(number) for number in range(1, max(1, min(JOBS, len(whole))) + 1)]
    results |= try_all(trees, whole, prepare(trees, whole))

    say(f"{len(mutants)} mutants in {(time.monotonic() - began) / 60:.1f} min")
    for mutant in mutants:
        fate, why = results[mutant.name]
        print(f"{fate.upper() if fate != 'killed' else fate:9} {mutant.name:34} {why}")
    by_fate = {fate: [name for name, result in results.items() if result[0] == fate]
               for fate in ("killed", "survived", "broken")}
    print(json.dumps({"mutants": {"total": len(mutants), "killed": len(by_fate["killed"]),
                                  "survived": by_fate["survived"], "broken": by_fate["broken"]}}))
    for name in by_fate["survived"]:
        print(f"mutants: {name} survived: a test is missing, or the line is dead code", file=sys.stderr)
    for name in by_fate["broken"]:
        print(f"mutants: {name} is broken: {results[name][1]}", file=sys.stderr)
    sys.exit(len(by_fate["killed"]) != len(mutants))


if __name__ == "__main__":
    main()
