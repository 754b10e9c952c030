"use strict";
/* List of documents with gold and predicted spans. A match is [kind, gold or -1, predicted or -1, boundary,
   materials]; a span is [start, end, label, score, surface]. */
const task_view = (data, element) => {
  const length_group = (span) => data.tops.findIndex((top) => span[1] - span[0] <= top);
  const group = {
    type: (example, span) => span[2],
    length: (example, span) => data.lengths[length_group(span)] ?? data.lengths[data.lengths.length - 1],
    surface: (example, span) => data.surfaces[span[4]],
    source: (example, span) => example.source || "unnamed",
  };
  const right = (match) => data.kinds[match[0]] === "correct";

  function fits(example, match, tests) {
    const [kind, g, p] = match;
    const gold = example.gold[g], found = example.found[p];
    if (tests.kind !== undefined && data.kinds[kind] !== tests.kind) return false;
    if (tests.gold !== undefined && (gold ? gold[2] : "none") !== tests.gold) return false;
    if (tests.predicted !== undefined && (found ? found[2] : "none") !== tests.predicted) return false;
    if (tests.shape !== undefined && (match[3] ?? "") !== tests.shape) return false;
    if (tests.material !== undefined && !(match[4] ?? []).includes(tests.material)) return false;
    for (const name of ["type", "length", "surface", "source"]) {
      if (tests[name] === undefined) continue;
      const inside = (span) => span && group[name](example, span) === tests[name];
      if (tests.side === "gold" ? !inside(gold) : tests.side === "predicted" ? !inside(found)
        : tests.side === "correct" ? !(right(match) && inside(gold)) : !(inside(gold) || inside(found))) return false;
    }
    return true;
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

  function box(example, matches) {
    const made = element("article", "example");
    made.append(element("div", "head", example.id + (example.source ? `  ·  ${example.source}` : "")));
    const off = (index) => new Set(example.matches.filter((match) => !right(match) && match[index] >= 0).map((match) => match[index]));
    for (const [name, spans, index] of [["gold", example.gold, 1], ["predicted", example.found, 2]]) {
      const row = element("div", "row");
      row.append(element("div", "name", name), coloured(example.text, spans, off(index)));
      made.append(row);
    }
    const kinds = element("div", "kinds"), counts = {};
    for (const match of matches) counts[data.kinds[match[0]]] = (counts[data.kinds[match[0]]] ?? 0) + 1;
    for (const [kind, count] of Object.entries(counts)) if (kind !== "correct") kinds.append(element("span", "", `${kind} ${count}`));
    made.append(kinds);
    return made;
  }

  const errors = (item) => item.matches.filter((match) => !right(match));
  return {
    /* The matches of an example that pass the tests. */
    parts: (example, tests) => (tests ? example.matches.filter((match) => fits(example, match, tests)) : example.matches),
    words: (example) => [example.text, example.id],
    orders: {
      errors: (item) => -item.example.matches.filter((match) => !right(match)).length,
      sure: (item) => -Math.max(-1, ...errors(item).filter((match) => match[2] >= 0).map((match) => item.example.found[match[2]][3])),
      unsure: (item) => Math.min(2, ...item.example.found.map((span) => span[3])),
      length: (item) => -item.example.text.length,
    },
    said: (parts, shown, all) => `${parts} spans in ${shown} of ${all} documents`,
    box,
  };
};
