"""docs/DEFINITIONS.md and the definitions in all documents, held to `orchestrator check`."""

import pathlib
import re
import subprocess
import tempfile
import unittest

import document

DEFINITIONS = "docs/DEFINITIONS.md"
# What a document's definitions call, beside the shop.
PROTOS = {"tickets.v1": None, "party.v1": "examples/tutorial/party.proto"}
BASE = """saga: buy-ticket
version: 1
serves: tickets.v1.BoxOffice/BuyTicket
steps:
  - name: hold_seat
    action: tickets.v1.Hall/HoldSeat
    request: { hold_id: saga.id, show: input.show }
    compensation: tickets.v1.Hall/FreeSeat
    compensation_request: { hold_id: saga.id }
response: { ticket: hold_seat.seat }
"""

folder = None


def setUpModule():
    global folder
    temporary = tempfile.TemporaryDirectory(prefix="unwind-definitions-")
    unittest.addModuleCleanup(temporary.cleanup)
    folder = pathlib.Path(temporary.name)
    (tickets,) = [b.text for b in document.blocks_of(DEFINITIONS) if b.language == "proto" and "tickets.v1" in b.text]
    (folder / "tickets.proto").write_text(tickets)
    (folder / "party.proto").write_text((document.PROJECT / PROTOS["party.v1"]).read_text())
    for package in PROTOS:
        name = package.partition(".")[0]
        subprocess.run(
            ["protoc", f"-I{folder}", f"-I{document.PROJECT}/protos", "--include_imports",
             f"--descriptor_set_out={folder}/{name}.protoset", f"{name}.proto"],
            check=True,
        )  # fmt: skip


def check(text, others=()):
    """Exit status and words of `orchestrator check` of a definition, beside those that it may follow."""
    names = [f"x{i or ''}.yaml" for i in range(1 + len(others))]
    for name, content in zip(names, [text, *others]):
        (folder / name).write_text(content)
    sets = ",".join(f"{folder}/{package.partition('.')[0]}.protoset" for package in PROTOS)
    done = subprocess.run(
        [document.BIN / "orchestrator", "check", f"--descriptors={sets}", *names],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def rows_under(*headings):
    """The rows of the tables under the headings, each a list of cells without their backquotes."""
    rows, heading, fenced = [], "", False
    for line in (document.PROJECT / DEFINITIONS).read_text().splitlines():
        fenced ^= line.startswith("```")
        if not fenced and line.startswith("#"):
            heading = line.strip("# ")
        if heading in headings and line.startswith("| ") and not fenced:
            rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def bounds():
    """What the tables say of the bounds of each key; those of `retry` are rows without a key of their own."""
    found = {}
    for cells in rows_under("The file", "A step"):
        names = re.findall(r"^`(\w+)`", cells[0]) or re.findall(r"^`(\w+)`", cells[1])
        if names == ["retry"]:
            names = ["attempts"]
        if names:
            found[names[0]] = cells[-1].rstrip(" |")
    return found


class Examples(unittest.TestCase):
    def test_each_definition_of_a_document_loads(self):
        found = 0
        for path in [document.PROJECT / "README.md", *sorted((document.PROJECT / "docs").glob("**/*.md"))]:
            blocks = document.blocks_of(path.relative_to(document.PROJECT))
            definitions = [b for b in blocks if b.language == "yaml" and b.text.startswith("saga:")]
            called = [b.text for b in definitions if "\nfollows:" not in b.text]
            for block in definitions:
                found += 1
                with self.subTest(f"{path.name}:{block.line}"):
                    status, said = check(block.text, [] if block.text in called else called)
                    self.assertEqual(status, 0, said)
                    self.assertNotIn("warning", said)
        self.assertGreaterEqual(found, 3)

    def test_the_check_of_the_whole_example(self):
        with tempfile.TemporaryDirectory() as place:
            workplace = document.Workplace(place)
            whole = [b for b in document.blocks_of(DEFINITIONS) if b.headings[-1] == "A whole example"]
            for block in whole:
                if block.language in ("proto", "yaml"):
                    name = "tickets.proto" if block.language == "proto" else "buy_ticket.yaml"
                    (workplace.folder / name).write_text(block.text)
            (commands,) = [b for b in whole if b.language == "sh"]
            commands.text = commands.text.partition("build/dev/bin/orchestrator --listen")[0]  # which would stay
            ((said, status),) = workplace.run([commands], {})
            self.assertEqual((status, said), (0, "buy_ticket.yaml: ok, saga buy-ticket version 1, 4 steps"))


class Keys(unittest.TestCase):
    def test_the_base_is_good(self):
        self.assertEqual(check(BASE)[0], 0, check(BASE)[1])

    def known(self, text):
        """The keys that an error about an unknown one names."""
        status, said = check(text)
        self.assertEqual(status, 1, said)
        return set(re.search(r"its keys are (.*)", said).group(1).split(", "))

    def test_each_key_has_its_row_and_each_row_its_key(self):
        file = {name for row in rows_under("The file") for name in re.findall(r"^`(\w+)`$", row[0])}
        self.assertEqual(file, self.known("nonsense: 1\n" + BASE))
        step = {name for row in rows_under("A step") for name in re.findall(r"^`(\w+)`$", row[0])}
        self.assertEqual(step, self.known(BASE.replace("    action:", "    nonsense: 1\n    action:")))
        retry = {name for row in rows_under("A step") for name in re.findall(r"^`(attempts|backoff|cap)`", row[1])}
        self.assertEqual(retry, self.known(BASE.replace("    action:", "    retry: { x: 1 }\n    action:")))
        pending = {name for row in rows_under("A step") for name in re.findall(r"^`(poll|cap|for)`", row[1])}
        self.assertEqual(pending, self.known(BASE.replace("    action:", "    pending: { x: 1 }\n    action:")))
        (answer,) = [row[1] for row in rows_under("The file") if row[0] == "`answer`"]
        self.assertEqual(set(re.findall(r"[{,] (\w+):", answer)), self.known("answer: { x: 1 }\n" + BASE))
        (on,) = [row[1] for row in rows_under("The file") if row[0] == "`on`"]
        self.assertEqual(set(re.findall(r"[{,] (\w+):", on)), self.known("on: { x: [A] }\n" + BASE))


class Bounds(unittest.TestCase):
    def assert_bound(self, what, good, bad):
        with self.subTest(what):
            status, said = check(good)
            self.assertEqual(status, 0, said)
            status, said = check(bad)
            self.assertEqual(status, 1, f"{what} beyond its bound is taken")
            self.assertIn(what, said)

    def test_numbers(self):
        def of_file(key):
            return lambda value: f"{key}: {value}\n" + BASE.replace("version: 1\n", "" if key == "version" else "version: 1\n")

        def of_step(key):
            return lambda value: BASE.replace("    action:", f"    {key}: {value}\n    action:")

        def of_retry(key):
            return lambda value: BASE.replace("    action:", f"    timeout: 1ms\n    retry: {{ {key}: {value} }}\n    action:")

        told = bounds()
        for place, keys in [(of_file, ("version", "refusals_max")), (of_retry, ("attempts",))]:
            for key in keys:
                low, high = re.match(r"([\d,]+) to ([\d,]+)$", told[key]).groups()
                low, high = int(low.replace(",", "")), int(high.replace(",", ""))
                self.assert_bound(key, place(key)(low), place(key)(low - 1))
                self.assert_bound(key, place(key)(high), place(key)(high + 1))
        for place, key in [(of_file, "deadline"), (of_step, "timeout")]:
            hours = int(re.match(r"(\d+)h$", told[key]).group(1))
            self.assert_bound(key, place(key)(f"{hours}h"), place(key)(f"{hours}h1ms"))
            self.assert_bound(key, place(key)("1ms"), place(key)("0"))
        hours = int(re.match(r"(\d+)h", told["cap"]).group(1))
        self.assertTrue(told["backoff"].startswith(f"{hours}h"))

        def of_pauses(backoff, cap):
            return BASE.replace("    action:", f"    retry: {{ attempts: 1, backoff: {backoff}, cap: {cap} }}\n    action:")

        self.assert_bound("cap", of_pauses("1h", f"{hours}h"), of_pauses("1h", f"{hours}h1ms"))
        self.assert_bound("backoff", of_pauses(f"{hours}h", f"{hours}h"), of_pauses("2h", "1h"))

    def test_waits(self):
        def of_wait(poll, cap, wait="1h"):
            return BASE.replace("    action:", f"    pending: {{ poll: {poll}, cap: {cap}, for: {wait} }}\n    action:")

        told = bounds()
        hours = int(re.match(r"(\d+)h", told["poll"]).group(1))
        self.assert_bound("cap", of_wait("1h", f"{hours}h"), of_wait("1h", f"{hours}h1ms"))
        self.assert_bound("poll", of_wait(f"{hours}h", f"{hours}h"), of_wait("2h", "1h"))
        hours = int(re.match(r"(\d+)h", told["for"]).group(1))
        self.assert_bound("600h", of_wait("1s", "1s", f"{hours - 1}h"), of_wait("1s", "1s", f"{hours}h"))
        late = "deadline: 30m\n" + of_wait("1s", "1s", "31m")
        self.assert_bound("'deadline', which is 30m", "deadline: 31m\n" + of_wait("1s", "1s", "31m"), late)

    def test_names_and_lists(self):
        told = bounds()
        characters = int(re.search(r"(\d+) characters", told["saga"]).group(1))
        name = "a" * characters
        self.assert_bound(name, BASE.replace("buy-ticket", name), BASE.replace("buy-ticket", name + "a"))
        characters = int(re.search(r"(\d+) characters", told["name"]).group(1))
        name = "a" * characters
        self.assert_bound(name, BASE.replace("hold_seat", name), BASE.replace("hold_seat", name + "a"))
        pairs = int(re.search(r"(\d+) pairs", told["metadata"]).group(1))
        characters = int(re.search(r"(\d+) characters", told["metadata"]).group(1))

        def with_metadata(names):
            lines = "".join(f"      {name}: input.show\n" for name in names)
            return BASE.replace("    action:", f"    metadata:\n{lines}    action:")

        names = [f"x{i}" for i in range(pairs + 1)]
        self.assert_bound("pairs", with_metadata(names[:pairs]), with_metadata(names))
        name = "a" * characters
        self.assert_bound(name, with_metadata([name]), with_metadata([name + "a"]))
        steps = int(re.match(r"1 to (\d+)$", told["steps"]).group(1))

        def with_steps(number):
            start = BASE.index("  - name"), BASE.index("response")
            step = BASE[start[0] : start[1]]
            more = "".join(step.replace("hold_seat", f"hold_{i}") for i in range(1, number))
            return BASE.replace("response", more + "response")

        self.assert_bound("steps", with_steps(steps), with_steps(steps + 1))


if __name__ == "__main__":
    unittest.main(verbosity=2)
