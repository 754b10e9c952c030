"use strict";
/* List of questions with their texts, gold answers [start, end] and the predicted one [start, end, score].
   Offsets count Unicode characters; JavaScript's strings count UTF-16 units. */
const task_view = (data, element) => {
  const AROUND = 110, SHORT = 420, WORTH = 90;
  const characters = new Map();
  const text_of = (example) => data.texts[example.text];
  const split = (example) => {
    if (!characters.has(example.text)) characters.set(example.text, Array.from(text_of(example)));
    return characters.get(example.text);
  };
  const group = {
    kind: (example) => data.kinds[example.kind],
    "question word": (example) => data.words[example.word],
    "answer length": (example) => data.lengths[example.length],
    answer: (example) => data.seen[example.seen],
    source: (example) => example.source || "unnamed",
    particle: (example) => example.particle,
  };
  const fits = (example, tests) =>
    Object.entries(tests).every(([name, value]) => name === "side" || group[name](example) === value);
  const right = (example) => data.kinds[example.kind] === "exact";
  const said = (example, [start, end]) => split(example).slice(start, end).join("");

  /* Parts of the text that are not folded, [start, end]: around every answer, joined if they are close. */
  function kept(example) {
    const length = split(example).length;
    if (length <= SHORT) return [[0, length]];
    const places = [...example.gold, ...(example.found ? [example.found] : [])];
    const wanted = places.map(([start, end]) => [Math.max(0, start - AROUND), Math.min(length, end + AROUND)]);
    if (!wanted.length) wanted.push([0, 2 * AROUND]);
    wanted.sort((one, other) => one[0] - other[0]);
    const found = [];
    for (const [start, end] of wanted) {
      const last = found[found.length - 1];
      if (last && start - last[1] < WORTH) last[1] = Math.max(last[1], end);
      else found.push([start, end]);
    }
    if (found[0][0] < WORTH) found[0][0] = 0;
    if (length - found[found.length - 1][1] < WORTH) found[found.length - 1][1] = length;
    return found;
  }

  /* A part of a text with its answers marked; characters of two answers have both marks. */
  function marked(example, from, to) {
    const made = document.createDocumentFragment(), all = split(example);
    const inside = ([start, end]) => start < to && end > from;
    const gold = example.gold.filter(inside), found = example.found && inside(example.found) ? [example.found] : [];
    const cuts = new Set([from, to]);
    for (const [start, end] of [...gold, ...found]) { cuts.add(Math.max(from, start)); cuts.add(Math.min(to, end)); }
    const places = [...cuts].sort((one, other) => one - other);
    places.slice(0, -1).forEach((start, index) => {
      const end = places[index + 1], words = all.slice(start, end).join("");
      const covers = (span) => span[0] <= start && span[1] >= end;
      const names = [...(gold.some(covers) ? ["gold"] : []), ...(found.some(covers) ? [right(example) ? "hit" : "miss"] : [])];
      if (!names.length) { made.append(words); return; }
      const mark = element("mark", names.join(" "), words);
      mark.title = names.map((name) => ({ gold: "gold answer", hit: "found answer", miss: "found answer, wrong" })[name]).join(", ");
      made.append(mark);
    });
    return made;
  }

  function context(example) {
    const line = element("div", "text context"), length = split(example).length;
    const fold = (from, to) => {
      if (from >= to) return;
      const button = element("button", "fold", `… ${(to - from).toLocaleString("en")} characters …`);
      button.addEventListener("click", () => button.replaceWith(marked(example, from, to)));
      line.append(button);
    };
    let reached = 0;
    for (const [start, end] of kept(example)) {
      fold(reached, start);
      line.append(marked(example, start, end));
      reached = end;
    }
    fold(reached, length);
    return line;
  }

  function answers(example) {
    const made = element("div", "answers"), surfaces = [...new Set(example.gold.map((span) => said(example, span)))];
    const row = (name, className, words, more) => {
      const line = element("div", "answer");
      line.append(element("span", "name", name));
      for (const each of words) line.append(element("span", className, each));
      if (more) line.append(element("span", "soft", more));
      made.append(line);
    };
    row("gold", surfaces.length ? "surface gold" : "soft", surfaces.length ? surfaces : ["no answer"]);
    const metrics = Object.entries(example.metrics).filter(([name]) => name !== "exact_match")
      .map(([name, value]) => `${name === "f1" ? "F1" : name.replace("_", " ")} ${value.toFixed(2)}`).join(", ");
    const sure = example.found ? `confidence ${example.found[2].toFixed(3)}, ` : "";
    row("found", example.found ? `surface ${right(example) ? "hit" : "miss"}` : "soft",
      [example.found ? said(example, example.found) : "no answer"], sure + metrics);
    return made;
  }

  function box(example) {
    const made = element("article", "example");
    const words = [example.id, example.source, group["question word"](example), `${group["answer length"](example)} characters`];
    made.append(element("div", "head", words.filter(Boolean).join("  ·  ")), element("div", "question", example.question));
    made.append(answers(example), context(example));
    const kinds = element("div", "kinds");
    if (!right(example)) kinds.append(element("span", "", group.kind(example)));
    if (example.particle) kinds.append(element("span", "", "a particle alone"));
    made.append(kinds);
    return made;
  }

  return {
    parts: (example, tests) => (!tests || fits(example, tests) ? [example] : []),
    words: (example) => [example.question, text_of(example), example.id],
    orders: {
      worst: (item) => item.example.metrics.f1,
      sure: (item) => (right(item.example) ? 1 : item.example.found ? -item.example.found[2] : 0),
      unsure: (item) => (item.example.found ? item.example.found[2] : 2),
      length: (item) => -text_of(item.example).length,
    },
    said: (parts, shown, all) => `${shown} of ${all} questions`,
    box,
  };
};
