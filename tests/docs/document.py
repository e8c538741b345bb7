"""What stands in a document: its blocks of code, and how its commands are run."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys

PROJECT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("UNWIND_BIN_DIR", PROJECT / "build/dev/bin"))
TOOLS = pathlib.Path(os.environ.get("UNWIND_TOOLS", PROJECT / "build/tools"))
SCRIPT_PATIENCE_S = 300

sys.path.insert(0, str(PROJECT / "tests/e2e/gateway"))
from poll import eventually  # noqa: E402, F401


def grpcurl():
    """The program: of the environment, else the one that ./run has installed. None: there is none."""
    given = os.environ.get("UNWIND_GRPCURL")
    installed = TOOLS / "grpcurl"
    return given or (str(installed) if installed.exists() else None)


def with_pip(text):
    """The commands of a block for Python as the documents say that they are with pip's grpcio-tools, where
    UNWIND_PIP_PYTHON names a Python that has it."""
    python = os.environ.get("UNWIND_PIP_PYTHON")
    plugin = "--plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin"
    if not python or plugin not in text:
        return text
    text = text.replace(plugin, "").replace("\nprotoc ", f"\n{python} -m grpc_tools.protoc ")
    return text.replace("/usr/bin/python3", python)


class Block:
    """A fenced block: its language, its text, and the headings that it stands under, the outermost first."""

    def __init__(self, language, text, headings, line):
        self.language, self.text, self.headings, self.line = language, text, headings, line


def blocks_of(path):
    """The blocks of PROJECT/path, in order."""
    blocks, headings, opened = [], [], None
    for number, line in enumerate((PROJECT / path).read_text().splitlines(), 1):
        if opened is None and line.startswith("```"):
            opened = Block(line[3:], "", tuple(headings), number)
        elif opened is not None and line == "```":
            blocks.append(opened)
            opened = None
        elif opened is not None:
            opened.text += line + "\n"
        elif match := re.match(r"(#+) (.*)", line):
            headings[len(match[1]) - 1 :] = [match[2]]
    assert opened is None, f"{path}:{opened.line}: a block that does not end"
    return blocks


def without_what_changes(text):
    """`text` without ids, dates, durations, a machine's name, and the width of columns."""
    for what, name in [
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d", "DATE"),
        (r"\b\d+(\.\d+)?m?s\b", "DURATION"),
        (r"(?m)^owner .*", "owner"),
        (r"[ \t]+", " "),
        (r"(?m) $", ""),
    ]:
        text = re.sub(what, name, text)
    return text.strip()


def free_ports(number):
    """Ports that are free, below those that the system gives to clients."""
    ports, port = [], 20000 + os.getpid() % 10000
    while len(ports) < number:
        port += 1
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                ports.append(str(port))
            except OSError:
                pass
    return ports


class Workplace:
    """A folder that looks like the project's root to a command: what a document's commands make there goes with it."""

    def __init__(self, folder):
        assert (BIN / "orchestrator").exists(), f"no programs in {BIN}: UNWIND_BIN_DIR names their folder"
        self.folder = pathlib.Path(folder)
        for name in ("protos", "orchestrator", "tests"):
            (self.folder / name).symlink_to(PROJECT / name)
        shutil.copytree(PROJECT / "examples", self.folder / "examples")
        (self.folder / "build").mkdir()
        (self.folder / "build/dev").symlink_to(BIN.parent)
        (self.folder / "build/tools").symlink_to(TOOLS)

    def run(self, blocks, ports, environment=None, may_fail=()):
        """Runs the shell blocks in one bash, with the document's ports exchanged, to the first that fails and is not one
        of may_fail. The output and exit status of each that was run."""
        script = f'grpcurl() {{ command {grpcurl()} "$@"; }}\n'
        script += 'end() { kill -9 $(jobs -p) 2>/dev/null; exit; }\n'  # what is left running holds the output open
        for block in blocks:
            script += f"{with_pip(block.text)}\nstatus=$?; echo; echo @@ $status\n"
            script += "" if block in may_fail else "[ $status = 0 ] || end\n"
        script += "end\n"
        for stated, free in ports.items():
            script = re.sub(rf"\b{stated}\b", free, script)
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=self.folder,
            env={**os.environ, "TMPDIR": str(self.folder), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=SCRIPT_PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(f"not over within {SCRIPT_PATIENCE_S} s: {process.communicate()[0]}") from None
        parts = re.split(r"\n@@ (\d+)\n", output)
        return [(parts[i].strip("\n"), int(parts[i + 1])) for i in range(0, len(parts) - 1, 2)]
