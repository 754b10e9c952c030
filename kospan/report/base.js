"use strict";
/* List of examples: filtered, ordered, in pages. The task's script, `task_view`, shows an example. */
const data = JSON.parse(document.getElementById("data").textContent);
const PAGE = 25;
const state = { tests: {}, text: "", order: "place", page: 0 };
const at = (id) => document.getElementById(id);
const selects = document.querySelectorAll("select[data-test]");

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const kind = task_view(data, element);
const examined = data.examples.map((example, place) => ({ example, place }));
let shown = [];

function choose() {
  const tests = state.tests, any = Object.keys(tests).length > 0, needle = state.text.toLowerCase();
  shown = [];
  let count = 0;
  for (const { example, place } of examined) {
    if (needle && !kind.words(example).some((words) => words.toLowerCase().includes(needle))) continue;
    const matches = kind.parts(example, any ? tests : null);
    if (any && !matches.length) continue;
    count += matches.length;
    shown.push({ example, place, matches });
  }
  const key = kind.orders[state.order];
  if (key) {
    const values = new Map(shown.map((item) => [item, key(item)]));
    shown.sort((one, other) => values.get(one) - values.get(other) || one.place - other.place);
  }
  state.page = Math.min(state.page, Math.max(0, Math.ceil(shown.length / PAGE) - 1));
  const words = Object.entries(tests).map(([name, value]) => `${name}: ${value}`).join(", ");
  const [parts, here, all] = [count, shown.length, data.examples.length].map((each) => each.toLocaleString("en"));
  at("chosen").textContent = kind.said(parts, here, all) + (words ? ` (${words})` : "");
  at("all").hidden = !any && !needle;
  draw();
}

function draw() {
  at("list").replaceChildren(
    ...shown.slice(state.page * PAGE, (state.page + 1) * PAGE).map(({ example, matches }) => kind.box(example, matches)));
  const pages = Math.max(1, Math.ceil(shown.length / PAGE));
  at("place").textContent = `${state.page + 1} / ${pages}`;
  at("before").disabled = state.page === 0;
  at("after").disabled = state.page >= pages - 1;
}

function set(tests) {
  state.tests = tests;
  state.page = 0;
  for (const select of selects) select.value = tests[select.dataset.test] ?? "";
  choose();
}

document.querySelectorAll("button.number").forEach((button) => button.addEventListener("click", () => {
  set(JSON.parse(button.dataset.tests));
  at("examples").scrollIntoView();
}));
for (const select of selects) select.addEventListener("change", () => {
  const { [select.dataset.test]: before, ...others } = state.tests;
  /* A side names the span whose group is meant; a group that is selected by hand has none. */
  if (select.dataset.test !== "kind") delete others.side;
  set(select.value ? { ...others, [select.dataset.test]: select.value } : others);
});
at("order").addEventListener("change", () => { state.order = at("order").value; state.page = 0; choose(); });
at("search").addEventListener("input", () => { state.text = at("search").value; state.page = 0; choose(); });
at("all").addEventListener("click", () => { at("search").value = state.text = ""; set({}); });
at("before").addEventListener("click", () => { state.page -= 1; draw(); });
at("after").addEventListener("click", () => { state.page += 1; draw(); });
choose();
