"use strict";

// Everything that comes from the system goes into the page as text, never as markup.

const POLL_MILLISECONDS = 1000;
const COLOURS = 8;
const WIDTH = 360, HEIGHT = 132, LEFT = 34, TOP = 8, BOTTOM = 16;
const SVG = "http://www.w3.org/2000/svg";
const find = (id) => document.getElementById(id);

let flow = "";
let last = null;

function create(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

function createSvg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// Numbers as text

function short(value) {
  if (value === null || value === undefined) return "–";
  const number = (amount) => amount.toLocaleString("en", { maximumFractionDigits: amount < 10 ? 1 : 0 });
  return value >= 1e6 ? `${number(value / 1e6)} M` : value >= 1e4 ? `${number(value / 1e3)} k` : number(value);
}

function span(seconds) {
  const [size, unit] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([size]) => seconds >= size) ?? [1, "s"];
  const whole = Math.floor(seconds / size);
  const rest = unit === "h" ? Math.floor((seconds % 3600) / 60) : 0;
  return rest ? `${whole} h ${rest} min` : `${whole} ${unit}`;
}

const unit = (metric) => /Duration$/.test(metric) ? " ms" : metric === "TokenAge" ? " s" : "";
const valued = (metric, value) =>
  value === null ? "–" : metric === "TokenAge" ? span(value) : short(value) + unit(metric);

// At a glance

function showTiles(data) {
  const total = (metric, name) => data.charts.find((chart) => chart.metric === metric).series
    .filter((series) => name === undefined || series.name === name)
    .reduce((sum, series) => sum + (series.all.Sum ?? 0), 0);
  const slowest = Math.max(-1, ...data.charts.find((chart) => chart.metric === "Duration").series
    .filter((series) => series.name !== "exchange").map((series) => series.all.p99 ?? -1));
  const handOuts = total("HandOut"), failures = total("Failure");
  const hitPercent = handOuts ? Math.floor(100 * (handOuts - total("HandOut", "exchange")) / handOuts) : null;
  const latched = data.connections
    .filter((connection) => connection.variants.some((variant) => variant.latched)).length;
  find("tiles").replaceChildren(
    tile("hand-outs", short(handOuts)),
    tile("without an exchange", hitPercent === null ? "–" : `${hitPercent} %`),
    tile("exchanges", short(total("Exchange"))),
    tile("failures", short(failures), failures > 0),
    tile("connections latched", short(latched), latched > 0),
    tile("connections held", short(data.connections.filter((connection) => connection.held).length)),
    tile("p99 without an exchange", slowest < 0 ? "–" : `${short(slowest)} ms`),
  );
}

const tile = (name, value, isBad = false) =>
  create("div", { className: "tile" }, create("span", {}, name),
    create("strong", { className: isBad ? "bad" : "" }, value));

// Connections

const bodies = new Map();  // a table body for each connection; its last row stays, with the focus

function showConnections(data) {
  const table = find("states");
  const shown = data.connections.map((connection) => body(connection, data.actions));
  for (const old of [...table.tBodies]) if (!shown.includes(old)) old.remove();
  data.connections.forEach((connection, index) => {
    const part = shown[index], last = part.querySelector(".actions");
    while (part.firstElementChild !== last) part.firstElementChild.remove();
    part.prepend(...rows(connection, data.now));
    if (last) showHold(last, connection.held);
    if (table.tBodies[index] !== part) table.insertBefore(part, table.tBodies[index] ?? null);
  });
}

function body(connection, actionsByFlow) {
  const key = `${connection.flow}/${connection.connection}`;
  const actions = actionsByFlow[connection.flow];
  if (!bodies.has(key)) bodies.set(key, create("tbody", {}, actions ? actionRow(connection, actions) : null));
  return bodies.get(key);
}

const rows = (connection, now) => connection.variants.length
  ? connection.variants.map((variant, index) => row(connection, variant, index, now))
  : [empty(connection)];

const cell = (className, ...children) => create("td", { className }, ...children);
const pill = (name, title = "") => create("span", { className: `pill ${name}`, title }, name);
const held = ({ held: hold }) => hold ? pill("held", `since ${hold.since}, by ${hold.by}: ${hold.reason}`) : null;

const connectionCell = (connection, isRepeated) => isRepeated ? cell("repeated")
  : cell("connection", create("span", { className: "faint" }, `${connection.flow} / `), connection.connection);

function empty(connection) {
  const text = connection.error
    ? create("span", { className: "pill error" }, connection.error)
    : create("span", { className: "faint" }, "no token yet");
  const rest = cell("state", text, held(connection));
  rest.colSpan = 6;
  return create("tr", {}, connectionCell(connection, false), rest);
}

function row(connection, variant, index, now) {
  return create("tr", { className: index ? "same" : "" },
    connectionCell(connection, index > 0),
    cell("variant", ...variantText(variant)),
    cell("state", pill(variant.state), variant.renewing ? pill("renewing") : null,
      variant.latched ? pill("latched") : null, held(connection)),
    cell("expires", life(variant, now)),
    cell("number", String(variant.generation)),
    cell("fingerprint", create("code", {}, variant.fingerprint ?? "–")),
    cell("failure", ...failureText(variant.failure, now)));
}

function variantText(variant) {
  const key = variant.variant === "-" ? "whole connection" : variant.variant.slice(0, 8);
  const flat = Object.entries(variant.context?.parameters ?? variant.context ?? {})
    .filter(([, value]) => value !== null && value !== "");
  if (!flat.length) return [create("span", { className: "faint" }, key)];
  const text = flat.map(([name, value]) =>
    `${name} ${shown(typeof value === "object" ? JSON.stringify(value) : String(value))}`);
  return [create("span", { title: `${key}: ${JSON.stringify(variant.context)}` }, text.join(", "))];
}

const shown = (text) => /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(text) ? `${text.slice(0, 8)}…`
  : text.length > 40 ? `${text.slice(0, 39)}…` : text;

function life(variant, now) {
  const at = (text) => Date.parse(text) / 1000;
  if (!variant.fingerprint) return create("span", { className: "faint" }, "no token");
  const [from, mark, to] = [variant.issued_at, variant.refresh_after, variant.expires_at].map(at);
  const left = to - now, whole = Math.max(1, to - from);
  const part = (seconds) => Math.min(100, Math.max(0, 100 * seconds / whole));
  const bar = createSvg("svg", { viewBox: "0 0 100 5", preserveAspectRatio: "none", "aria-hidden": "true" },
    createSvg("rect", { class: "left", width: part(left), height: 5 }),
    createSvg("rect", { class: "mark", x: part(to - mark), width: .8, height: 5 }));
  const text = left > 0 ? `in ${span(left)}` : `${span(-left)} ago`;
  const title = `issued ${variant.issued_at}, renewed after ${variant.refresh_after}, expires ${variant.expires_at}`;
  return create("div", { className: `life ${variant.state}`, title }, text, bar);
}

function failureText(failure, now) {
  if (!failure) return [create("span", { className: "faint" }, "none")];
  const wait = Date.parse(failure.retry_at) / 1000 - now;
  const since = span(Math.max(0, now - Date.parse(failure.since) / 1000));
  const retry = failure.code === "credential_rejected" ? "" : wait > 0 ? `, again in ${span(wait)}` : ", again with the next call";
  return [create("code", {}, failure.code), create("span", { className: "faint" },
    ` ${failure.count > 1 ? `${failure.count} times ` : ""}for ${since}${retry}`)];
}

// Events

let shownEvents = "";  // without a new event the list stays, with its scroll position and selection

function showEvents(data) {
  find("events-card").hidden = !data.events.length;
  const events = JSON.stringify(data.events);
  if (events === shownEvents) return;
  shownEvents = events;
  find("events").replaceChildren(...data.events.map(({ at, event, flow: name, connection, text }) => create("li", {},
    create("time", { dateTime: new Date(at * 1000).toISOString() }, new Date(at * 1000).toLocaleTimeString("en-GB")),
    pill(event), create("span", { className: "faint" }, `${name} / ${connection} `), text)));
}

// Charts

const colours = new Map();  // a series keeps its colour when others are added to its chart

function colour(chart, name) {
  if (!colours.has(chart.metric)) colours.set(chart.metric, new Map());
  const taken = colours.get(chart.metric);
  if (!taken.has(name)) taken.set(name, `c${taken.size % COLOURS}`);
  return taken.get(name);
}

function card(chart, data) {
  const isCount = chart.statistics.includes("Sum");
  const top = ceiling(Math.max(...tops(chart, isCount, data.points)));
  const svg = createSvg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": chart.title },
    ...frame(chart.metric, top, data), ...(isCount ? bars : lines)(chart, top, data.points));
  return create("figure", { className: "card" }, create("h2", {}, chart.title), svg, legend(chart));
}

function tops(chart, isCount, points) {
  if (!isCount) return [0, ...chart.series.flatMap((series) => Object.values(series.points).flat())];
  return Array.from({ length: points }, (_, index) =>
    chart.series.reduce((sum, series) => sum + (series.points.Sum[index] ?? 0), 0));
}

function ceiling(value) {
  if (value <= 4) return 4;
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map((step) => step * size).find((step) => step >= value);
}

const x = (index, points) => LEFT + (WIDTH - LEFT) * index / points;
const y = (value, top) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);

function frame(metric, top, data) {
  const level = (value) => [
    createSvg("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y(value, top), y2: y(value, top) }),
    createSvg("text", { x: LEFT - 6, y: y(value, top) + 3.5, "text-anchor": "end" }, short(value)),
  ];
  const minutes = Math.round(data.seconds * data.points / 60);
  return [...[0, top / 2, top].flatMap(level),
    createSvg("text", { x: LEFT, y: HEIGHT - 3 }, `${minutes} min ago`),
    createSvg("text", { x: WIDTH, y: HEIGHT - 3, "text-anchor": "end" }, "now")];
}

function bars(chart, top, points) {
  const reached = Array(points).fill(0);
  const width = (WIDTH - LEFT) / points - .8;
  return chart.series.flatMap((series) => series.points.Sum.flatMap((value, index) => {
    if (!value) return [];
    reached[index] += value;
    const height = y(0, top) - y(value, top);
    return [createSvg("rect", { class: colour(chart, series.name), x: x(index, points), y: y(reached[index], top), width, height })];
  }));
}

function lines(chart, top, points) {
  return chart.series.flatMap((series) => chart.statistics.flatMap((statistic, number) => {
    const name = `${colour(chart, series.name)} ${number ? "second" : ""}`;
    return pieces(series.points[statistic]).map((piece) => piece.length > 1
      ? createSvg("polyline", { class: `line ${name}`, points: piece.map(([index, value]) =>
        `${x(index + .5, points)},${y(value, top)}`).join(" ") })
      : createSvg("circle", { class: name, cx: x(piece[0][0] + .5, points), cy: y(piece[0][1], top), r: 1.6 }));
  }));
}

function pieces(values) {
  const found = [];
  values.forEach((value, index) => {
    if (value === null) return;
    if (!index || values[index - 1] === null) found.push([]);
    found.at(-1).push([index, value]);
  });
  return found;
}

function legend(chart) {
  const entry = (series) => create("li", {}, create("i", { className: colour(chart, series.name) }), `${series.name} `,
    ...chart.statistics.flatMap((statistic) => [
      chart.statistics.length > 1 ? create("span", { className: "faint" }, ` ${statistic === "Maximum" ? "max" : statistic} `) : null,
      create("b", {}, valued(chart.metric, series.all[statistic])),
    ]).filter((part) => part !== null));
  return chart.series.length ? create("ul", {}, ...chart.series.map(entry))
    : create("ul", {}, create("li", { className: "faint" }, "none"));
}

// Once a second

function show(data) {
  if (!find("flows").children.length) choose(data.flows);
  showTiles(data);
  showConnections(data);
  showEvents(data);
  showFakes(data);
  find("charts").replaceChildren(...data.charts.map((chart) => card(chart, data)));
}

function choose(flows) {
  const button = (value) => create("button", {
    type: "button", ariaPressed: String(value === flow), textContent: value || "all flows",
    onclick: () => { flow = value; choose(flows); refresh(); },
  });
  find("flows").replaceChildren(...["", ...flows].map(button));
}

async function refresh() {
  const requested = flow;
  try {
    const response = await fetch(`/_dashboard/data?flow=${requested}`, { signal: AbortSignal.timeout(30000) });
    if (!response.ok) throw new Error(String(response.status));
    const data = await response.json();
    if (requested !== flow) return;
    last = data;
    show(data);
    showStatus("on", `live, last ${Math.round(data.seconds * data.points / 60)} minutes`);
  } catch {
    showStatus("off", last ? "no response: these data are old" : "no response");
  }
}

function showStatus(className, text) {
  if (find("live").textContent !== text) find("live").textContent = text;
  find("live").className = className;
}

async function poll() {
  if (!document.hidden) await refresh();
  setTimeout(poll, POLL_MILLISECONDS);
}

poll();
