# SPDX-License-Identifier: Apache-2.0
"""gpu_check.py against programs that behave badly: what was measured must survive all of them."""

import contextlib
import io
import json
import pathlib
import stat
import sys
import tempfile
import textwrap
import unittest
from unittest import mock

import gpu_check

MACHINE = {"name": "NVIDIA Test 1", "driver_version": 13000, "header_version": 13000, "devices": 1,
           "memory": 1 << 30, "driver_library": "libcuda.so.1", "pci": "0", "attributes": {"A": 1}}

# A gpu_probe whose probes each go wrong in their own way. Each start is counted in a file.
PROBE = f"""#!{sys.executable}
import json, os, signal, sys, time
from pathlib import Path
def say(**row): print(json.dumps(row), flush=True)
def end(status): say(kind="end", status=status, answer="an answer", meaning="a meaning", seconds=1)
rows = dict(good=1, slow=2, crash=2, missing=13)
if "--machine" in sys.argv: say(**{MACHINE!r})
elif "--list" in sys.argv:
    for id, question in rows.items():
        say(id=id, question=question, about=f"about {{question}}", seconds=1, title=f"title of {{id}}",
            may_kill_context=id == "crash")
else:
    id = sys.argv[sys.argv.index("--only") + 1]
    with open(Path(__file__).parent / "started", "a") as log: log.write(id + "\\n")
    say(kind="sample", name=f"figure of {{id}}", unit="us", where={{"bytes": 2097152}}, n=3, min=1,
        p10=1, median=2, p90=3, p99=3, max=3)
    if id == "slow": time.sleep(60)
    if id == "crash":
        print('{{"kind": "sam', end="", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    end("unsupported" if id == "missing" else "ok")
"""


class GpuCheck(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.program("gpu_probe", PROBE)

    def program(self, name, text):
        path = self.root / "build/tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def check(self, *options, device=""):
        """Exit status, what was printed, and the result document (None: none written)."""
        out = io.StringIO()
        with mock.patch.object(gpu_check, "find_device", lambda env: device), \
                mock.patch.object(gpu_check, "build_binaries"), \
                contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            code = gpu_check.main([str(self.root / "build"), "--out", str(self.root / "out"),
                                   *options])
        written = list((self.root / "out").glob("gpu-test-1-*.json"))
        return code, out.getvalue(), json.loads(written[0].read_text()) if written else None

    def report(self):
        return next((self.root / "out").glob("*.md")).read_text()

    def started(self):
        return (self.root / "build/tests/started").read_text().split()

    def test_without_a_device_it_says_so_and_succeeds(self):
        code, out, document = self.check(device="no device")
        self.assertEqual((code, out, document), (0, "gpu-check: SKIPPED no device\n", None))

    def test_probes_that_hang_or_crash_keep_their_figures_and_stop_nothing(self):
        code, out, document = self.check("--stages", "probes")
        self.assertEqual(code, 1)
        self.assertRegex(out.splitlines()[-1], "^gpu-check: FAIL crashed=1 ok=1 timeout=1 unsupported=1")
        steps = document["steps"]
        self.assertEqual({name: step["status"] for name, step in steps.items()},
                         {"good": "ok", "slow": "timeout", "crash": "crashed",
                          "missing": "unsupported"})
        for name in steps:
            self.assertEqual([s["name"] for s in steps[name]["samples"]], [f"figure of {name}"])
        self.assertIn("SIGSEGV", steps["crash"]["answer"])

    def test_what_may_kill_the_context_runs_last(self):
        self.check("--stages", "probes")
        self.assertEqual(self.started(), ["good", "slow", "missing", "crash"])

    def test_the_report_has_every_answer_figure_and_question(self):
        self.check("--stages", "probes")
        report = self.report()
        for words in ("NVIDIA Test 1", "title of slow", "figure of crash", "2 [1, 3; p99 3, max 3]",
                      "## 2. about 2", "For the design: a meaning"):
            self.assertIn(words, report)

    def test_resume_runs_only_what_has_no_answer(self):
        self.check("--stages", "probes")
        _, out, document = self.check("--stages", "probes", "--resume")
        self.assertEqual(self.started()[4:], ["slow", "crash"])
        self.assertIn("kept=2", out)
        self.assertEqual(document["steps"]["good"]["status"], "ok")

    def test_when_the_time_is_over_the_rest_is_skipped_and_said(self):
        _, out, document = self.check("--stages", "probes", "--seconds", "0")
        self.assertEqual({step["status"] for step in document["steps"].values()}, {"skipped"})
        self.assertIn("skipped=4", out)

    def test_a_step_whose_last_line_is_not_a_pass_has_failed(self):
        self.program("random_runner", "#!/bin/sh\necho 'random: FAIL mismatches=3'\nexit 1\n")
        self.program("bench_launch", "#!/bin/sh\necho 'launch: base=1 hooked=2'\n")
        _, _, document = self.check("--stages", "random,bench")
        self.assertEqual({name: step["status"] for name, step in document["steps"].items()},
                         {"random": "failed", "bench": "ok"})
        self.assertIn("mismatches=3", self.report())

    def test_a_program_that_was_not_built_is_skipped_and_said(self):
        _, _, document = self.check("--stages", "bench")
        self.assertEqual(document["steps"]["bench"]["status"], "skipped")

    def test_only_what_is_missing_is_built_and_a_machine_without_tools_goes_on(self):
        build = self.root / "build"
        with mock.patch.object(gpu_check.subprocess, "run", side_effect=OSError("no cmake")) as run, \
                contextlib.redirect_stderr(io.StringIO()) as err:
            gpu_check.build_binaries(build, ["probes"], always=False)
            self.assertIn("cannot build gpu_launch_observer: no cmake", err.getvalue())
            run.reset_mock()
            self.program("libgpu_launch_observer.so", "")
            gpu_check.build_binaries(build, ["probes"], always=False)
            run.assert_not_called()

    def test_preloads_and_settings_of_the_caller_do_not_reach_the_programs(self):
        self.program("bench_launch", "#!/bin/sh\necho \"launch: base=$LD_PRELOAD$SPILLWAY_X.\"\n")
        with mock.patch.dict("os.environ", {"SPILLWAY_X": "1", "LD_PRELOAD": "nothing.so"}):
            _, _, document = self.check("--stages", "bench")
        self.assertEqual(document["steps"]["bench"]["answer"], "launch: base=.")

    def test_unknown_stages_and_probes_are_named(self):
        for options, words in ((("--stages", "prones"), "prones"),
                               (("--stages", "probes", "--only", "bad"), "no probe bad")):
            err = io.StringIO()
            with self.assertRaises(SystemExit) as stop, contextlib.redirect_stderr(err), \
                    mock.patch.object(gpu_check, "find_device", lambda env: ""), \
                    mock.patch.object(gpu_check, "build_binaries"):
                gpu_check.main([str(self.root / "build"), *options])
            self.assertIn(words, err.getvalue() + str(stop.exception))


if __name__ == "__main__":
    unittest.main()
