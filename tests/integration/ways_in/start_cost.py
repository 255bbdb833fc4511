#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/integration/ways_in/start_cost.py LIBRARY [--starts N]: what preloading costs programs that
do not use CUDA. Starts each N times with and without, interleaved; prints the medians and, last,
`start: median_added_us=<largest> limit_us=1000`. A measurement, not a test: it does not fail."""

import argparse
import os
import statistics
import subprocess
import time

COMMANDS = {
    "true": ["/bin/true"],
    "bash": ["/bin/bash", "-c", ":"],
    "python3": ["/usr/bin/python3", "-S", "-c", "pass"],
    "git": ["/usr/bin/git", "--version"],
    "gcc": ["/usr/bin/gcc", "--version"],
}


def start(command, environment):
    begin = time.perf_counter_ns()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter_ns() - begin) / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library")
    parser.add_argument("--starts", type=int, default=100)
    arguments = parser.parse_args()
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    preloaded = plain | {"LD_PRELOAD": os.path.abspath(arguments.library)}
    worst = 0.0
    for name, command in COMMANDS.items():
        if not os.path.exists(command[0]):
            continue
        times = {"without": [], "with": []}
        for _ in range(arguments.starts):
            times["without"].append(start(command, plain))
            times["with"].append(start(command, preloaded))
        without, with_us = (statistics.median(times[key]) for key in ("without", "with"))
        worst = max(worst, with_us - without)
        print(f"{name:8} without={without:.0f}us with={with_us:.0f}us added={with_us - without:.0f}us")
    print(f"start: median_added_us={worst:.0f} limit_us=1000")


if __name__ == "__main__":
    main()
