# SPDX-License-Identifier: Apache-2.0
"""The readable half of a gpu-check result: Markdown from its JSON document."""

import json

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def size(count):
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if count >= unit:
            return f"{count / unit:.4g} {name}"
    return f"{count} B"


def number(value):
    """Three significant figures, and no fewer digits than the integer part has."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return lines + [""]


def spread(sample):
    return f"{number(sample['median'])} [{number(sample['p10'])}, {number(sample['p90'])}; " \
           f"p99 {number(sample['p99'])}, max {number(sample['max'])}]"


def sample_tables(samples):
    """One table per circumstance (memory, load, ...): measurements down, sizes across."""
    groups = {}
    for sample in samples:
        where = {key: value for key, value in sample["where"].items() if key != "bytes"}
        groups.setdefault(json.dumps(where), []).append(sample)
    lines = []
    for where, group in groups.items():
        sizes = sorted({sample["where"].get("bytes", 0) for sample in group})
        names = list(dict.fromkeys((sample["name"], sample["unit"]) for sample in group))
        at = {(s["name"], s["where"].get("bytes", 0)): s for s in group}
        text = ", ".join(f"{key} {size(value) if key == 'handle' else value}"
                         for key, value in json.loads(where).items())
        if text:
            lines += [f"{text}:", ""]
        head = ["measured", "unit"] + [size(count) if count else "value" for count in sizes]
        lines += table(head, [
            [name, unit] + [spread(at[name, count]) if (name, count) in at else "" for count in sizes]
            for name, unit in names])
    return lines


def fact_lines(facts):
    lines = []
    for fact in facts:
        value = fact["value"]
        text = value if isinstance(value, str) else json.dumps(value)
        lines.append(f"* {fact['name']}: {text}")
    return lines + [""] if lines else []


def step_lines(name, step):
    lines = [f"### {name}: {step['title']}", "",
             f"**{step['status']}.** {step['answer']}", ""]
    if step.get("meaning"):
        lines += [f"For the design: {step['meaning']}", ""]
    if step.get("lines"):
        lines += ["```", *step["lines"], "```", ""]
    lines += sample_tables(step.get("samples", []))
    lines += fact_lines(step.get("facts", []))
    if step.get("stderr"):
        lines += ["What it wrote to stderr, at the end:", "", "```", step["stderr"].strip(), "```", ""]
    return lines


def version(number_):
    return f"{number_ // 1000}.{number_ % 1000 // 10}"


def markdown(document):
    machine = document["machine"]
    lines = [f"# GPU check: {machine['name']}, {document['date']}", "",
             "Written by `make gpu-check`; the JSON file of the same name has every figure. Figures are",
             "medians, with [10 %, 90 %; 99 %, maximum] of the measurements behind them.", ""]
    lines += table(["machine", ""], [
        ["GPU", f"{machine['name']}, {size(machine['memory'])}, {machine['devices']} device(s)"],
        ["driver supports CUDA", version(machine["driver_version"])],
        ["built with CUDA headers", version(machine["header_version"])],
        ["toolkit", machine.get("toolkit", "") or "none"],
        ["nvidia-smi", machine.get("nvidia_smi", "") or "not asked"],
        ["driver library", machine["driver_library"].rsplit("/", 1)[-1]],
        ["host", f"{machine['cpu']}, {machine['cpus']} CPUs, {size(machine['host_memory'])}, "
                 f"{machine['architecture']}, Linux {machine['kernel']}"],
        ["commit", machine["commit"]],
    ])
    lines += ["## Summary", ""]
    steps = document["steps"]
    lines += table(["step", "status", "answer", "for the design"],
                   [[f"`{name}`", step["status"], step["answer"], step.get("meaning", "")]
                    for name, step in steps.items()])
    for stage in ("demo", "random", "bench", "mover"):
        if stage in steps:
            lines += [f"## The {stage} step", ""] + step_lines(stage, steps[stage])
    questions = {}
    for name, step in steps.items():
        if step["stage"] == "probes":
            questions.setdefault((step["question"], step["about"]), []).append((name, step))
    for (question, about), group in sorted(questions.items()):
        lines += [f"## {question}. {about}", ""]
        for name, step in group:
            lines += step_lines(name, step)
    lines += ["## Device attributes", ""]
    lines += table(["attribute", "value"], sorted(machine["attributes"].items()))
    return "\n".join(lines)
