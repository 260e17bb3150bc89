"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// What is shown is always text, never markup.
function make(tag, text, parent, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  if (parent) parent.append(element);
  return element;
}

function say(value, digits = 6) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  const rounded = Number(value.toPrecision(digits));
  return Math.abs(rounded) < 1e-3 ? rounded.toExponential() : String(rounded);
}

// The table of all trials: sorted by a click on a title, filtered by words and comparisons.
const { columns, rows, lines } = data.table;
rows.forEach((row, i) => { row.line = lines[i]; });
const numeric = columns.map((_, i) => rows.every((r) => r[i] === null || typeof r[i] === "number"));
let sorted = { column: 0, falls: false }, shown = 100, brushed = null;
const input = make("input", undefined, $("table"));
input.type = "search";
input.placeholder = `filter: failed, ${columns[1 + columns.indexOf("status")]} > 0.9 …`;
input.setAttribute("aria-label", "Filter the trials");
const count = make("p", "", $("table"), "note");
const grid = make("table", undefined, make("div", undefined, $("table"), "scroll"));
const more = make("button", "", $("table"), "more");
input.addEventListener("input", () => { shown = 100; table(); });
more.addEventListener("click", () => { shown += 1000; table(); });

const close = (text) => text.replace(/\s+/g, "");  // a list may be written closely

function condition(text) {
  const tests = [];
  const compared = /(\S+)\s*(<=|>=|!=|==|=|<|>)\s*(\[[^\]]*\]|[^\s,]+)/g;
  const rest = text.replace(compared, (whole, name, sign, value) => {
    const column = columns.indexOf(name);
    if (column < 0) return whole;
    const number = value !== "" && !Number.isNaN(Number(value)) && numeric[column];
    tests.push((row) => {
      const found = row[column], wanted = number ? Number(value) : close(value);
      if (found === null) return false;
      const here = number ? found : close(String(found));
      return { "<": here < wanted, ">": here > wanted, "<=": here <= wanted, ">=": here >= wanted,
        "=": here === wanted, "==": here === wanted, "!=": here !== wanted }[sign];
    });
    return " ";
  });
  for (const word of rest.toLowerCase().split(/[\s,]+/).filter(Boolean))
    tests.push((row) => row.some((cell) => cell !== null && say(cell).toLowerCase().includes(word)));
  return (row) => tests.every((test) => test(row));
}

function table() {
  const holds = condition(input.value);
  const found = rows.filter((row) => holds(row) && (brushed === null || brushed.has(row.line)));
  const { column, falls } = sorted;
  found.sort((a, b) => {
    const x = a[column], y = b[column];
    if (x === null || y === null) return (x === null) - (y === null);
    const order = numeric[column] ? x - y : String(x).localeCompare(String(y));
    return falls ? -order : order;
  });
  grid.replaceChildren();
  const head = make("tr", undefined, grid);
  columns.forEach((name, i) => {
    const cell = make("th", undefined, head, numeric[i] ? "number" : "");
    cell.setAttribute("aria-sort", i !== column ? "none" : falls ? "descending" : "ascending");
    const arrow = i === column ? (falls ? " ↓" : " ↑") : "";
    make("button", name + arrow, cell).addEventListener("click", () => {
      sorted = { column: i, falls: i === column && !falls };
      table();
    });
  });
  const bad = columns.indexOf("status");
  for (const row of found.slice(0, shown)) {
    const line = make("tr", undefined, grid);
    row.forEach((value, i) => {
      const failed = i === bad && /fail|memory|timed|unread/.test(value);
      const cell = make("td", say(value), line, failed ? "bad" : numeric[i] ? "number" : "");
      if (typeof value === "string" && value.length > 30) cell.title = value;
    });
  }
  const how = brushed === null ? "" : ", as chosen in the parallel coordinates";
  count.textContent = `${found.length} of ${rows.length} trials${how}`;
  more.hidden = found.length <= shown;
  more.textContent = `show more (${Math.min(shown, found.length)} of ${found.length})`;
}
table();

// Parameters, value by value.
const values = make("div", undefined, $("values"), "values");
if (!data.values.length) values.textContent = "No parameter has several values to compare.";
for (const { name, rows: groups } of data.values) {
  const box = make("div", undefined, values);
  make("h3", name, box);
  const small = make("table", undefined, make("div", undefined, box, "scroll"));
  const head = make("tr", undefined, small);
  ["value", "trials", "failed", "median", "mean", "best"].forEach((t, i) => make("th", t, head, i && "number"));
  groups.forEach((row, place) => {
    const line = make("tr", undefined, small, !place && row[3] !== null ? "best" : "");
    row.forEach((cell, i) => make("td", say(cell, 4), line, i === 2 && cell ? "number bad" : i ? "number" : ""));
  });
}

// Parallel coordinates, on a canvas: plotly's need to make code of text, which the policy forbids.
const plain = (text) =>
  String(text).replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
const SCALE = ["#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"].map((text) =>
  [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16)));

function shade(part) {
  const at = Math.min(Math.max(part, 0), 1) * (SCALE.length - 1);
  const low = Math.min(Math.floor(at), SCALE.length - 2);
  return SCALE[low].map((v, i) => Math.round(v + (SCALE[low + 1][i] - v) * (at - low)));
}

function parallel(place, { dimensions, line }) {
  const canvas = make("canvas", undefined, place);
  make("p", `${line.color.length} trials with a number. Drag along an axis to choose some (the table
    below follows); a click there ends it.`, place.parentElement, "note");
  const brush = new Map();
  const top = 64, bottom = 16, height = 400;
  let width = 0, from = null;
  const x = (i) => 60 + (i * (width - 120)) / Math.max(dimensions.length - 1, 1);
  const y = ({ range: [low, high] }, value) =>
    height - bottom - ((value - low) / (high - low)) * (height - top - bottom);
  const chosen = (i) => [...brush].every(([d, [a, b]]) => {
    const at = y(dimensions[d], dimensions[d].values[i]);
    return at >= a - 1 && at <= b + 1;
  });
  const shorten = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);

  function draw() {
    const pixels = window.devicePixelRatio || 1;
    width = Math.max(place.clientWidth, 96 * dimensions.length + 24);
    canvas.width = width * pixels;
    canvas.height = height * pixels;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(pixels, pixels);
    const many = line.color.length, alpha = many > 500 ? 0.25 : many > 100 ? 0.5 : 0.8;
    for (const pass of brush.size ? [false, true] : [true])
      for (let i = 0; i < many; i++) {
        if (brush.size && chosen(i) !== pass) continue;
        let part = (line.color[i] - line.cmin) / (line.cmax - line.cmin);
        if (line.reversescale) part = 1 - part;
        pen.strokeStyle = pass ? `rgba(${shade(part)},${alpha})` : "rgba(128,128,128,0.12)";
        pen.lineWidth = pass ? 1.5 : 1;
        pen.beginPath();
        dimensions.forEach((d, k) => pen.lineTo(x(k), y(d, d.values[i])));
        pen.stroke();
      }
    dimensions.forEach((d, k) => {
      pen.strokeStyle = colour("--faint");
      pen.lineWidth = 1;
      pen.strokeRect(x(k), top, 0.5, height - top - bottom);
      pen.font = "600 12px system-ui, sans-serif";
      pen.textAlign = "center";
      pen.fillStyle = colour("--ink");
      pen.fillText(shorten(plain(d.label), 15), x(k), k % 2 ? 38 : 20);
      pen.font = "11px system-ui, sans-serif";
      pen.textAlign = "left";
      d.tickvals.forEach((value, t) => {
        const text = shorten(plain(d.ticktext[t]), 10);
        pen.lineWidth = 3;
        pen.strokeStyle = colour("--card");
        pen.strokeText(text, x(k) + 5, y(d, value) + 4);
        pen.fillText(text, x(k) + 5, y(d, value) + 4);
      });
      if (brush.has(k)) {
        const [a, b] = brush.get(k);
        pen.fillStyle = colour("--accent");
        pen.globalAlpha = 0.35;
        pen.fillRect(x(k) - 7, a, 14, b - a);
        pen.globalAlpha = 1;
      }
    });
  }
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    const [left, down] = at(event);
    const near = dimensions.findIndex((_, k) => Math.abs(x(k) - left) < 20);
    if (near < 0) return;
    from = [near, down];
    brush.delete(near);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from) return;
    const down = at(event)[1];
    if (Math.abs(down - from[1]) > 3)
      brush.set(from[0], [Math.min(down, from[1]), Math.max(down, from[1])]);
    draw();
  });
  const done = () => {
    if (!from) return;
    from = null;
    const numbers = dimensions.find((d) => d.label === "trial").values;
    brushed = brush.size ? new Set(numbers.filter((_, i) => chosen(i))) : null;
    draw();
    table();
  };
  canvas.addEventListener("pointerup", done);
  canvas.addEventListener("pointercancel", done);
  new ResizeObserver(draw).observe(place);
  return draw;
}

// The figures, each when it comes near the window, in the colours that the reader prefers.
const redraw = [];

function themed(figure) {
  const ink = colour("--ink"), line = colour("--line"), narrow = window.innerWidth < 600;
  const layout = { ...figure.layout, title: undefined, paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: narrow ? 11 : 12 },
    margin: { l: 50, r: narrow ? 8 : 24, t: 16, b: 48 }, autosize: true,
    hoverlabel: { align: "left", font: { size: 12 } } };
  layout.legend = narrow ? { orientation: "h", y: -0.25 } : { y: 1 };
  for (const name of Object.keys(layout))
    if (/^[xy]axis/.test(name))
      layout[name] = { ...layout[name], gridcolor: line, zerolinecolor: line, linecolor: line };
  if (narrow && layout.xaxis2) {
    // Slices stand below each other.
    const all = Object.keys(layout).filter((name) => name.startsWith("xaxis"));
    layout.height = 240 * all.length;
    all.forEach((name, i) => {
      const part = 1 / all.length, end = 1 - i * part;
      layout[name].domain = [0, 1];
      const side = name.replace("x", "y");
      layout[side] = { ...layout[side], domain: [end - part * 0.65, end], showticklabels: true };
    });
  }
  if (narrow) figure.data.forEach((trace) => trace.colorbar && (trace.colorbar.thickness = 10));
  return layout;
}

function draw(name, figure) {
  const place = $(`figure-${name}`);
  const config = { displaylogo: false, responsive: true, typesetMath: false,
    modeBarButtonsToRemove: ["sendDataToCloud", "lasso2d", "select2d"] };
  const paint = () => Plotly.react(place, figure.data, themed(figure), config);
  redraw.push(paint);
  return paint();
}

async function unpack() {
  const packed = Uint8Array.from(atob($("plotly").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  make("script", await new Response(stream).text(), document.head);
}

async function start() {
  const waiting = [];
  for (const [name, figure] of Object.entries(data.figures)) {
    const place = $(`figure-${name}`);
    if (typeof figure === "string") make("p", figure, place, "note");
    else {
      place.classList.add("drawn");
      if (name === "parallel_coordinates") redraw.push(parallel(place, figure.data[0]));
      else waiting.push([name, figure, place]);
    }
  }
  if (!waiting.length) return;
  try {
    await unpack();
  } catch (error) {
    for (const [, , place] of waiting)
      make("p", `This browser cannot unpack the figures (${error.message}).`, place, "note");
    return;
  }
  const seen = new IntersectionObserver((found) => {
    for (const { target, isIntersecting } of found)
      if (isIntersecting) {
        seen.unobserve(target);
        draw(...waiting.find((item) => item[2] === target));
      }
  }, { rootMargin: "600px" });
  waiting.forEach((item) => seen.observe(item[2]));
  window.addEventListener("beforeprint", () => waiting.forEach((item) => draw(...item)));
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw.forEach((d) => d()));
start();
