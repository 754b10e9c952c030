"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const PAGE = 25;
const state = { tests: {}, text: "", order: "place", page: 0 };
const at = (id) => document.getElementById(id);

/* A match is [kind, gold or -1, predicted or -1]; a span is [start, end, label, score, surface]. */
const length_group = (span) => data.tops.findIndex((top) => span[1] - span[0] <= top);
const group = {
  type: (example, span) => span[2],
  length: (example, span) => data.lengths[length_group(span)] ?? data.lengths[data.lengths.length - 1],
  surface: (example, span) => data.surfaces[span[4]],
  source: (example, span) => example.source || "unnamed",
};
const side = {
  gold: (example, index) => example.gold[index],
  predicted: (example, index) => example.found[index],
};

function fits(example, match, tests) {
  const [kind, g, p] = match;
  const gold = side.gold(example, g), found = side.predicted(example, p);
  if (tests.kind !== undefined && data.kinds[kind] !== tests.kind) return false;
  if (tests.gold !== undefined && (gold ? gold[2] : "none") !== tests.gold) return false;
  if (tests.predicted !== undefined && (found ? found[2] : "none") !== tests.predicted) return false;
  if (tests.shape !== undefined && (match[3] ?? "") !== tests.shape) return false;
  if (tests.material !== undefined && !(match[4] ?? []).includes(tests.material)) return false;
  for (const name of ["type", "length", "surface", "source"]) {
    if (tests[name] === undefined) continue;
    const inside = (span) => span && group[name](example, span) === tests[name];
    if (tests.side === "gold" ? !inside(gold) : tests.side === "predicted" ? !inside(found)
      : tests.side === "correct" ? !(data.kinds[kind] === "correct" && inside(gold)) : !(inside(gold) || inside(found))) return false;
  }
  return true;
}

const examined = data.examples.map((example, place) => ({ example, place }));
let shown = [];

function choose() {
  const tests = state.tests, any = Object.keys(tests).length > 0, needle = state.text.toLowerCase();
  shown = [];
  let spans = 0;
  for (const { example, place } of examined) {
    if (needle && !example.text.toLowerCase().includes(needle) && !example.id.toLowerCase().includes(needle)) continue;
    const matches = any ? example.matches.filter((match) => fits(example, match, tests)) : example.matches;
    if (any && !matches.length) continue;
    spans += matches.length;
    shown.push({ example, place, matches });
  }
  const errors = (item) => item.example.matches.filter((match) => data.kinds[match[0]] !== "correct").length;
  const surest = (item) => Math.max(-1, ...item.matches.filter((match) => match[2] >= 0 && data.kinds[match[0]] !== "correct")
    .map((match) => item.example.found[match[2]][3]));
  const least = (item) => Math.min(2, ...item.example.found.map((span) => span[3]));
  const keys = { errors: (item) => -errors(item), sure: (item) => -surest(item), unsure: least, length: (item) => -item.example.text.length };
  if (keys[state.order]) {
    const values = new Map(shown.map((item) => [item, keys[state.order](item)]));
    shown.sort((one, other) => values.get(one) - values.get(other) || one.place - other.place);
  }
  state.page = Math.min(state.page, Math.max(0, Math.ceil(shown.length / PAGE) - 1));
  const words = Object.entries(tests).map(([name, value]) => `${name}: ${value}`).join(", ");
  at("chosen").textContent = `${spans.toLocaleString("en")} spans in ${shown.length.toLocaleString("en")} of ` +
    `${data.examples.length.toLocaleString("en")} documents` + (words ? ` (${words})` : "");
  at("all").hidden = !any && !needle;
  draw();
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function coloured(text, spans, wrong) {
  /* Offsets count Unicode characters; JavaScript's strings count UTF-16 units. */
  const characters = Array.from(text), line = element("div", "text");
  let reached = 0;
  spans.map((span, index) => [span, index]).sort((one, other) => one[0][0] - other[0][0]).forEach(([span, index]) => {
    line.append(characters.slice(reached, span[0]).join(""));
    const colour = data.colours[span[2]] ?? ["#e8ebf0", "#5b6577"];
    const mark = element("mark", wrong.has(index) ? "wrong" : "", characters.slice(span[0], span[1]).join(""));
    mark.style.background = colour[0];
    const label = element("span", "label", span[2]);
    label.style.background = colour[1];
    mark.append(label);
    if (span[3] !== null && span[3] !== undefined) mark.title = `${span[2]} ${span[3].toFixed(3)}`;
    line.append(mark);
    reached = span[1];
  });
  line.append(characters.slice(reached).join(""));
  return line;
}

function draw() {
  const list = at("list");
  list.replaceChildren();
  for (const { example, matches } of shown.slice(state.page * PAGE, (state.page + 1) * PAGE)) {
    const box = element("article", "example");
    box.append(element("div", "head", example.id + (example.source ? `  ·  ${example.source}` : "")));
    const off = (index) => new Set(example.matches.filter((match) => data.kinds[match[0]] !== "correct" && match[index] >= 0).map((match) => match[index]));
    for (const [name, spans, index] of [["gold", example.gold, 1], ["predicted", example.found, 2]]) {
      const row = element("div", "row");
      row.append(element("div", "name", name), coloured(example.text, spans, off(index)));
      box.append(row);
    }
    const kinds = element("div", "kinds"), counts = {};
    for (const match of matches) counts[data.kinds[match[0]]] = (counts[data.kinds[match[0]]] ?? 0) + 1;
    for (const [kind, count] of Object.entries(counts)) if (kind !== "correct") kinds.append(element("span", "", `${kind} ${count}`));
    box.append(kinds);
    list.append(box);
  }
  const pages = Math.max(1, Math.ceil(shown.length / PAGE));
  at("place").textContent = `${state.page + 1} / ${pages}`;
  at("before").disabled = state.page === 0;
  at("after").disabled = state.page >= pages - 1;
}

function set(tests) {
  state.tests = tests;
  state.page = 0;
  at("kind").value = tests.kind ?? "";
  at("type").value = tests.type ?? "";
  choose();
}

document.querySelectorAll("button.number").forEach((button) => button.addEventListener("click", () => {
  set(JSON.parse(button.dataset.tests));
  at("examples").scrollIntoView();
}));
at("kind").addEventListener("change", () => {
  const { kind, ...others } = state.tests;
  set(at("kind").value ? { ...others, kind: at("kind").value } : others);
});
at("type").addEventListener("change", () => {
  const { type, side, ...others } = state.tests;
  set(at("type").value ? { ...others, type: at("type").value } : others);
});
at("order").addEventListener("change", () => { state.order = at("order").value; state.page = 0; choose(); });
at("search").addEventListener("input", () => { state.text = at("search").value; state.page = 0; choose(); });
at("all").addEventListener("click", () => { at("search").value = state.text = ""; set({}); });
at("before").addEventListener("click", () => { state.page -= 1; draw(); });
at("after").addEventListener("click", () => { state.page += 1; draw(); });
choose();
