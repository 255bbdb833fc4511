#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/check/check_hooks.py [--cuda DIR]: interpose/hooks.def against the CUDA headers and driver.

Every function that the toolkit's driver library exports, and every one that cuda.h declares, has
exactly one row; no row names a function that exists in neither; every row says why. One line per
finding; exit 1 when there is one.
"""

import argparse
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^@(\w+) (\w+) (.*)$", re.M)


def preprocess(source, cuda, *options):
    compiler = os.environ.get("CC", "cc")
    return subprocess.run(
        [compiler, "-E", "-P", "-x", "c", f"-I{ROOT}", f"-I{cuda}/include", *options, "-"],
        input=source, text=True, capture_output=True, check=True).stdout


def rows(cuda):
    """[(kind, symbol, why)] of the table, as these headers see it."""
    version = re.search(r"#define CUDA_VERSION (\d+)", (cuda / "include/cuda.h").read_text())[1]
    kinds = ("HOOK", "PASS", "PIN", "REFUSE")
    source = f"#define CUDA_VERSION {version}\n"
    for kind in kinds:
        source += f"#define {kind}(symbol, ...) @{kind} symbol __VA_ARGS__\n"
    text = preprocess(source + '#include "interpose/hooks.def"\n', cuda)
    # One row a line, however the preprocessor broke them.
    text = re.sub(r"\s+", " ", text).replace("@", "\n@")
    return [(kind, symbol, why.strip()) for kind, symbol, why in ROW.findall(text)]


def declared(cuda):
    """Every ABI variant that the headers declare."""
    text = preprocess("#include <cuda.h>\n#include <cudaProfiler.h>\n", cuda,
                      "-D__CUDA_API_VERSION_INTERNAL")
    return set(re.findall(r"\b(cu[A-Z]\w*)\s*\(", text))


def exported(library):
    text = subprocess.run(["nm", "-D", "--defined-only", library], text=True, capture_output=True,
                          check=True).stdout
    return {line.split()[-1].split("@")[0] for line in text.splitlines()
            if re.search(r" [TWi] cu[A-Z]", line)}


def check(cuda):
    table = rows(cuda)
    if not table:
        yield "interpose/hooks.def: no rows"
        return
    counts = Counter(symbol for _, symbol, _ in table)
    for symbol, count in sorted(counts.items()):
        if count > 1:
            yield f"interpose/hooks.def: {symbol} has {count} rows; keep one"
    for kind, symbol, why in table:
        text = re.search(r'"(.*)"$', why)
        if text is None or len(text[1]) < 8:
            yield f"interpose/hooks.def: {kind}({symbol}) does not say why"
        if kind == "REFUSE" and not why.startswith("CUDA_ERROR_"):
            yield f"interpose/hooks.def: REFUSE({symbol}) does not say with which CUDA_ERROR_"
    headers = declared(cuda)
    stubs = [path for name in ("lib64/stubs/libcuda.so", "lib/stubs/libcuda.so")
             if (path := cuda / name).exists()]
    library = exported(stubs[0]) if stubs else set()
    for symbol in sorted((headers | library) - set(counts)):
        where = "cuda.h" if symbol in headers else stubs[0]
        yield (f"interpose/hooks.def: {symbol} of {where} has no row; decide: HOOK, PASS, PIN or "
               "REFUSE")
    for symbol in sorted(set(counts) - headers - library):
        yield f"interpose/hooks.def: {symbol} exists neither in cuda.h nor in the driver library"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cuda", type=Path,
                        default=Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")))
    findings = list(check(parser.parse_args().cuda))
    print(*findings, sep="\n", end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
