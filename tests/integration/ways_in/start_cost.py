#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/integration/ways_in/start_cost.py LIBRARY [--starts N]: what preloading costs programs that
do not use CUDA. Starts each N times with and without, in turn; prints medians of elapsed time, the
10th percentile (what it takes when nobody else wants the processor) and processor time, and last
`start: median_added_us=<largest> ratio=<with/without of that program> limit_us=1000`. A measurement,
not a test: it does not fail."""

import argparse
import os
import time

COMMANDS = {
    "true": ["/bin/true"],
    "bash": ["/bin/bash", "-c", ":"],
    "python3": ["/usr/bin/python3", "-S", "-c", "pass"],
    "git": ["/usr/bin/git", "--version"],
    "gcc": ["/usr/bin/gcc", "--version"],
}


# What is compared: a name, and which of the sorted samples.
FIGURES = (("median", 0.5), ("p10", 0.1))


def start(command, environment, null):
    """Elapsed and processor microseconds of one start."""
    begin = time.perf_counter_ns()
    child = os.posix_spawn(command[0], command, environment,
                           file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
    _, status, used = os.wait4(child, 0)
    elapsed = (time.perf_counter_ns() - begin) / 1000
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return elapsed, (used.ru_utime + used.ru_stime) * 1e6


def at(values, share):
    return sorted(values)[int((len(values) - 1) * share)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library")
    parser.add_argument("--starts", type=int, default=100)
    arguments = parser.parse_args()
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    preloaded = plain | {"LD_PRELOAD": os.path.abspath(arguments.library)}
    null = os.open(os.devnull, os.O_WRONLY)
    worst = (0.0, 1.0)
    for name, command in COMMANDS.items():
        if not os.path.exists(command[0]):
            continue
        without, with_it = [], []
        for _ in range(arguments.starts):
            without.append(start(command, plain, null))
            with_it.append(start(command, preloaded, null))
        line = f"{name:8}"
        for figure, share in FIGURES:
            a, b = (at([one[0] for one in runs], share) for runs in (without, with_it))
            line += f" {figure}={a:.0f}->{b:.0f}us (+{b - a:.0f})"
            if figure == "median":
                worst = max(worst, (b - a, b / a))
        a, b = (at([one[1] for one in runs], 0.5) for runs in (without, with_it))
        print(f"{line} cpu={a:.0f}->{b:.0f}us (+{b - a:.0f})")
    print(f"start: median_added_us={worst[0]:.0f} ratio={worst[1]:.2f} limit_us=1000")


if __name__ == "__main__":
    main()
