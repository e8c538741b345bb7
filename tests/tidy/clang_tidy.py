#!/usr/bin/env python3
"""clang_tidy.py CLANG_TIDY BUILD_DIR JOBS [--all]: that clang-tidy over the product's .cc files, with --all over the tests'
too, those that changed since they last passed.

"Changed" means the file, any of our headers it includes, .clang-tidy, or clang-tidy itself. A file that passes leaves an
empty stamp named by the hash of all that; a clean tree therefore takes a second.

Nearly all of clang-tidy's time goes into the headers, so the files of a folder are read together, as a unity build does: a
fifth of the time. A group that does not pass is read again file by file, and only what a file says alone counts: two files
of a folder may well use one name in their unnamed namespaces, it only costs time.
"""

import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
GROUP_SIZE = 8


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def own_dependencies(build):
    """{file: [the file and each of our headers that it includes]}, as the compiler wrote them down."""

    @functools.cache
    def own_name(written):
        # A ccache with a base_dir writes them relative to the build.
        path = pathlib.Path(os.path.normpath(build / written))
        is_own = path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / "build")
        return str(path.relative_to(ROOT)) if is_own else ""

    dependencies, file = {}, None
    for line in subprocess.check_output(["ninja", "-C", str(build), "-t", "deps"], text=True).splitlines():
        if not line.startswith(" "):
            file = None
        elif name := own_name(line.strip()):
            file = file or name
            dependencies.setdefault(file, set()).add(name)
    return dependencies


def flags_by_file(build):
    """{file: its compiler's flags}."""
    flags = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        words = shlex.split(entry["command"])[1:]
        output = words.index("-o")
        kept = words[:output] + words[output + 2 :]
        flags[os.path.relpath(entry["file"], ROOT)] = [word for word in kept if word not in ("-c", entry["file"])]
    return flags


class Linter:
    def __init__(self, program, build):
        self.program, self.build = program, build
        self.stamps, self.groups = build / "tidy-stamps", build / "tidy-groups"
        for folder in (self.stamps, self.groups):
            folder.mkdir(exist_ok=True)
        version = subprocess.check_output([program, "--version"])
        self.base = version + (ROOT / ".clang-tidy").read_bytes()

    def changed(self, all_files):
        """[(file, its stamp)], in the order of their names."""
        dependencies = own_dependencies(self.build)
        if not dependencies:
            sys.exit(f"clang_tidy.py: {self.build} knows no dependencies of our files; build it first")
        hashes, found = {}, []
        for file in sorted(dependencies):
            if not file.endswith(".cc") or not (ROOT / file).exists() or (file.startswith("tests/") and not all_files):
                continue
            for name in dependencies[file]:
                if name not in hashes:
                    hashes[name] = sha256((ROOT / name).read_bytes()) if (ROOT / name).exists() else "none"
            key = self.base + "".join(f"{name} {hashes[name]} " for name in sorted(dependencies[file])).encode()
            stamp = self.stamps / sha256(key)[:32]
            if not stamp.exists():
                found.append((file, stamp))
        return found

    def grouped(self, changed):
        """Lists of (file, stamp), and the build's description of those that are read together."""
        by_kind, flags = {}, flags_by_file(self.build)
        for file, stamp in changed:
            # Tests use each other's names, so that each is a kind of its own.
            folder = file if file.startswith("tests/") else os.path.dirname(file)
            by_kind.setdefault((folder, tuple(flags[file])), []).append((file, stamp))
        groups = [kind[i : i + GROUP_SIZE] for kind in by_kind.values() for i in range(0, len(kind), GROUP_SIZE)]
        commands = []
        for number, group in enumerate(groups):
            unity = self.groups / f"{number}.cc"
            unity.write_text("".join(f'#include "{ROOT / file}"\n' for file, _ in group))
            commands.append({"directory": str(self.build), "file": str(unity),
                             "arguments": ["c++", *flags[group[0][0]], "-c", str(unity)]})
        (self.groups / "compile_commands.json").write_text(json.dumps(commands))
        return groups

    def finds(self, commands, file):
        """What clang-tidy says against `file`; "" if nothing."""
        ran = subprocess.run([self.program, "--quiet", "-p", str(commands), str(file)], capture_output=True, text=True)
        if ran.returncode == 0:
            return ""
        return ran.stdout + ran.stderr or f"{file}: clang-tidy ended with {ran.returncode} and said nothing\n"

    def check(self, number, group):
        """True if all files of the group pass."""
        print("  " + " ".join(file for file, _ in group), file=sys.stderr, flush=True)
        if len(group) > 1 and not self.finds(self.groups, self.groups / f"{number}.cc"):
            passed = group
        else:
            passed = []
            for file, stamp in group:
                said = self.finds(self.build, ROOT / file)
                print(said, end="", flush=True)
                passed += [] if said else [(file, stamp)]
        for _, stamp in passed:
            stamp.touch()
        return len(passed) == len(group)


def main():
    if len(sys.argv) not in (4, 5) or sys.argv[4:] not in ([], ["--all"]):
        sys.exit(__doc__.splitlines()[0])
    linter = Linter(sys.argv[1], pathlib.Path(sys.argv[2]).resolve())
    groups = linter.grouped(linter.changed(bool(sys.argv[4:])))
    with concurrent.futures.ThreadPoolExecutor(int(sys.argv[3])) as pool:
        return 0 if all(list(pool.map(linter.check, range(len(groups)), groups))) else 1


if __name__ == "__main__":
    sys.exit(main())
