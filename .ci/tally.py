"""tally.py LOGS JUNIT PART...: how many tests passed, failed and were skipped, as ctest, Node's and Python's runners
counted them, and why those were skipped. LOGS has PART.log and PART.status, its exit status; ctest wrote JUNIT. A part
that failed without a test that failed counts as one that did. Exit 0: none failed, and some passed."""

import collections
import pathlib
import re
import sys
import xml.etree.ElementTree

Count = collections.namedtuple("Count", "passed failed skipped")  # skipped: a line each

NODE = re.compile(r"^ℹ (pass|fail|cancelled|skipped|todo) (\d+)$", re.MULTILINE)
NODE_SKIPPED = re.compile(r"^\s*﹣ (.*)$", re.MULTILINE)
PYTHON = re.compile(r"^Ran (\d+) tests? in .*\n\n(?:OK|FAILED)(?: \((.*)\))?$", re.MULTILINE)


def of_ctest(file):
    if not file.exists():
        return Count(0, 0, [])
    passed, failed, skipped = 0, 0, []
    for test in xml.etree.ElementTree.parse(file).getroot().iter("testcase"):
        mark = test.find("skipped")  # also of a program that is not there, which is a failure
        said = (test.findtext("system-out") or "").strip().splitlines()
        if test.get("status") == "run":
            passed += 1
        elif test.get("status") == "disabled":
            skipped.append(f"{test.get('name')}: disabled")
        elif mark is not None and mark.get("message", "").startswith("SKIP_"):
            skipped.append(f"{test.get('name')}: {said[-1].removeprefix('skipped: ') if said else mark.get('message')}")
        else:
            failed += 1
    return Count(passed, failed, skipped)


def of_node(log):
    said = collections.Counter()
    for word, number in NODE.findall(log):
        said[word] += int(number)
    skipped = NODE_SKIPPED.findall(log)
    skipped += ["a test of Node's that it does not name"] * (said["skipped"] + said["todo"] - len(skipped))
    return Count(said["pass"], said["fail"] + said["cancelled"], skipped)


def of_python(log):
    passed, failed, skipped = 0, 0, []
    for ran, rest in PYTHON.findall(log):
        numbers = {word: int(number) for word, number in re.findall(r"(\w[a-z ]*)=(\d+)", rest)}
        bad = numbers.get("failures", 0) + numbers.get("errors", 0)
        left_out = numbers.get("skipped", 0)
        failed += bad
        skipped += ["a test of Python's, see above"] * left_out
        passed += int(ran) - bad - left_out
    return Count(passed, failed, skipped)


def main(logs, junit, *parts):
    counts = []
    for part in parts:
        log = (pathlib.Path(logs) / f"{part}.log").read_text(errors="replace")
        mine = [of_ctest(pathlib.Path(junit))] if part == "test" else [of_node(log), of_python(log)]
        if int((pathlib.Path(logs) / f"{part}.status").read_text()) != 0 and not any(count.failed for count in mine):
            print(f"failed: ./run {part}, see above")
            mine.append(Count(0, 1, []))
        counts += mine
    passed, failed = (sum(count[i] for count in counts) for i in (0, 1))
    skipped = [line for count in counts for line in count.skipped]
    for line in skipped:
        print(f"skipped: {line}")
    print(f"{passed} passed, {failed} failed, {len(skipped)} skipped")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
