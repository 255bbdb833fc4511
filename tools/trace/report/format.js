// SPDX-License-Identifier: Apache-2.0
// Numbers as people read them, and elements that hold text as text: what a trace says is never HTML.

const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const DECIMAL = ["B/s", "kB/s", "MB/s", "GB/s", "TB/s", "PB/s"];

function scaled(value, base, units) {
  let power = 0;
  while (Math.abs(value) >= base && power + 1 < units.length) {
    value /= base;
    power++;
  }
  return [value, units[power], power];
}

function bytes(value) {
  const [number, unit, power] = scaled(value, 1024, BINARY);
  return `${number.toFixed(power ? 1 : 0)} ${unit}`;
}

function rate(value) {
  const [number, unit, power] = scaled(value, 1000, DECIMAL);
  return `${number.toFixed(power ? 1 : 0)} ${unit}`;
}

function duration(seconds) {
  if (seconds === 0) return "0 s";
  if (seconds < 1e-3) return `${(seconds * 1e6).toFixed(1)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(1)} ms`;
  if (seconds < 600) return `${seconds.toFixed(2)} s`;
  return `${(seconds / 60).toFixed(1)} min`;
}

function percent(share) {
  return `${(100 * share).toFixed(share && share < 0.1 ? 1 : 0)}%`;
}

function count(number) {
  return number.toLocaleString("en");
}

function counted(number, thing) {
  return `${count(number)} ${thing}${number === 1 ? "" : "s"}`;
}

// Instances of one template differ at their ends.
function shortened(text, length) {
  if (text.length <= length) return text;
  const end = Math.floor(length * 0.55);
  return `${text.slice(0, length - end - 1)}…${text.slice(-end)}`;
}

// element("p", {class: "about"}, "text", child...)
function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function sum(list) {
  return list.reduce((all, each) => all + each, 0);
}
