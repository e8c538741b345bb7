"""docs/TUTORIAL.md, played: its commands do what it shows, in each language; and its participant keeps the contract.

usage: tutorial_test.py Python|Go...; exit 77, which ctest takes for skipped, where there is no grpcurl.
"""

import sys
import tempfile
import unittest

import document

DOCUMENT = "docs/TUTORIAL.md"
LANGUAGES = {"In Python": "Python", "In Go": "Go"}
FILES = {"proto": "party.proto", "yaml": "plan_party.yaml", "python": "python/participant.py", "go": "go/main.go"}
PORTS = ("7000", "7001", "7100")
# Before the last commands, which stop the programs: the participant is held to the contract, also over a death.
CONTRACT = document.Block(
    "sh",
    """
contract() { /usr/bin/python3 -B tests/docs/contract.py 127.0.0.1:7001 $W/party.protoset $W/party.db $W/answers; }
contract && kill -9 $PARTICIPANT && { wait $PARTICIPANT; participant & PARTICIPANT=$!; } && contract
""",
    ("", ""),
    0,
)


def language_of(block):
    """The language that a block is for; None: for both."""
    return LANGUAGES.get(block.headings[-1])


class Tutorial(unittest.TestCase):
    maxDiff = None

    def test_what_it_shows_of_the_files_stands_in_them(self):
        shown = [block for block in document.blocks_of(DOCUMENT) if block.language in FILES]
        self.assertGreaterEqual(len(shown), 6)
        for block in shown:
            with self.subTest(line=block.line):
                self.assertIn(block.text, (document.PROJECT / "examples/tutorial" / FILES[block.language]).read_text())

    def play(self, language):
        """Each block of commands prints what the block after it shows, and succeeds unless that is an error."""
        blocks = [
            block
            for block in document.blocks_of(DOCUMENT)
            if block.language in ("sh", "text") and language_of(block) in (None, language)
        ]
        commands = [block for block in blocks if block.language == "sh"]
        commands.insert(-1, CONTRACT)
        shown = {
            before.line: after.text for before, after in zip(blocks, blocks[1:]) if after.language == "text"
        }
        self.assertGreaterEqual(len(shown), 6)
        with tempfile.TemporaryDirectory(prefix="unwind-tutorial-") as folder:
            workplace = document.Workplace(folder)
            ports = dict(zip(PORTS, document.free_ports(len(PORTS))))
            fail = [block for block in commands if shown.get(block.line, "").startswith("ERROR:")]
            done = workplace.run(commands, ports, may_fail=fail)
        for block, (output, status) in zip(commands, done):
            with self.subTest(line=block.line, language=language):
                expected = shown.get(block.line, "")
                if expected:
                    self.assertIn(document.without_what_changes(expected), document.without_what_changes(output))
                self.assertEqual(status != 0, block in fail, f"exit {status}: {output}")
        self.assertEqual(len(done), len(commands), done[-1:])


def add_language(language):
    setattr(Tutorial, f"test_in_{language.lower()}", lambda self: self.play(language))


if __name__ == "__main__":
    if document.grpcurl() is None:
        print("skipped: there is no grpcurl in build/tools (./run interop installs it), and UNWIND_GRPCURL names none")
        sys.exit(77)
    for language in sys.argv[1:] or LANGUAGES.values():
        add_language(language)
    unittest.main(argv=sys.argv[:1], verbosity=2)
