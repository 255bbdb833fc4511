// SPDX-License-Identifier: Apache-2.0
// The tables of a process, and the one that compares processes.

// columns: [heading, class, cell of a row]; the first is the row's name.
function table(caption, columns, rows) {
  const head = element("tr", {}, ...columns.map(([heading, kind]) =>
    element("th", {scope: "col", class: kind}, heading)));
  const body = rows.map((row) => element("tr", {}, ...columns.map(([, kind, cell], i) =>
    element(i ? "td" : "th", i ? {class: kind} : {class: kind, scope: "row"}, String(cell(row))))));
  return element("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": caption},
    element("table", {}, element("caption", {}, caption),
            element("thead", {}, head), element("tbody", {}, ...body)));
}

function link_table(process) {
  const causes = (way) => Object.entries(way.causes)
    .map(([cause, value]) => `${bytes(value)} for ${cause}`).join(", ") || "nothing";
  return table("What moved over the link", [
    ["direction", "text", ([name]) => name],
    ["moves", "", ([, way]) => count(way.moves)],
    ["bytes", "", ([, way]) => bytes(way.bytes)],
    ["busy", "", ([, way]) => percent(way.busy)],
    ["rate while busy", "", ([, way]) => (way.rate ? rate(way.rate) : "")],
    ["causes", "text", ([, way]) => causes(way)],
  ], [["in", process.link.in], ["out", process.link.out]]);
}

function stalls_table(process) {
  return table("What the program waited for", [
    ["for", "text", (stall) => stall.what],
    ["times", "", (stall) => count(stall.stalls)],
    ["waited", "", (stall) => duration(stall.waited)],
    ["each", "", (stall) => duration(stall.waited / stall.stalls)],
    ["of the time", "", (stall) => percent(process.seconds ? stall.waited / process.seconds : 0)],
  ], process.stalls);
}

function kernels_table(process) {
  return table("Kernels that waited most", [
    ["kernel", "name", (kernel) => shortened(kernel.name, 200)],
    ["waited", "", (kernel) => duration(kernel.waited)],
    ["share", "", (kernel) => percent(process.waited ? kernel.waited / process.waited : 0)],
    ["times", "", (kernel) => count(kernel.stalls)],
    ["launches", "", (kernel) => count(kernel.launches)],
    ["used", "", (kernel) => bytes(kernel.bytes)],
  ], process.kernels);
}

function ranges_table(process) {
  return table("Ranges that moved most", [
    ["range", "text", (range) => range.range],
    ["size", "", (range) => bytes(range.bytes)],
    ["out", "", (range) => bytes(range.out)],
    ["in", "", (range) => bytes(range.in)],
    ["moves", "", (range) => count(range.moves)],
    ["launches", "", (range) => count(range.launches)],
    ["waited for", "", (range) => duration(range.waited)],
  ], process.ranges);
}

function comparison(processes) {
  return element("section", {class: "card"}, table("Processes side by side", [
    ["process", "text", (each) => `${each.name}, ${each.program}`],
    ["time", "", (each) => duration(each.seconds)],
    ["waited", "", (each) => duration(each.waited)],
    ["out", "", (each) => bytes(each.link.out.bytes)],
    ["in", "", (each) => bytes(each.link.in.bytes)],
    ["peak", "", (each) => bytes(each.peak)],
    ["budget", "", (each) => (each.budget ? bytes(each.budget) : "")],
    ["launches", "", (each) => count(each.launches)],
  ], processes));
}
