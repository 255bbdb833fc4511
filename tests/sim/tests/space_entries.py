#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every entry point of the simulated driver counts its calls, and can so be made to fail.

Usage: space_entries.py <folder of the driver's sources>

Reads each `SIM_API name(...) {` and wants `SIM_ENTER...(name` as the first statement: without it
SIMCUDA_FAULT has no hold on the function, with another name it has hold on the wrong one. Entry
points made by SIM_TWIN enter inside the macro.
"""
import pathlib
import re
import sys

ENTRY = re.compile(r"^SIM_API (cu\w+)\([^{}]*\)\s*\{\s*(SIM_ENTER\w*\((\w+))?", re.MULTILINE)


def main():
    found, wrong = 0, []
    for source in sorted(pathlib.Path(sys.argv[1]).glob("*.cpp")):
        for entry in ENTRY.finditer(source.read_text()):
            found += 1
            if entry.group(3) != entry.group(1):
                wrong.append(f"{source.name}: {entry.group(1)} does not enter under its own name")
    print("\n".join(wrong) or f"{found} entry points can be made to fail")
    return 1 if wrong or found < 200 else 0


if __name__ == "__main__":
    sys.exit(main())
