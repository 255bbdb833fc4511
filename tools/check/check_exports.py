#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/check/check_exports.py LIBRARY: what libspillway.so shows and what it needs.

It exports the functions that interpose/hooks.def intercepts, dlsym and dlvsym under both of glibc's
version names, InitializeInjection, and nothing else; it needs no library but libc and the loader.
One line per finding; exit 1 when there is one.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from check_hooks import rows

NEEDS = re.compile(r"(lib(c|dl|pthread|m)\.so\.\d+|ld-linux.*\.so\.\d+)")
OLD_GLIBC = {"x86_64": "GLIBC_2.2.5", "aarch64": "GLIBC_2.17"}[platform.machine()]
LOOKUPS = {f"{name}{version}" for name in ("dlsym", "dlvsym")
           for version in (f"@{OLD_GLIBC}", "@@GLIBC_2.34")}


def output(*command):
    return subprocess.run(command, text=True, capture_output=True, check=True).stdout


def exports(library):
    names = {line.split()[-1] for line in output("nm", "-D", "--defined-only", library).splitlines()
             if len(line.split()) == 3 and line.split()[1] != "A"}  # A: the version names
    return {name.removesuffix("@@SPILLWAY_1") for name in names}


def check(library, cuda):
    due = {symbol for kind, symbol, _ in rows(cuda) if kind != "PASS"}
    due |= LOOKUPS | {"InitializeInjection"}
    found = exports(library)
    for name in sorted(due - found):
        yield f"{library}: does not export {name}"
    for name in sorted(found - due):
        yield f"{library}: exports {name}, which is not in interpose/hooks.def"
    needs = re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-d", library))
    for name in needs:
        # A sanitized build brings the sanitizer's runtime along.
        if not NEEDS.fullmatch(name) and not re.match(r"lib(asan|tsan|ubsan)\.so", name):
            yield f"{library}: needs {name}; link it statically"
    if "NODELETE" not in output("readelf", "-d", library):
        yield f"{library}: is not linked with -z nodelete"
    # Our own use of an exported function must not go by what somebody else preloads.
    names = {name.split("@")[0] for name in found}
    for line in output("readelf", "-rW", library).splitlines():
        words = line.split()
        if len(words) > 4 and words[4].split("@")[0] in names:
            yield f"{library}: reaches its own {words[4]} through the linker; -Bsymbolic-functions"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library")
    parser.add_argument("--cuda", type=Path,
                        default=Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")))
    arguments = parser.parse_args()
    findings = list(check(arguments.library, arguments.cuda))
    print(*findings, sep="\n", end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
