#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""demo.py BUILD: trains one network three times and compares the bytes it learned.

With enough memory; on a GPU that is 2.5 times too small, where it must fail; and on that small GPU
under Spillway. Uses an NVIDIA GPU when there is one, else the simulated GPU in BUILD/sim. The last
line is `demo: PASS ...`, or `demo: FAIL reason` with exit status 1.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

MIB = 1 << 20
RATIO = 2.5  # how many times the footprint exceeds the small GPU
MIN_ACCURACY = 0.90
OUT_OF_MEMORY = 2  # exit status of train_digits

PROBE = """
import ctypes, sys
driver = ctypes.CDLL("libcuda.so.1")
count, name = ctypes.c_int(), ctypes.create_string_buffer(100)
if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or count.value < 1: sys.exit(1)
driver.cuDeviceGetName(name, 100, 0)
print(name.value.decode())
"""


class Failure(Exception):
    pass


def gpu_name(env):
    """The first NVIDIA GPU, asked in a process of its own; None without a working driver."""
    probe = subprocess.run([sys.executable, "-c", PROBE], env=env, capture_output=True, text=True)
    return probe.stdout.strip() if probe.returncode == 0 else None


class Machine:
    """Where the program runs: an NVIDIA GPU or the simulated one."""

    def __init__(self, build):
        self.build = build
        env = {k: v for k, v in os.environ.items() if not k.startswith(("SPILLWAY_", "SIMCUDA_"))}
        self.gpu = gpu_name(env)
        self.backend = "gpu" if self.gpu else "sim"
        cuda = env.get("CUDA_HOME", "/usr/local/cuda")
        libraries = f"{cuda}/lib64" if self.gpu else f"{build}/sim"
        if not self.gpu:
            for library in ("libcuda.so.1", "libcudart.so.13"):
                if not os.path.exists(f"{libraries}/{library}"):
                    raise Failure(f"{libraries}/{library} is not built")
        others = env.get("LD_LIBRARY_PATH")
        env["LD_LIBRARY_PATH"] = f"{libraries}:{others}" if others else libraries
        self.env = env

    def memory(self, size):
        """Environment in which the device has `size` bytes; only the simulated one has a choice."""
        return {} if self.gpu or size is None else {"SIMCUDA_MEMORY": str(size)}

    def budget(self, size):
        """Flags of `spillway run`: a real GPU is larger than the budget, the simulated one is not."""
        return ["--device-limit", f"{size // MIB}MiB"] if self.gpu else []


class Run:
    """One run of a program, finished."""

    def __init__(self, command, env, timeout):
        start = time.monotonic()
        try:
            done = subprocess.run(command, env=env, timeout=timeout, text=True, errors="replace",
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except subprocess.TimeoutExpired:
            raise Failure(f"{os.path.basename(command[0])} took longer than {timeout} s")
        self.seconds = time.monotonic() - start
        self.status, self.output, self.errors = done.returncode, done.stdout, done.stderr

    def must_succeed(self, what):
        if self.status != 0:
            sys.stderr.write(self.output + self.errors)
            raise Failure(f"{what}: exit status {self.status}")

    def field(self, pattern):
        found = re.search(pattern, self.output)
        if not found:
            raise Failure(f"the program did not print {pattern!r}")
        return found.group(1)

    def last_error(self):
        lines = self.errors.strip().splitlines()
        return lines[-1] if lines else "(no message)"


def say(text=""):
    print(text, flush=True)


def demo(build, program_arguments, timeout):
    machine = Machine(build)
    trainer = f"{build}/programs/train_digits"
    spillway = f"{build}/spillway"
    for path in (trainer, spillway):
        if not os.path.exists(path):
            raise Failure(f"{path} is not built")
    say("A training program that knows nothing of Spillway: a network of 3.2 million weights learns")
    say("1,797 handwritten digits (UCI) with Adam. "
        + (f"GPU: {machine.gpu}." if machine.gpu else "GPU: simulated (no NVIDIA GPU here)."))

    with tempfile.TemporaryDirectory(prefix="spillway-demo-") as folder:
        def train(tag, memory, through=(), extra=None):
            env = machine.env | machine.memory(memory) | (extra or {})
            command = [*through, trainer, "--out", f"{folder}/{tag}", *program_arguments]
            return Run(command, env, timeout)

        say("\n(a) enough memory")
        full = train("full", None)
        full.must_succeed("training with enough memory")
        footprint = float(full.field(r"footprint ([\d.]+) MiB"))
        tensors = full.field(r"MiB in (\d+) tensors")
        accuracy = float(full.field(r"accuracy ([\d.]+)"))
        budget = int(footprint / RATIO)
        say(f"    {tensors} tensors, {footprint:.1f} MiB; {accuracy:.1%} of the held-out digits right"
            f"  [{full.seconds:.1f} s]")

        say(f"(b) {budget} MiB, without Spillway")
        if machine.gpu:
            say("    not applicable: this GPU cannot be made smaller for a program that runs alone")
        else:
            small = train("small", budget * MIB)
            if small.status != OUT_OF_MEMORY:
                raise Failure(f"without Spillway: exit status {small.status}, not out of memory: "
                              + small.last_error())
            say(f"    {small.last_error()}")

        flags = machine.budget(budget * MIB)
        say(f"(c) {budget} MiB, with Spillway: {' '.join(['spillway run', *flags])} -- train_digits")
        summary_file = f"{folder}/summary.json"
        served = train("served", budget * MIB,
                       [spillway, "run", *flags, "--"],
                       {"SPILLWAY_SUMMARY": summary_file})
        served.must_succeed("training under Spillway")
        try:
            summary = json.loads(pathlib.Path(summary_file).read_text())
        except (OSError, ValueError) as problem:
            raise Failure(f"no summary of the run: {problem}")
        moved_out = summary["moved_out_bytes"] / MIB
        moved_in = summary["moved_in_bytes"] / MIB
        limit = summary["device_limit"]
        say(f"    {float(served.field(r'accuracy ([0-9.]+)')):.1%} right;"
            f" {moved_out:.0f} MiB moved out and {moved_in:.0f} MiB back in  [{served.seconds:.1f} s]")

        learned = [pathlib.Path(f"{folder}/{tag}").read_bytes() for tag in ("full", "served")]
        sums = [run.field(r"checksum (\w+)") for run in (full, served)]
        same = learned[0] == learned[1] and sums[0] == sums[1]
        say(f"    weights: {len(learned[0])} bytes {'identical' if same else 'DIFFERENT'};"
            f" checksum of all tensors {sums[0]} and {sums[1]}")
        if not same:
            raise Failure("the bytes differ")

    if limit > budget * MIB:
        raise Failure(f"the budget in force was {limit / MIB:.0f} MiB, not {budget}")
    if moved_out <= 0 or moved_in <= 0:
        raise Failure("nothing moved")
    if accuracy < MIN_ACCURACY:
        raise Failure(f"accuracy {accuracy:.2f} is below {MIN_ACCURACY:.2f}")
    say(f"\ndemo: PASS footprint={footprint:.0f} budget={budget} ratio={footprint / budget:.2f} "
        f"identical=yes accuracy={accuracy:.2f} moved_out={moved_out:.0f} moved_in={moved_in:.0f} "
        f"backend={machine.backend}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=os.path.abspath)
    parser.add_argument("--timeout", type=float, default=300, help="seconds that one run may take")
    options, program_arguments = parser.parse_known_args()
    try:
        demo(options.build, program_arguments, options.timeout)
    except Failure as reason:
        say(f"demo: FAIL {reason}")
        sys.exit(1)


if __name__ == "__main__":
    main()
