"""docs/FLAGS.md has every flag of every program, as --help has it; and no document names a flag that there is not.

usage: flags_test.py [--print]: --print writes the tables that the document should have
"""

import collections
import re
import subprocess
import sys
import unittest

import document

PROGRAMS = ("orchestrator", "order_svc", "stock_svc", "payment_svc", "coupon_svc", "wallet_svc", "mock_pg")
SERVICES = ("order_svc", "stock_svc", "payment_svc", "coupon_svc", "wallet_svc")
DOCUMENTS = ["README.md", *sorted(str(p.relative_to(document.PROJECT)) for p in document.PROJECT.glob("docs/*.md"))]
# Flags of others that a document may name: protoc's, those of the tests' own programs, and of docker, kubectl, systemctl.
OTHERS = set(
    """descriptor_set_out include_imports plugin python_out grpc_python_out go_out go_opt foo_bar gtest_filter
    help version test trace bug large length folder brief jobs
    postgres_port two_of_each
    build target volumes for replicas timeout now from rm waiting bin_dir""".split()
)

Flag = collections.namedtuple("Flag", "name default text")


def flags_of(program):
    """What `program --help` says, without the lines' breaks."""
    text = subprocess.run([document.BIN / program, "--help"], capture_output=True, text=True).stdout
    text = re.sub(r"\n {6}", " ", text)
    return {
        name: Flag(name, default.strip('"'), words)
        for name, words, default in re.findall(r"^    --(\w+) \((.*)\); default: (.*);$", text, re.M)
    }


def of_whom(programs):
    """The programs that a flag is of, in words."""
    if len(programs) == len(PROGRAMS):
        return "Every program"
    if set(programs) == set(SERVICES):
        return "Services"
    if set(programs) == {*SERVICES, "mock_pg"}:
        return "Services and mock_pg"
    return " and ".join(programs)


def tables():
    """Rows by whose flags they are. A flag whose words differ between programs has a row for each."""
    whose = collections.defaultdict(list)
    for program in PROGRAMS:
        for flag in flags_of(program).values():
            whose[flag].append(program)
    rows = collections.defaultdict(list)
    for flag, programs in sorted(whose.items()):
        default = f"`{flag.default}`" if flag.default else ""
        text = flag.text.replace("|", "\\|")
        rows[of_whom(programs)].append(f"| `--{flag.name}` | {default} | {text} |")
    return rows


class Flags(unittest.TestCase):
    maxDiff = None

    def test_every_flag_has_its_row_under_its_programs(self):
        rows = collections.defaultdict(list)
        for line in (document.PROJECT / "docs/FLAGS.md").read_text().splitlines():
            if line.startswith("## "):
                heading = line[3:]
            elif line.startswith("| `--"):
                rows[heading].append(line)
        self.assertGreater(sum(map(len, rows.values())), 50)
        self.assertEqual(dict(rows), dict(tables()), "run tests/docs/flags_test.py --print")

    def test_no_document_names_a_flag_that_there_is_not(self):
        known = set(OTHERS)
        for program in PROGRAMS:
            known |= set(flags_of(program))
        commands = subprocess.run([document.BIN / "sagactl", "--help"], capture_output=True, text=True).stdout
        for command in ["", *re.findall(r"^  ([a-z-]+) ", commands, re.M)]:
            help_text = subprocess.run(
                [document.BIN / "sagactl", *command.split(), "--help"], capture_output=True, text=True
            ).stdout
            known |= set(re.findall(r"--([a-z_]+)", help_text))
        for program in (["./run", "help"], ["gateway/start.py", "--help"]):
            help_text = subprocess.run(program, cwd=document.PROJECT, capture_output=True, text=True).stdout
            known |= set(re.findall(r"--([a-z_]+)", help_text))
        for path in DOCUMENTS:
            for number, line in enumerate((document.PROJECT / path).read_text().splitlines(), 1):
                for name in re.findall(r"(?<![\w-])--([a-z][a-z_]*[a-z])(?![\w-])", line):
                    with self.subTest(f"{path}:{number}"):
                        self.assertIn(name, known)


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        for heading, rows in tables().items():
            print("\n".join([f"## {heading}", "", "| flag | default | |", "|---|---|---|", *rows, ""]))
    else:
        unittest.main(verbosity=2)
