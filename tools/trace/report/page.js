// SPDX-License-Identifier: Apache-2.0
// Builds the page from the data that stands in it.

const data = JSON.parse(document.getElementById("data").textContent);

const moved = (process) => process.link.in.moves + process.link.out.moves > 0;
const lived = (process) => process.ranges.some((each) => each.line.length);

// What a part needs to be drawn, and what stands in its place otherwise.
const PARTS = [
  {title: "Memory over time", chart: memory_chart, wide: true,
   has: (process) => process.peak > 0, none: "Nothing was allocated.",
   about: (process) => `${bytes(process.peak)} allocated at the peak` +
     (process.budget ? `; the budget is ${bytes(process.budget)}.` : ".")},
  {title: "Bytes moved over time", chart: moves_chart, has: moved, none: "Nothing moved.",
   about: (process) => `Upwards: ${bytes(process.link.in.bytes)} to the device. ` +
     `Downwards: ${bytes(process.link.out.bytes)} to the host.`},
  {title: "Waiting over time", chart: stalls_chart,
   has: (process) => process.stalls.length > 0, none: "No call had to wait.",
   about: (process) => `${duration(process.waited)} in all; as a share of each interval` +
     (process.waited > process.seconds ? ", threads together." : ".")},
  {title: "Life of the ranges", chart: life_chart, wide: true, has: lived,
   none: "No range was allocated.", height: (process) => 7.5 + 1.55 * process.ranges.length,
   about: (process) => `${moved(process) ? "Those that moved most." : "The largest."} A thick bar: ` +
     "on the device. A thin line: evicted. No line: not there."},
  {title: "Use of the link", chart: link_chart, has: moved, none: "Nothing moved.",
   about: () => "Share of the time in which something was under way."},
  {title: "Kernels that waited most", chart: kernels_chart,
   has: (process) => process.kernels.some((kernel) => kernel.waited > 0),
   none: "No launch had to wait.",
   about: () => "The program's waiting before their launches."},
  {title: "Iterations", chart: iterations_chart, wide: true, optional: true,
   has: (process) => process.iterations.count > 0,
   about: ({iterations}) => `Found in what is launched: the same ${count(iterations.launches)} ` +
     `launches in ${count(iterations.alike)} of ${count(iterations.count)} rounds. Of these, median ` +
     `${duration(iterations.median)}, from ${duration(iterations.least)} to ` +
     `${duration(iterations.most)}.`},
];

const TABLES = [
  [link_table, moved],
  [stalls_table, (process) => process.stalls.length > 0],
  [kernels_table, (process) => process.kernels.some((kernel) => kernel.waited > 0)],
  [ranges_table, moved],
];

function figures(process) {
  const figure = (name, value, more) => element("div", {class: "card"},
    element("dt", {}, name), element("dd", {}, value, element("small", {}, more)));
  const share = process.seconds ? process.waited / process.seconds : 0;
  return element("dl", {class: "figures"},
    figure("waited", duration(process.waited), `${percent(share)} of ${duration(process.seconds)}`),
    figure("peak memory", bytes(process.peak),
           process.budget ? `budget ${bytes(process.budget)}` : "budget not told"),
    figure("moved out", bytes(process.link.out.bytes), counted(process.link.out.moves, "move")),
    figure("moved in", bytes(process.link.in.bytes), counted(process.link.in.moves, "move")),
    figure("launches", count(process.launches), counted(process.allocations, "allocation")));
}

function part_of(part, process, scale, later) {
  const has = part.has(process);
  if (!has && part.optional) return null;
  const caption = element("figcaption", {}, element("h3", {style: "margin: 0"}, part.title));
  const figure = element("figure", {class: part.wide ? "card wide" : "card"}, caption);
  if (!has) {
    figure.append(element("p", {class: "none"}, part.none));
    return figure;
  }
  const about = part.about(process);
  caption.append(element("p", {}, about));
  const canvas = element("canvas", {role: "img", "aria-label": `${part.title}. ${about}`});
  const frame = element("div", {class: "canvas"}, canvas);
  if (part.height) frame.style.height = `${part.height(process)}rem`;
  figure.append(frame);
  later.push(() => part.chart(canvas, process, scale));
  return figure;
}

function process_section(process, scale, single, later) {
  const about = `${process.file} · policy ${process.policy}` +
    (process.host ? ` · up to ${bytes(process.host)} of host memory` : "");
  const head = element("div", {}, element("h2", {}, `${process.name}: ${process.program}`),
                       element("p", {class: "about"}, about),
                       single ? null : element("p", {}, process.headline));
  const findings = process.findings.length
    ? element("ul", {class: "findings"}, ...process.findings.map((text) => element("li", {}, text)))
    : null;
  const parts = PARTS.map((part) => part_of(part, process, scale, later)).filter(Boolean);
  const tables = TABLES.filter(([, has]) => has(process))
    .map(([make]) => element("section", {class: "card"}, make(process)));
  return element("section", {class: "process"}, head, findings, figures(process),
                 element("div", {class: "parts"}, ...parts, ...tables));
}

// The same axes for all processes, so that they can be compared by eye.
function scale_of(processes) {
  const scale = {end: 1e-9, allocated: 1, rate: 1};
  for (const {time} of processes) {
    scale.end = Math.max(scale.end, time.end);
    scale.allocated = Math.max(scale.allocated, ...time.allocated);
    time.from.forEach((from, i) => {
      const width = (i + 1 < time.from.length ? time.from[i + 1] : time.end) - from;
      for (const way of [time.in, time.out])
        scale.rate = Math.max(scale.rate, sum(Object.values(way).map((list) => list[i])) / width);
    });
  }
  return scale;
}

function show() {
  const scale = scale_of(data.processes);
  const single = data.processes.length === 1;
  const later = [];  // a chart needs its place to have a size
  const sections = data.processes.map((each) => process_section(each, scale, single, later));
  for (const chart of charts.splice(0)) chart.destroy();
  document.getElementById("main").replaceChildren(
    ...(single ? [] : [comparison(data.processes)]),
    element("div", {class: single ? "processes single" : "processes"}, ...sections));
  for (const chart of later) chart();
}

// Whether something of its data is seen in a chart: grids and letters are grey.
function is_drawn(chart) {
  const {left, top, width, height} = chart.chartArea;
  const ratio = chart.currentDevicePixelRatio;
  const {data: pixels} = chart.ctx.getImageData(
    left * ratio, top * ratio, Math.max(1, width * ratio), Math.max(1, height * ratio));
  for (let i = 0; i < pixels.length; i += 4) {
    const [red, green, blue, alpha] = pixels.subarray(i, i + 4);
    if (alpha > 40 && Math.max(red, green, blue) - Math.min(red, green, blue) > 40) return true;
  }
  return false;
}

// For the test of this page, which reads them from outside.
function tell_what_is_drawn() {
  const root = document.documentElement;
  root.dataset.charts = String(document.querySelectorAll("canvas").length);
  root.dataset.drawn = String(charts.filter(is_drawn).length);
  root.dataset.height = String(root.scrollHeight);
  root.dataset.overflow = String(Math.max(0, root.scrollWidth - root.clientWidth));
}

document.getElementById("headline").textContent = data.headline;
document.title = `Spillway report: ${data.processes.map((each) => each.program).join(", ")}`;
Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
Chart.defaults.font.size = 12;
show();
tell_what_is_drawn();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
