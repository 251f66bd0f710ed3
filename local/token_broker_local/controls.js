"use strict";

// What the page can do. Its elements are created once and then changed in place: data comes every
// second, and must not cost a click or the focus. This file is loaded before
// `script.js`, whose functions it calls.

const SITUATIONS = {
  "outage (503)": { switch: { faults: [{ kind: "status", status: 503, times: null }] } },
  "refuse (401)": { switch: { faults: [{ kind: "status", status: 401, times: null }] } },
  "revoke tokens": { switch: { revoke: true } },
  "works again": { switch: {}, reset: true },
};
const TIMES = { once: 1, "3 times": 3, always: null };
const ANY = "any step";

async function post(path, command, output) {
  output.className = "output";
  output.textContent = "…";
  try {
    const response = await fetch(`/_dashboard/${path}`, {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify(command), signal: AbortSignal.timeout(35000),
    });
    const answer = await response.json();
    const status = answer.status ?? response.status;
    output.className = status < 400 ? "output" : "output bad";
    return { ...answer, status };
  } catch {
    output.className = "output bad";
    return { status: "no answer" };
  } finally {
    refresh();
  }
}

function button(name, act) {
  const element = create("button", { type: "button", textContent: name, onclick: act });
  element.dataset.name = name;
  return element;
}

const group = (label, ...children) =>
  create("div", { className: "buttons", role: "group", ariaLabel: label }, ...children);

// A connection

function actionRow(connection, actions) {
  const output = create("output", { className: "output" });
  const reason = create("input", { type: "text", maxLength: 200, placeholder: "why hold it?", ariaLabel: "reason for a hold" });
  reason.dataset.name = "reason";
  const actionButton = (action) => button(action, async () => {
    const { flow, connection: name } = connection;
    const body = action === "hold" ? { reason: reason.value.trim() } : {};
    if (body.reason === "") {
      output.className = "output bad";
      output.textContent = "hold: write a reason first; callers see it";
      reason.focus();
      return;
    }
    const answer = await post("call", { flow, connection: name, action, ...body }, output);
    output.textContent = `${action}: ${resultText(answer)}`;
    if (action === "hold" && answer.status === 200) reason.value = "";
  });
  reason.onkeydown = ({ key }) => { if (key === "Enter") reason.nextElementSibling.click(); };
  const label = `${connection.flow} / ${connection.connection}`;
  const parts = actions.flatMap((action) => action === "hold" ? [reason, actionButton(action)] : [actionButton(action)]);
  return create("tr", { className: "actions" }, create("td", { colSpan: 7 }, group(label, ...parts), output));
}

function showHold(row, held) {
  for (const [name, isHidden] of [["reason", Boolean(held)], ["hold", Boolean(held)], ["lift", !held]]) {
    const element = row.querySelector(`[data-name=${name}]`);
    if (element) element.hidden = isHidden;
  }
}

function resultText(answer) {
  const unnamed = ["status", "code", "detail", "message"];
  return Object.entries(answer)
    .filter(([, value]) => value !== false && value !== null)
    .sort(([a], [b]) => (b === "status") - (a === "status"))
    .map(([name, value]) => unnamed.includes(name) ? String(value)
      : value === true || typeof value === "object" ? name : `${name} ${value}`)
    .join(", ");
}

// The fakes of the vendors

const fakes = new Map();

function showFakes(data) {
  const shown = data.fakes.filter((vendor) => !flow || vendor.flow === flow);
  find("vendors").hidden = !shown.length;
  for (const vendor of shown) {
    if (!fakes.has(vendor.flow) && !vendor.error) {
      fakes.set(vendor.flow, createFake(vendor));
      find("fakes").append(fakes.get(vendor.flow).element);
    }
    fakes.get(vendor.flow)?.update(vendor);
  }
  for (const [name, { element }] of fakes) element.hidden = !shown.some((vendor) => vendor.flow === name);
}

function createFake(vendor) {
  const output = create("output", { className: "output" });
  const badges = create("span"), list = create("span", { className: "faint" });
  const apply = async (command) => {
    const answer = await post("switch", { flow: vendor.flow, ...command }, output);
    output.textContent = answer.error ?? answer.message ?? (answer.status === 200 ? "" : String(answer.status));
  };
  let faults = [];
  const choices = modes(vendor, apply);
  const element = create("article", {},
    create("h3", {}, vendor.flow, badges),
    group(vendor.flow, ...Object.entries(SITUATIONS).map(([name, command]) => button(name, () => apply(command)))),
    output, list,
    create("details", {}, create("summary", {}, "more faults"),
      faultForm(vendor, (fault) => apply({ switch: { faults: [...faults, fault] } }))),
    create("details", {}, create("summary", {}, "modes"), create("div", { className: "modes" }, ...choices.labels)));
  return { element, update(state) {
    faults = state.faults ?? [];
    const switched = choices.update(state.modes ?? {});
    badges.replaceChildren(state.error ? pill("error") : faults.length ? pill("fails") : pill("works"),
      ...switched ? [pill("switched")] : []);
    list.textContent = faults.map(faultText).join("; ");
  } };
}

const faultText = (fault) => [fault.kind, /^(status|html|answer)/.test(fault.kind) ? fault.status : "",
  fault.seconds ? `${fault.seconds} s` : "", `at ${fault.step ?? ANY},`,
  fault.times === null ? "always" : `${fault.times} more`].filter(String).join(" ");

function picker(name, options, properties = {}) {
  const select = create("select", properties, ...options.map((option) => create("option", {}, option)));
  return { select, label: create("label", {}, name, select) };
}

function number(name, value, properties = {}) {
  const select = create("input", { type: "number", min: 0, value, ...properties });
  return { select, label: create("label", {}, name, select) };
}

function faultForm(vendor, add) {
  const kind = picker("fault", vendor.kinds), step = picker("step", [ANY, ...vendor.steps]);
  const times = picker("how often", Object.keys(TIMES));
  const status = number("status", 503), seconds = number("seconds", 0, { step: "any" });
  const set = button("add", () => add({
    kind: kind.select.value, step: step.select.value === ANY ? null : step.select.value,
    times: TIMES[times.select.value], status: Number(status.select.value), seconds: Number(seconds.select.value),
  }));
  return create("div", { className: "modes" },
    ...[kind, step, times, status, seconds].map((field) => field.label), group("fault", set));
}

function modes(vendor, apply) {
  const settings = Object.entries(vendor.modes).map(([name, { choices }]) => {
    const isListed = Array.isArray(choices);
    const onchange = ({ target }) =>
      apply({ switch: { modes: { [name]: isListed ? target.value : Number(target.value) } } });
    const field = isListed ? picker(name, choices, { onchange }) : number(name, 0, { onchange });
    return { name, initial: isListed ? choices[0] : vendor.modes[name].value, ...field };
  });
  return { labels: settings.map((field) => field.label), update(state) {
    for (const { name, select } of settings) {
      if (name in state && document.activeElement !== select) select.value = state[name].value;
    }
    return settings.some(({ name, initial }) => name in state && state[name].value !== initial);
  } };
}
