"use strict";

// What the page can do. Its elements are made once and then changed in place: figures come every
// second, and neither a click nor the focus may be lost to them. This file is loaded before
// `script.js`, whose functions it calls.

const SITUATIONS = {
  "outage (503)": { switch: { faults: [{ kind: "status", status: 503, times: null }] } },
  "refuse (401)": { switch: { faults: [{ kind: "status", status: 401, times: null }] } },
  "revoke tokens": { switch: { revoke: true } },
  "works again": { switch: {}, afresh: true },
};
const TIMES = { once: 1, "3 times": 3, always: null };
const ANY = "any step";

async function post(path, order, output) {
  output.className = "said";
  output.textContent = "…";
  try {
    const response = await fetch(`/_dashboard/${path}`, {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify(order), signal: AbortSignal.timeout(35000),
    });
    const answer = await response.json();
    const status = answer.status ?? response.status;
    output.className = status < 400 ? "said" : "said bad";
    return { ...answer, status };
  } catch {
    output.className = "said bad";
    return { status: "no answer" };
  } finally {
    look();
  }
}

function button(name, act) {
  const element = made("button", { type: "button", textContent: name, onclick: act });
  element.dataset.name = name;
  return element;
}

const group = (label, ...children) =>
  made("div", { className: "buttons", role: "group", ariaLabel: label }, ...children);

// A connection

function orders(connection, actions) {
  const output = made("output", { className: "said" });
  const reason = made("input", { type: "text", maxLength: 200, placeholder: "why hold it?", ariaLabel: "reason for a hold" });
  reason.dataset.name = "reason";
  const order = (action) => button(action, async () => {
    const { flow, connection: name } = connection;
    const why = action === "hold" ? { reason: reason.value.trim() } : {};
    if (why.reason === "") {
      output.className = "said bad";
      output.textContent = "hold: write a reason first; callers are told it";
      reason.focus();
      return;
    }
    const answer = await post("call", { flow, connection: name, action, ...why }, output);
    output.textContent = `${action}: ${words(answer)}`;
    if (action === "hold" && answer.status === 200) reason.value = "";
  });
  reason.onkeydown = ({ key }) => { if (key === "Enter") reason.nextElementSibling.click(); };
  const label = `${connection.flow} / ${connection.connection}`;
  const parts = actions.flatMap((action) => action === "hold" ? [reason, order(action)] : [order(action)]);
  return made("tr", { className: "orders" }, made("td", { colSpan: 7 }, group(label, ...parts), output));
}

function offer(row, held) {
  for (const [name, isHidden] of [["reason", Boolean(held)], ["hold", Boolean(held)], ["lift", !held]]) {
    const element = row.querySelector(`[data-name=${name}]`);
    if (element) element.hidden = isHidden;
  }
}

function words(answer) {
  const plain = ["status", "code", "detail", "message"];
  return Object.entries(answer)
    .filter(([, value]) => value !== false && value !== null)
    .sort(([one], [other]) => (other === "status") - (one === "status"))
    .map(([name, value]) => plain.includes(name) ? String(value)
      : value === true || typeof value === "object" ? name : `${name} ${value}`)
    .join(", ");
}

// The fakes of the vendors

const fakes = new Map();

function vendors(figures) {
  const seen = figures.vendors.filter((vendor) => !flow || vendor.flow === flow);
  find("vendors").hidden = !seen.length;
  for (const vendor of seen) {
    if (!fakes.has(vendor.flow) && !vendor.error) {
      fakes.set(vendor.flow, fake(vendor));
      find("fakes").append(fakes.get(vendor.flow).element);
    }
    fakes.get(vendor.flow)?.update(vendor);
  }
  for (const [name, { element }] of fakes) element.hidden = !seen.some((vendor) => vendor.flow === name);
}

function fake(vendor) {
  const output = made("output", { className: "said" });
  const badges = made("span"), set = made("span", { className: "faint" });
  const turn = async (order) => {
    const answer = await post("switch", { flow: vendor.flow, ...order }, output);
    output.textContent = answer.error ?? answer.message ?? (answer.status === 200 ? "" : String(answer.status));
  };
  let faults = [];
  const choices = modes(vendor, turn);
  const element = made("article", {},
    made("h3", {}, vendor.flow, badges),
    group(vendor.flow, ...Object.entries(SITUATIONS).map(([name, order]) => button(name, () => turn(order)))),
    output, set,
    made("details", {}, made("summary", {}, "more faults"),
      faultForm(vendor, (fault) => turn({ switch: { faults: [...faults, fault] } }))),
    made("details", {}, made("summary", {}, "modes"), made("div", { className: "modes" }, ...choices.labels)));
  return { element, update(now) {
    faults = now.faults ?? [];
    const switched = choices.update(now.modes ?? {});
    badges.replaceChildren(now.error ? pill("error") : faults.length ? pill("fails") : pill("works"),
      ...switched ? [pill("switched")] : []);
    set.textContent = faults.map(faultWords).join("; ");
  } };
}

const faultWords = (fault) => [fault.kind, /^(status|html|answer)/.test(fault.kind) ? fault.status : "",
  fault.seconds ? `${fault.seconds} s` : "", `at ${fault.step ?? ANY},`,
  fault.times === null ? "always" : `${fault.times} more`].filter(String).join(" ");

function picker(name, options, properties = {}) {
  const select = made("select", properties, ...options.map((each) => made("option", {}, each)));
  return { select, label: made("label", {}, name, select) };
}

function number(name, value, properties = {}) {
  const select = made("input", { type: "number", min: 0, value, ...properties });
  return { select, label: made("label", {}, name, select) };
}

function faultForm(vendor, add) {
  const kind = picker("fault", vendor.kinds), step = picker("step", [ANY, ...vendor.steps]);
  const times = picker("how often", Object.keys(TIMES));
  const status = number("status", 503), seconds = number("seconds", 0, { step: "any" });
  const set = button("add", () => add({
    kind: kind.select.value, step: step.select.value === ANY ? null : step.select.value,
    times: TIMES[times.select.value], status: Number(status.select.value), seconds: Number(seconds.select.value),
  }));
  return made("div", { className: "modes" },
    ...[kind, step, times, status, seconds].map((each) => each.label), group("fault", set));
}

function modes(vendor, turn) {
  const settings = Object.entries(vendor.modes).map(([name, { choices }]) => {
    const isListed = Array.isArray(choices);
    const onchange = ({ target }) =>
      turn({ switch: { modes: { [name]: isListed ? target.value : Number(target.value) } } });
    const one = isListed ? picker(name, choices, { onchange }) : number(name, 0, { onchange });
    return { name, usual: isListed ? choices[0] : vendor.modes[name].value, ...one };
  });
  return { labels: settings.map((one) => one.label), update(now) {
    for (const { name, select } of settings) {
      if (name in now && document.activeElement !== select) select.value = now[name].value;
    }
    return settings.some(({ name, usual }) => name in now && now[name].value !== usual);
  } };
}
