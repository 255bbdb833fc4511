// SPDX-License-Identifier: Apache-2.0
// The charts of a process. Each is drawn on the same time axis, in colours of page.css; what differs
// in colour differs in a dash, a hatch or a place, too.

// What was drawn, for printing, for a change of colours, and for the test that looks at the page.
const charts = [];

function colour(name) {
  const value = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
  return value.trim() || "#777777";
}

function faded(hex, share) {
  return hex + Math.round(share * 255).toString(16).padStart(2, "0");
}

// Diagonal lines; each number has its own direction and distance.
function hatched(hex, number) {
  if (!number) return faded(hex, 0.55);
  const size = 6 + 2 * number;
  const tile = element("canvas", {width: size, height: size});
  const pen = tile.getContext("2d");
  pen.fillStyle = faded(hex, 0.12);
  pen.fillRect(0, 0, size, size);
  pen.strokeStyle = faded(hex, 0.6);
  pen.lineWidth = 1.25;
  pen.beginPath();
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift, number % 2 ? size : 0);
    pen.lineTo(shift + size, number % 2 ? 0 : size);
  }
  pen.stroke();
  return pen.createPattern(tile, "repeat");
}

// A nice step of an axis that reaches `most`, of about five.
function step_of(most, base) {
  const rough = Math.max(most, 1e-12) / 5;
  if (base === 2) return Math.max(1, 2 ** Math.ceil(Math.log2(rough)));
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= rough * 0.999);
}

function time_unit(seconds) {
  if (seconds < 2e-3) return ["µs", 1e6];
  if (seconds < 2) return ["ms", 1e3];
  if (seconds < 600) return ["s", 1];
  return seconds < 36000 ? ["min", 1 / 60] : ["h", 1 / 3600];
}

function axis(title, more) {
  return Object.assign({
    title: {display: Boolean(title), text: title, color: colour("quiet")},
    ticks: {color: colour("quiet"), maxRotation: 0, autoSkipPadding: 12},
    grid: {color: faded(colour("line"), 0.7), borderColor: colour("line")},
  }, more);
}

// It ends with the trace, and its ticks are round all the same.
function time_axis(scale) {
  const [unit, factor] = time_unit(scale.end);
  const step = step_of(scale.end * factor, 10);
  const ticks = [];
  for (let i = 0; i * step <= scale.end * factor * (1 + 1e-9); i++)
    ticks.push({value: i * step / factor});
  return axis(`time (${unit})`, {
    type: "linear", min: 0, max: scale.end,
    afterBuildTicks: (built) => { built.ticks = ticks.map((tick) => ({...tick})); },
    ticks: {color: colour("quiet"), maxRotation: 0, autoSkipPadding: 16,
            callback: (value) => String(Number((value * factor).toPrecision(6)))},
  });
}

// An axis of sizes, rates or shares from 0, or to both sides of it.
function value_axis(title, most, format, base, both) {
  const step = step_of(both ? most * 5 / 3 : most, base);
  const end = Math.ceil(most / step - 1e-9) * step || step;
  return axis(title, {
    min: both ? -end : 0, max: end,
    ticks: {color: colour("quiet"), stepSize: step,
            callback: (value) => format(Math.abs(value))},
  });
}

function whole_percent(share) {
  return `${Math.round(100 * share)}%`;
}

// A stepped line: each value holds from its time to that of the next.
function steps(times, end, values) {
  const points = times.map((time, i) => ({x: time, y: values[i]}));
  if (points.length) points.push({x: end, y: points[points.length - 1].y});
  return points;
}

function line(label, name, points, more) {
  return Object.assign({
    type: "line", label, data: points, stepped: "before", pointRadius: 0, borderWidth: 1.5,
    borderColor: colour(name), backgroundColor: faded(colour(name), 0.35), pointHitRadius: 6,
  }, more);
}

function draw(canvas, config, tooltip) {
  config.options = Object.assign({
    animation: false, responsive: true, maintainAspectRatio: false, normalized: true,
    interaction: {mode: "nearest", axis: "x", intersect: false},
  }, config.options);
  config.options.plugins = Object.assign({
    legend: {position: "bottom", align: "start",
             labels: {color: colour("ink"), boxWidth: 22, boxHeight: 10, padding: 12}},
    tooltip: {callbacks: tooltip},
  }, config.options.plugins);
  const chart = new Chart(canvas, config);
  charts.push(chart);
  return chart;
}

function at_time(items) {
  return items.length ? duration(items[0].parsed.x) : "";
}

function labelled(format) {
  return {title: at_time,
          label: (item) => `${item.dataset.label}: ${format(Math.abs(item.raw.own ?? item.raw.y))}`};
}

function memory_chart(canvas, process, scale) {
  const {from, end, allocated, device, budget} = process.time;
  const sets = [
    line("on the device", "device", steps(from, end, device), {fill: "origin"}),
    line("allocated (above the device: evicted)", "evicted", steps(from, end, allocated),
         {fill: "-1", backgroundColor: hatched(colour("evicted"), 1)}),
  ];
  const most = Math.max(...budget);
  if (most && most <= 4 * scale.allocated)
    sets.push(line("budget", "budget", steps(from, end, budget),
                   {borderDash: [6, 4], borderWidth: 2, fill: false, order: -1,
                    backgroundColor: "transparent"}));
  const top = sets.length > 2 ? Math.max(scale.allocated, most) : scale.allocated;
  draw(canvas, {data: {datasets: sets}, options: {
    scales: {x: time_axis(scale), y: value_axis("", top, bytes, 2)}}}, labelled(bytes));
}

// In goes up, out goes down, stacked by cause.
function moves_chart(canvas, process, scale) {
  const {from, end} = process.time;
  const widths = from.map((time, i) => (i + 1 < from.length ? from[i + 1] : end) - time);
  const sets = [];
  for (const [way, sign] of [["in", 1], ["out", -1]]) {
    let below = from.map(() => 0);
    Object.entries(process.time[way]).forEach(([cause, list], number) => {
      const own = list.map((value, i) => value / widths[i]);
      const above = own.map((value, i) => below[i] + value);
      const points = steps(from, end, above.map((value) => sign * value));
      points.forEach((point, i) => { point.own = own[Math.min(i, own.length - 1)]; });
      sets.push(line(`${way}, for ${cause}`, way, points,
                     {fill: number ? "-1" : "origin", borderWidth: 1,
                      backgroundColor: hatched(colour(way), number + (way === "out" ? 1 : 0))}));
      below = above;
    });
  }
  draw(canvas, {data: {datasets: sets}, options: {
    scales: {x: time_axis(scale),
             y: value_axis("out  ·  in", scale.rate, rate, 10, true)}}}, labelled(rate));
}

function stalls_chart(canvas, process, scale) {
  const {from, end, waited} = process.time;
  const widths = from.map((time, i) => (i + 1 < from.length ? from[i + 1] : end) - time);
  let below = from.map(() => 0), most = 1;
  const sets = Object.entries(waited).map(([what, list], number) => {
    const own = list.map((ns, i) => ns / 1e9 / widths[i]);
    below = own.map((value, i) => below[i] + value);
    most = Math.max(most, ...below);
    const points = steps(from, end, below);
    points.forEach((point, i) => { point.own = own[Math.min(i, own.length - 1)]; });
    return line(`waiting for ${what}`, ["data", "room"].includes(what) ? what : "other", points,
                {fill: number ? "-1" : "origin", borderWidth: 1,
                 backgroundColor: hatched(colour(["data", "room"].includes(what) ? what : "other"),
                                          number)});
  });
  draw(canvas, {data: {datasets: sets}, options: {
    scales: {x: time_axis(scale), y: value_axis("", most > 1.05 ? most : 1, whole_percent, 10)}}},
       labelled(percent));
}

// Up and down as the moves are, in fewer intervals: shares of short ones are all or nothing.
function link_chart(canvas, process, scale) {
  const {from, end, in_busy, out_busy} = process.time;
  const group = Math.ceil(from.length / 80);
  const widths = from.map((time, i) => (i + 1 < from.length ? from[i + 1] : end) - time);
  const grouped = (shares) => from.filter((_, i) => i % group === 0).map((_, i) => {
    const all = widths.slice(i * group, (i + 1) * group);
    return sum(all.map((width, j) => width * shares[i * group + j])) / sum(all);
  });
  const times = from.filter((_, i) => i % group === 0);
  const set = (label, name, shares, sign) =>
    line(label, name, steps(times, end, grouped(shares).map((share) => sign * share)),
         {fill: "origin", borderWidth: 1, backgroundColor: hatched(colour(name), sign < 0 ? 1 : 0)});
  draw(canvas, {data: {datasets: [set("in: to the device", "in", in_busy, 1),
                                  set("out: to the host", "out", out_busy, -1)]},
                options: {scales: {x: time_axis(scale),
                                   y: value_axis("out  ·  in", 1, whole_percent, 10, true)}}},
       labelled(percent));
}

// One bar a range: thick while it is on the device, thin while it is evicted.
const STATES = [["on the device", "device", 0.8], ["partly evicted, or in turns", "part", 0.45],
                ["evicted", "evicted", 0.16]];

function life_chart(canvas, process, scale) {
  const names = process.ranges.map((each) => `range ${each.range}`);
  const sets = STATES.map(([label, name, thickness], state) => ({
    label, grouped: false, barPercentage: thickness, categoryPercentage: 1,
    backgroundColor: colour(name), borderWidth: 0,
    data: process.ranges.flatMap((each, i) =>
      each.line.filter((part) => part[2] === state)
          .map(([begin, end]) => ({x: [begin, end], y: names[i]}))),
  }));
  draw(canvas, {type: "bar", data: {labels: names, datasets: sets}, options: {
    indexAxis: "y", interaction: {mode: "nearest", axis: "xy", intersect: true},
    scales: {x: time_axis(scale),
             y: axis("", {grid: {display: false}, ticks: {color: colour("quiet"), autoSkip: false}})},
  }}, {label: (item) => `${item.dataset.label}: ${item.raw.x.map(duration).join(" to ")}`});
}

function kernels_chart(canvas, process) {
  const kernels = process.kernels.filter((kernel) => kernel.waited > 0).slice(0, 10);
  const room = canvas.parentElement.clientWidth < 480 ? 20 : 34;
  const names = kernels.map((kernel) => shortened(kernel.name, room));
  const most = Math.max(...kernels.map((kernel) => kernel.waited));
  const [unit, factor] = time_unit(most);
  draw(canvas, {type: "bar", data: {labels: names, datasets: [{
    label: "waited", backgroundColor: colour("data"), barPercentage: 0.7,
    data: kernels.map((kernel) => kernel.waited * factor),
  }]}, options: {
    indexAxis: "y", interaction: {mode: "nearest", axis: "y", intersect: false},
    plugins: {legend: {display: false}},
    scales: {x: axis(`waited before its launches (${unit})`, {min: 0}),
             y: axis("", {grid: {display: false}, ticks: {color: colour("quiet"), autoSkip: false}})},
  }}, {title: (items) => kernels[items[0].dataIndex].name,
       label: (item) => duration(kernels[item.dataIndex].waited)});
}

function iterations_chart(canvas, process) {
  const shown = process.iterations.shown;
  const [unit, factor] = time_unit(Math.max(...shown.map((each) => each.seconds)));
  const bar = (label, name, number, value) => ({
    label, backgroundColor: hatched(colour(name), number), borderColor: colour(name),
    borderWidth: 1, barPercentage: 1, categoryPercentage: shown.length > 60 ? 1 : 0.8,
    data: shown.map((each) => value(each) * factor)});
  draw(canvas, {type: "bar", data: {labels: shown.map((each) => each.number), datasets: [
    bar("waited", "data", 0, (each) => Math.min(each.waited, each.seconds)),
    bar("the rest", "device", 1, (each) => Math.max(0, each.seconds - each.waited)),
  ]}, options: {
    interaction: {mode: "index", intersect: false},
    scales: {x: axis("iteration", {stacked: true, grid: {display: false}}),
             y: axis(`time (${unit})`, {stacked: true, min: 0})},
  }}, {title: (items) => `iteration ${items[0].label}`,
       label: (item) => `${item.dataset.label}: ${duration(item.raw / factor)}`});
}
