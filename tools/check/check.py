#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/check/check.py BUILD [--write-docs]: what must hold of the tree beside its tests.

Each check yields one line per finding: where, what, and what to do about it.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = {".cpp", ".h", ".c", ".cu", ".S"}
SCRIPTS = {".py", ".sh"}
MOST_LINES = 500

# Who may include whom. A full path is one file, a name a whole folder.
ARROWS = {
    "policy": {"policy"},
    "runtime": {"runtime", "policy"},
    "interpose": {"interpose", "runtime"},
    "mpi_shim": {"mpi_shim", "runtime"},
    # hooks.h is the table as data: no hook comes with it.
    "tools": {"tools", "runtime", "policy", "interpose/hooks.h"},
}


def run(*command, **options):
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, **options)


def tracked():
    listed = run("git", "ls-files", "-z", check=True).stdout.split("\0")
    return [Path(name) for name in listed if name and (ROOT / name).is_file()]


def lines_of(path):
    return (ROOT / path).read_text(errors="replace").splitlines()


def is_source(path):
    if path.suffix in CODE | SCRIPTS or path.name == "Makefile":
        return True
    return not path.suffix and lines_of(path)[:1] and lines_of(path)[0].startswith("#!")


def layers(build):
    for path in tracked():
        allowed = ARROWS.get(path.parts[0])
        if allowed is None or path.suffix not in CODE | {".def"}:
            continue
        for number, line in enumerate(lines_of(path), 1):
            match = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line)
            if not match:
                continue
            included = match[1]
            where = f"{path}:{number}: includes {included}"
            folder = included.split("/")[0]
            if included.startswith("."):
                yield f"{where}: write the path from the top of the tree"
            elif path.parts[0] == "policy" and re.search(r"\bcu(da|rand|blas)?\w*\.h", included):
                yield f"{where}: policy/ knows no CUDA; hand it plain numbers"
            elif folder in {*ARROWS, "tests"} and "/" in included:
                if folder not in allowed and included not in allowed:
                    yield f"{where}: the arrows are interpose -> runtime -> policy <- tools"


def formatting(build):
    sources = [str(p) for p in tracked() if p.suffix in CODE - {".S"}]
    report = run("clang-format", "--dry-run", "-Werror", *sources).stderr
    for name in sorted({line.split(":")[0] for line in report.splitlines() if ": error:" in line}):
        yield f"{name}: not as .clang-format says: run `make format`"


def licences(build):
    for path in tracked():
        if is_source(path) and not any("SPDX-License-Identifier:" in l for l in lines_of(path)[:3]):
            yield f"{path}: add a line `SPDX-License-Identifier: Apache-2.0` at the top"


def sizes(build):
    for path in tracked():
        if not (is_source(path) or path.suffix in {".def", ".cmake"}):
            continue
        count = len(lines_of(path))
        if count > MOST_LINES:
            yield f"{path}: {count} lines, {MOST_LINES} at most: split it by concern"


def paths(build):
    # Written apart, or this file would find itself.
    machine = re.compile("/" + "work/|/" + r"root/|/" + r"home/\w")
    for path in tracked():
        if path.suffix in {".gz", ".png", ".zst", ".bin"}:
            continue
        for number, line in enumerate(lines_of(path), 1):
            if machine.search(line):
                yield f"{path}:{number}: a path of one machine: make it relative or an option"


def sources(build):
    """A source that no target builds is dead, whatever it looks like."""
    commands = json.loads((build / "compile_commands.json").read_text())
    built = {Path(command["file"]) for command in commands}
    for path in tracked():
        if path.suffix not in CODE - {".h"} or ROOT / path in built:
            continue
        folders = [folder for folder in (ROOT / path).parents if folder >= ROOT]
        lists = [folder / "CMakeLists.txt" for folder in folders]
        lists += [part for folder in folders for part in sorted(folder.glob("*.cmake"))]
        named = any(list.is_file() and re.search(rf"\b{re.escape(path.stem)}\b", list.read_text())
                    for list in lists)
        if not named:
            yield f"{path}: no target builds it: add it to a CMakeLists.txt or delete it"


def option_table(build):
    clean = {"PATH": os.environ["PATH"]}
    out = run(build / "spillway", "config", "--json", env=clean, check=True).stdout
    rows = []
    for option in json.loads(out):
        default = f"`{option['default']}`" if option["default"] else "empty"
        choices = option["syntax"] if option["syntax"].startswith("one of ") else ""
        meaning = option["meaning"] + (f" {choices.capitalize()}." if choices else "")
        rows.append(f"| `{option['variable']}` | {default} | {meaning} |")
    return "\n".join(["| variable | default | meaning |", "| --- | --- | --- |", *rows])


def readme_with_table(build):
    text = (ROOT / "README.md").read_text()
    marked = re.compile(r"(<!-- options: made by `make docs` -->\n).*?(<!-- end of options -->)", re.S)
    if not marked.search(text):
        return text, None
    return text, marked.sub(lambda m: m[1] + option_table(build) + "\n" + m[2], text)


def docs(build):
    text, fresh = readme_with_table(build)
    if fresh is None:
        yield "README.md: the two marker lines around the table of options are gone"
    elif text != fresh:
        yield "README.md: the table of options is not that of runtime/config.def: run `make docs`"


def script(path, *arguments):
    """A check that is a program of its own: its output is the findings when it fails."""

    def check(build):
        result = run(sys.executable, path, *[a.format(build=build) for a in arguments])
        if result.returncode != 0:
            yield from (result.stdout + result.stderr).splitlines()

    return check


CHECKS = {
    "layers": layers,
    "format": formatting,
    "licences": licences,
    "sizes": sizes,
    "paths": paths,
    "sources": sources,
    "docs": docs,
    "hooks": script("tools/check/check_hooks.py"),
    "exports": script("tools/check/check_exports.py", "{build}/libspillway.so"),
}


def main():
    build = Path(sys.argv[1]).resolve()
    if "--write-docs" in sys.argv[2:]:
        (ROOT / "README.md").write_text(readme_with_table(build)[1])
        return 0
    failed = []
    for name, check in CHECKS.items():
        findings = list(check(build))
        print(f"check {name}: {'ok' if not findings else f'{len(findings)} to fix'}", flush=True)
        for finding in findings:
            print(f"  {finding}")
        failed += [name] * bool(findings)
    print("check: PASS" if not failed else f"check: FAIL ({', '.join(failed)})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
