"use strict";
/* List of texts, or pairs of texts, with gold class or value and the predicted one, [class, score]. */
const task_view = (data, element) => {
  const SHORT = 320;
  const group = {
    kind: (example) => data.kinds[example.kind],
    "text length": (example) => data.lengths[example.length],
    source: (example) => example.source || "unnamed",
    gold: (example) => example.gold,
    predicted: (example) => (example.found ? example.found[0] : "none"),
  };
  const right = (example) => !data.values && data.kinds[example.kind] === "correct";

  /* A class counts if it is gold, predicted or both, as the clicked number says. */
  function of_class(example, value, side) {
    const gold = example.gold === value, found = group.predicted(example) === value;
    return side === "gold" ? gold : side === "predicted" ? found : side === "correct" ? gold && found : gold || found;
  }
  const fits = (example, tests) => Object.entries(tests).every(([name, value]) =>
    name === "side" || (name === "class" ? of_class(example, value, tests.side) : group[name](example) === value));

  function whole(text) {
    const line = element("div", "text context"), all = Array.from(text);
    if (all.length <= SHORT + 80) { line.textContent = text; return line; }
    line.append(all.slice(0, SHORT).join(""));
    const button = element("button", "fold", `… ${(all.length - SHORT).toLocaleString("en")} characters …`);
    button.addEventListener("click", () => button.replaceWith(all.slice(SHORT).join("")));
    line.append(button);
    return line;
  }

  function said(name, label, more, wrong) {
    const line = element("div", "answer");
    line.append(element("span", "name", name));
    const shown = element("span", `surface ${name === "gold" ? "gold" : wrong ? "miss" : "hit"}`, String(label));
    line.append(shown);
    if (more) line.append(element("span", "soft", more));
    return line;
  }

  function box(example) {
    const made = element("article", "example"), labels = element("div", "answers");
    const words = [example.id, example.source, `${group["text length"](example)} characters`];
    made.append(element("div", "head", words.filter(Boolean).join("  ·  ")));
    labels.append(said("gold", example.gold, ""));
    if (data.values) labels.append(said("found", example.found[1].toFixed(3), `off by ${example.error.toFixed(3)}`, true));
    else if (example.found) labels.append(said("found", example.found[0], `probability ${example.found[1].toFixed(3)}`, !right(example)));
    else labels.append(said("found", "none", "", true));
    made.append(labels);
    made.append(whole(example.text));
    if (example.pair) made.append(whole(example.pair));
    const kinds = element("div", "kinds");
    if (!right(example)) kinds.append(element("span", "", group.kind(example)));
    made.append(kinds);
    return made;
  }

  return {
    parts: (example, tests) => (!tests || fits(example, tests) ? [example] : []),
    words: (example) => [example.text, example.pair, example.id],
    orders: {
      worst: (item) => -item.example.error,
      sure: (item) => (right(item.example) ? 1 : item.example.found ? -item.example.found[1] : 0),
      unsure: (item) => (item.example.found ? item.example.found[1] : 2),
      length: (item) => -item.example.text.length,
    },
    said: (parts, shown, all) => `${shown} of ${all} texts`,
    box,
  };
};
