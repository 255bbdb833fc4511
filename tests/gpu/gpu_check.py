#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Everything that only a real GPU can tell, in one bounded run.

Runs the probes, the demo, the random programs (one to four streams) and the benchmarks of launches
and of the mover on this machine's GPU, each step in a process of its own under its own time limit,
and writes results/gpu-<name>-<date>.json and .md after every step, so that nothing measured is
lost. Needs the binaries of a build directory, Python and a driver; nothing else. Without a GPU it
says so and succeeds.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time

import gpu_report

SOURCE = pathlib.Path(__file__).resolve().parents[2]
STAGES = ("probes", "demo", "random", "bench", "mover")
SCHEMA = 1
# A step that has less than this left of the whole time is not begun.
SHORTEST_STEP_S = 3
# A killed process may hang in the driver for a while; then it is left behind.
PATIENCE_AFTER_KILL_S = 10
GOOD = ("ok", "unsupported")

# What each stage needs in the build directory: target and file.
BINARIES = {
    "probes": {"gpu_probe": "tests/gpu_probe",
               "gpu_launch_observer": "tests/libgpu_launch_observer.so"},
    "demo": {"spillway_preload": "libspillway.so", "spillway_cli": "spillway",
             "train_digits": "programs/train_digits"},
    "random": {"random_runner": "tests/random_runner", "random_program": "programs/random_program",
               "spillway_preload": "libspillway.so"},
    "bench": {"bench_launch": "tests/bench_launch", "launch_loop": "programs/launch_loop",
              "spillway_preload": "libspillway.so"},
    "mover": {"bench_mover": "tests/bench_mover", "mover_job": "programs/mover_job",
              "spillway_preload": "libspillway.so"},
}

# Run in a process of its own: a broken driver may hang or crash.
FIND_DEVICE = """
import ctypes, sys
try:
    cuda = ctypes.CDLL("libcuda.so.1")
except OSError as error:
    sys.exit(str(error))
count = ctypes.c_int()
result = cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count))
sys.exit(f"the driver answers {result}" if result else None if count.value else "no device")
"""


class Outcome:
    """How a process ended, with all it wrote, also when it had to be killed."""

    def __init__(self, command, env, seconds, cwd=None):
        begin = time.monotonic()
        self.timed_out = False
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                [str(word) for word in command], env=env, cwd=cwd, stdin=subprocess.DEVNULL,
                stdout=out, stderr=err, start_new_session=True)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.timed_out = True
                os.killpg(process.pid, signal.SIGKILL)
                try:
                    process.wait(PATIENCE_AFTER_KILL_S)
                except subprocess.TimeoutExpired:
                    pass
            self.code = process.returncode
            self.seconds = round(time.monotonic() - begin, 2)
            self.out, self.err = (self._text(file) for file in (out, err))

    @staticmethod
    def _text(file):
        file.seek(0)
        return file.read().decode(errors="replace")

    def trouble(self):
        if self.timed_out:
            return f"no end within {self.seconds:.0f} s"
        if self.code is not None and self.code < 0:
            return f"died of {signal.Signals(-self.code).name}"
        return f"exit status {self.code}" if self.code else ""


def run_probe(context, step, seconds):
    """One probe: its lines, whatever happened to it afterwards."""
    small = ["--small"] if context.dry_run else []
    outcome = Outcome([context.tests / "gpu_probe", "--only", step["id"], *small], context.env,
                      seconds)
    result = {"status": "failed", "answer": "", "meaning": "", "samples": [], "facts": []}
    ended = False
    for line in outcome.out.splitlines():
        try:
            row = json.loads(line)
            kind = row.pop("kind")
        except (ValueError, KeyError, AttributeError):
            continue  # half a line of a process that died, or somebody else's words
        if kind == "sample":
            result["samples"].append(row)
        elif kind == "fact":
            result["facts"].append(row)
        elif kind == "end":
            ended = True
            result.update({key: row[key] for key in ("status", "answer", "meaning")})
    if not ended or outcome.timed_out:
        result["status"] = "timeout" if outcome.timed_out else "crashed"
        result["answer"] = f"no answer: {outcome.trouble()}"
    return result, outcome


def run_other(command, last_line):
    """A step whose last line says how it went: `last_line` matches when it went well."""

    def run(context, _step, seconds):
        outcome = Outcome(command(context), context.env, seconds, cwd=SOURCE)
        lines = [line for line in outcome.out.splitlines() if line.strip()]
        last = lines[-1] if lines else ""
        good = outcome.code == 0 and re.match(last_line, last)
        trouble = outcome.trouble()
        if outcome.timed_out:
            status = "timeout"
        elif not good:
            status = "failed"
        else:
            status = "ok"
        answer = last if not trouble else f"{last} ({trouble})" if last else trouble
        return {"status": status, "answer": answer, "meaning": "", "lines": lines[-40:]}, outcome

    return run


def demo_command(context):
    found = next(iter(sorted((SOURCE / "tests/programs").glob("demo.*"))), None)
    interpreter = {".py": sys.executable, ".sh": "bash"}.get(found.suffix if found else "")
    return [interpreter, found, context.build] if interpreter else None


def random_command(context):
    runner = context.tests / "random_runner"
    # Most of a small program's time on a real GPU is the driver's start: several at once.
    jobs = max(2, min(8, (os.cpu_count() or 2) // 2))
    return [runner, "--seeds", context.random_seeds, "--jobs", jobs,
            "--gpu", "installed"] if runner.exists() else None


def bench_command(context):
    bench = context.tests / "bench_launch"
    return [bench, "--driver", "installed", "--rounds", 9] if bench.exists() else None


def mover_command(context):
    bench = context.tests / "bench_mover"
    return [bench, "--real", "--tensors", 64, "--mib", 128] if bench.exists() else None


# Stage -> its one step: seconds, what gives the command (None: not built), what a good end looks like.
OTHERS = {
    "demo": (120, demo_command, r"demo: PASS .*backend=gpu"),
    "random": (90, random_command, r"random: PASS "),
    "bench": (60, bench_command, r"launch: base="),
    "mover": (90, mover_command, r"mover: real duplex="),
}


class Context:
    def __init__(self, options):
        self.build = options.build.resolve()
        self.tests = self.build / "tests"
        self.dry_run = options.dry_run
        self.random_seeds = options.random_seeds
        self.env = environment(self.build, options.dry_run)


def environment(build, dry_run):
    """Ours minus what would change the answer: preloads, simulator and Spillway settings."""
    env = {key: value for key, value in os.environ.items()
           if key != "LD_PRELOAD" and not key.startswith(("SIMCUDA_", "SPILLWAY_", "CUDA_LAUNCH"))}
    sim = build / "sim"
    paths = [path for path in env.get("LD_LIBRARY_PATH", "").split(":")
             if path and pathlib.Path(path).resolve() != sim]
    toolkit = pathlib.Path(env.get("CUDA_HOME", "/usr/local/cuda")) / "lib64"
    env["LD_LIBRARY_PATH"] = ":".join([str(sim)] * dry_run + paths + [str(toolkit)])
    return env


def find_device(env):
    """Empty: there is a device. Else why not."""
    outcome = Outcome([sys.executable, "-c", FIND_DEVICE], env, 60)
    return (outcome.err.strip() or outcome.trouble()) if outcome.code or outcome.timed_out else ""


def build_binaries(build, stages, always):
    """Builds what is missing for these stages; a machine that cannot goes on with what there is."""
    targets = [target for stage in stages for target, path in BINARIES[stage].items()
               if always or not (build / path).exists()]
    if not targets:
        return
    commands = [["cmake", "--build", build, "--target", *targets]]
    if not (build / "CMakeCache.txt").exists():
        commands.insert(0, ["cmake", "-S", SOURCE, "-B", build, "-G", "Ninja"])
    for command in commands:
        try:
            subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"gpu-check: cannot build {', '.join(targets)}: {error}", file=sys.stderr)
            return


def first_line(command, env):
    try:
        outcome = Outcome(command, env, 20)
    except OSError:
        return ""
    lines = outcome.out.strip().splitlines()
    return lines[-1].strip() if lines and not outcome.trouble() else ""


def describe_machine(context):
    try:
        outcome = Outcome([context.tests / "gpu_probe", "--machine"], context.env, 60)
    except OSError as error:
        raise SystemExit(f"gpu-check: {error}") from error
    if outcome.trouble():
        raise SystemExit(f"gpu-check: gpu_probe --machine: {outcome.trouble()}: {outcome.err.strip()}")
    machine = json.loads(outcome.out)
    machine["toolkit"] = first_line(
        [pathlib.Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "bin/nvcc", "--version"],
        context.env)
    if not context.dry_run:  # a query only: no mode or clock is touched
        machine["nvidia_smi"] = first_line(
            ["nvidia-smi", "--query-gpu=driver_version,pcie.link.gen.current,pcie.link.width.current,"
             "clocks.sm,clocks.mem,power.limit,mig.mode.current", "--format=csv,noheader", "-i",
             machine["pci"]],
            context.env)
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo")
                if line.startswith(("model name", "CPU implementer"))), "unknown")
    memory = next((int(line.split()[1]) for line in open("/proc/meminfo")
                   if line.startswith("MemTotal")), 0)
    machine.update(cpu=cpu, cpus=os.cpu_count(), host_memory=memory * 1024,
                   kernel=platform.release(), architecture=platform.machine())
    commit = first_line(["git", "-C", SOURCE, "rev-parse", "--short", "HEAD"], context.env)
    machine["commit"] = commit or "unknown"
    return machine


def plan(context, stages, only):
    steps = []
    if "probes" in stages:
        listing = Outcome([context.tests / "gpu_probe", "--list"], context.env, 20)
        probes = [json.loads(line) for line in listing.out.splitlines()]
        unknown = set(only) - {probe["id"] for probe in probes}
        if unknown:
            raise SystemExit(f"gpu-check: no probe {', '.join(sorted(unknown))}; the probes are "
                             + ", ".join(probe["id"] for probe in probes))
        # What may end with a dead context comes last of its stage; sort is stable.
        probes.sort(key=lambda probe: probe["may_kill_context"])
        steps += [dict(probe, stage="probes") for probe in probes if not only or probe["id"] in only]
    for stage, (seconds, command, _) in OTHERS.items():
        if stage in stages:
            steps.append({"id": stage, "stage": stage, "seconds": seconds, "title": stage,
                          "command": command(context)})
    # The context killers must not stand before the stages that matter more.
    return [s for s in steps if not s.get("may_kill_context")] + \
           [s for s in steps if s.get("may_kill_context")]


def run_step(context, step, seconds):
    if step["stage"] == "probes":
        return run_probe(context, step, seconds)
    if step["command"] is None:
        return {"status": "skipped", "answer": "not built: no such program in the build directory",
                "meaning": ""}, None
    _, command, last_line = OTHERS[step["stage"]]
    return run_other(command, last_line)(context, step, seconds)


class Results:
    """The two files of a run, always complete on disk."""

    def __init__(self, folder, machine, resume):
        name = re.sub(r"[^a-z0-9]+", "-", machine["name"].lower().removeprefix("nvidia ")).strip("-")
        today = datetime.date.today().isoformat()
        self.json_path = folder / f"gpu-{name}-{today}.json"
        if resume:  # the newest of this GPU, should midnight have passed
            earlier = sorted(folder.glob(f"gpu-{name}-*.json"))
            self.json_path = earlier[-1] if earlier else self.json_path
        self.document = {"schema": SCHEMA, "machine": machine,
                         "date": today, "steps": {}}
        if resume and self.json_path.exists():
            earlier = json.loads(self.json_path.read_text())
            if earlier.get("schema") == SCHEMA and \
                    earlier["machine"].get("driver_version") == machine["driver_version"]:
                self.document["steps"] = earlier["steps"]
                self.document["date"] = earlier["date"]
        folder.mkdir(parents=True, exist_ok=True)

    def done(self, step):
        return self.document["steps"].get(step["id"], {}).get("status") in GOOD

    def add(self, step, result, outcome):
        row = {key: value for key, value in step.items() if key not in ("id", "command")}
        row.update(result)
        if outcome:
            row["wall_s"] = outcome.seconds
            if result["status"] not in GOOD:
                row["exit"] = outcome.code
                row["stderr"] = outcome.err[-2000:]
        self.document["steps"][step["id"]] = row
        self.write()

    def write(self):
        for path, text in ((self.json_path, json.dumps(self.document, indent=1) + "\n"),
                           (self.json_path.with_suffix(".md"), gpu_report.markdown(self.document))):
            draft = path.with_suffix(path.suffix + ".part")
            draft.write_text(text)
            draft.replace(path)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path, help="build directory with the binaries")
    parser.add_argument("--build", dest="always_build", action="store_true",
                        help="bring the binaries up to date first (default: build only what is missing)")
    parser.add_argument("--out", type=pathlib.Path, help="folder for the results (default: results/)")
    parser.add_argument("--stages", default=",".join(STAGES), help="which of " + ", ".join(STAGES))
    parser.add_argument("--only", default="", help="these probes only, by id")
    parser.add_argument("--resume", action="store_true",
                        help="keep what an earlier run of this GPU answered, run the rest")
    parser.add_argument("--seconds", type=float, default=480, help="for the whole run (480)")
    parser.add_argument("--random-seeds", type=int, default=40, help="random programs to run (40)")
    parser.add_argument("--dry-run", action="store_true",
                        help="probes on the simulator, small sizes, results to a temporary folder")
    options = parser.parse_args(arguments)
    options.stages = options.stages.split(",")
    unknown = set(options.stages) - set(STAGES)
    if unknown:
        parser.error(f"no stage {', '.join(sorted(unknown))}; the stages are {', '.join(STAGES)}")
    options.only = [word for word in options.only.split(",") if word]
    if options.dry_run:
        options.stages = ["probes"]  # the others test themselves on the simulator
    return options


def main(arguments):
    begin = time.monotonic()
    options = parse(arguments)
    context = Context(options)
    if not options.dry_run:
        reason = find_device(context.env)
        if reason:
            print(f"gpu-check: {reason.splitlines()[-1]}", file=sys.stderr)
            print("gpu-check: SKIPPED no device")
            return 0
    build_binaries(context.build, options.stages, options.always_build)
    folder = options.out or (pathlib.Path(tempfile.mkdtemp(prefix="gpu-check-"))
                             if options.dry_run else SOURCE / "results")
    machine = describe_machine(context)
    steps = plan(context, options.stages, options.only)
    results = Results(folder, machine, options.resume)
    counts = {}
    for index, step in enumerate(steps):
        if results.done(step):
            counts["kept"] = counts.get("kept", 0) + 1
            continue
        # Probes leave the demo and its kin their time, however slow they are.
        reserved = sum(later["seconds"] for later in steps[index + 1:] if later.get("command"))
        left = options.seconds - (time.monotonic() - begin) - reserved
        if left < SHORTEST_STEP_S:
            result, outcome = {"status": "skipped", "answer": "no time left: run again with --resume",
                               "meaning": ""}, None
        else:
            try:
                result, outcome = run_step(context, step, min(step["seconds"], left))
            except OSError as error:
                result, outcome = {"status": "failed", "answer": str(error), "meaning": ""}, None
        results.add(step, result, outcome)
        counts[result["status"]] = counts.get(result["status"], 0) + 1
        seconds = f"{outcome.seconds:6.1f} s" if outcome else "      - "
        print(f"{step['id']:24} {result['status']:12} {seconds}  {result['answer']}", flush=True)
    results.write()
    bad = sum(count for status, count in counts.items() if status not in (*GOOD, "kept", "skipped"))
    print(f"gpu-check: report {results.json_path.with_suffix('.md')}")
    print("gpu-check: " + ("FAIL " if bad else "PASS ")
          + " ".join(f"{status}={count}" for status, count in sorted(counts.items())))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
