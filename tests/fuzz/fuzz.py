#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/fuzz/fuzz.py BUILD --seconds N: runs every fuzzer of a `fuzzer` build for its share of the time.

The last line is `fuzz: PASS targets=.. runs=.. crashes=0 seconds=..`, or FAIL with the inputs that
were too much. What was found to be new stays in BUILD/fuzz/found, and is begun with next time.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Which part of the corpus each begins with, and how many bytes its inputs have at most.
TARGETS = {"trace_reader": ("trace", 16384), "trace_verbs": ("trace", 8192),
           "config": ("config", 1024)}
# One input: seconds until it counts as a hang, MiB until it counts as greedy.
LIMITS = ["-timeout=10", "-rss_limit_mb=2048", "-malloc_limit_mb=1024"]
GRACE = 120  # seconds beyond its time after which a fuzzer itself has hung


def run(build, target, seconds):
    """One fuzzer: how many inputs it tried, and the input that ended it, or None."""
    folder = build / "fuzz"
    corpus, longest = TARGETS[target]
    found, crashes = folder / "found" / target, folder / "crashes"
    for path in (found, crashes):
        path.mkdir(parents=True, exist_ok=True)
    log = folder / f"{target}.log"
    command = [
        folder / f"fuzz_{target}", f"-max_total_time={seconds}", "-print_final_stats=1",
        f"-max_len={longest}", *LIMITS,
        # What the verbs print is not read, and leaks are none of a command's that ends.
        "-close_fd_mask=3", "-detect_leaks=0", f"-artifact_prefix={crashes}/{target}-",
        found, HERE / "corpus" / corpus,
    ]
    environment = dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1")
    with open(log, "w") as out:
        try:
            status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                    env=environment, timeout=seconds + GRACE).returncode
        except subprocess.TimeoutExpired:
            return 0, f"{log}: the fuzzer itself hung"
    text = log.read_text(errors="replace")
    runs = re.search(r"^stat::number_of_executed_units:\s*(\d+)", text, re.M)
    count = int(runs[1]) if runs else 0
    print(f"fuzz: {target}: {count} runs in {seconds} s", flush=True)
    if status == 0:
        return count, None
    print("\n".join(text.splitlines()[-60:]))
    written = re.search(r"Test unit written to (\S+)", text)
    return count, written[1] if written else f"{log}: status {status}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("build", type=Path)
    arguments.add_argument("--seconds", type=int, default=60)
    options = arguments.parse_args()
    share = max(1, options.seconds // len(TARGETS))
    begin, runs, crashes = time.monotonic(), 0, {}
    for target in TARGETS:
        count, crash = run(options.build.resolve(), target, share)
        runs += count
        if crash:
            crashes[target] = crash
    for target, crash in crashes.items():
        print(f"fuzz: {target} fails with {crash}: run {options.build}/fuzz/fuzz_{target} {crash}; "
              f"mended, it belongs into tests/fuzz/corpus/{TARGETS[target][0]}/")
    verdict = "FAIL" if crashes or not runs else "PASS"
    print(f"fuzz: {verdict} targets={len(TARGETS)} runs={runs} crashes={len(crashes)} "
          f"seconds={time.monotonic() - begin:.0f}")
    return verdict == "FAIL"


if __name__ == "__main__":
    sys.exit(main())
