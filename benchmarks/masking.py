"""Recall and precision of masking, round trip of aliases, and particles after aliases.

    python benchmarks/masking.py --model outputs/klue --data parts/report.tsv [--out docs/benchmarks/masking.md]

MODEL is the folder of a KLUE-NER model that `kospan train` wrote, with the operating points recall-0.9 and recall-0.95
(`kospan calibrate --recall 0.9,0.95`), DATA are sentences that it was neither trained nor calibrated on. Needs the
extra `mask`.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import yaml

from kospan.data.corpus import read_examples
from kospan.example import Example
from kospan.masking.aliases import AliasTable
from kospan.masking.labels import NOTICE
from kospan.masking.masker import Masked, Masker
from kospan.masking.synthetic import synthetic_examples
from kospan.modeling.spans import Span

POINTS = ("none", "recall-0.9", "recall-0.95")
# Another seed than that of the tests, with which the rules were written.
COUNT, SEED = 1200, 1
# Forms after a consonant, a vowel and ㄹ. The sound of a number by its last digit: 1 일, 7 칠, 8 팔 end in ㄹ; 2 이,
# 4 사, 5 오, 9 구 in a vowel; others, and tens, in another consonant.
FORMS = {"은": ("은", "는", "은"), "이": ("이", "가", "이"), "을": ("을", "를", "을"), "과": ("과", "와", "과")}
FORMS["으로"] = ("으로", "로", "로")
# Names that end in a consonant, a vowel and ㄹ, and the row of FORMS that each takes.
FAMILY, GIVEN = "김이박최정강조윤장임", (("수민", 0), ("민수", 1), ("가을", 2), ("하린", 0))


def counts(examples: Sequence[Example], masked: Sequence[Masked]) -> dict[str, Counter]:
    """Gold spans, completely masked ones, and correct and wrong regions, by label."""
    found: dict[str, Counter] = {}
    for example, each in zip(examples, masked):
        covered = {at for edit in each.edits for at in range(edit.start, edit.end)}
        regions = {(edit.start, edit.end, edit.label) for edit in each.edits}
        gold = {span[:3] for span in example.spans}
        for start, end, label in gold:
            row = found.setdefault(label, Counter())
            row["gold"] += 1
            row["masked"] += all(at in covered or example.text[at].isspace() for at in range(start, end))
        for region in regions:
            found.setdefault(region[2], Counter())["right" if region in gold else "wrong"] += 1
    return dict(sorted(found.items()))


def characters(examples: Sequence[Example], masked: Sequence[Masked]) -> tuple[float, float, float]:
    """Recall and precision of masked characters, and their share of the text; white space does not count."""
    gold = right = hidden = total = 0
    for example, each in zip(examples, masked):
        places = {at for at, character in enumerate(example.text) if not character.isspace()}
        wanted = {at for span in example.spans for at in range(span.start, span.end)} & places
        covered = {at for edit in each.edits for at in range(edit.start, edit.end)} & places
        gold, right, hidden = gold + len(wanted), right + len(wanted & covered), hidden + len(covered)
        total += len(places)
    return right / gold, right / max(1, hidden), hidden / total


def table(rows: dict[str, Counter]) -> list[str]:
    """Markdown of `counts`."""
    lines = ["| label | gold spans | completely masked | regions | equal to a gold span |", "|---|---|---|---|---|"]
    for label, row in rows.items():
        regions = row["right"] + row["wrong"]
        recall = f"{row['masked']:,} ({row['masked'] / row['gold']:.3f})" if row["gold"] else "-"
        precision = f"{row['right']:,} ({row['right'] / regions:.3f})" if regions else "-"
        lines.append(f"| {label} | {row['gold']:,} | {recall} | {regions:,} | {precision} |")
    return [*lines, ""]


def synthetic(model: str) -> list[str]:
    """Masking of the synthetic set."""
    examples = synthetic_examples(COUNT, SEED)
    texts = [example.text for example in examples]
    lines = [
        "## Synthetic set",
        "",
        f"{COUNT:,} sentences ({len(set(texts)):,} different), seed {SEED}, of `kospan/masking/synthetic.py`. "
        "Templates and rules have the same authors, and values follow the public formats: the scores show that the "
        "rules work as described, not how well they work on other texts. No rule covers phone numbers in Hangul digits "
        "and `(at)` in e-mail addresses.",
        "",
        "Rules alone (persons are found by models):",
        "",
    ]
    lines += table(counts(examples, Masker(None).mask(texts)))
    for point in ("none", "recall-0.95"):
        masked = Masker(model, "DT=keep,TI=keep,QT=keep,LC=keep,OG=keep", operating_point=point).mask(texts)
        name = "best tag sequence" if point == "none" else f"operating point {point}"
        shares = "recall {:.3f}, precision {:.3f}, {:.1%} of all characters masked".format(
            *characters(examples, masked)
        )
        lines += [
            f"Rules and the model's label PS, {name}; characters: {shares}.",
            "",
            *table(counts(examples, masked)),
        ]
    return lines


def klue(model: str, examples: list[Example]) -> list[str]:
    """Masking of KLUE's six labels by the model alone."""
    texts = [example.text for example in examples]
    lines = [
        "## KLUE-NER",
        "",
        f"{len(examples):,} sentences, the model alone (`--rules none`), all labels masked.",
        "",
    ]
    for point in POINTS:
        masked = Masker(model, rules=False, operating_point=point).mask(texts)
        name = "Best tag sequence" if point == "none" else f"Operating point {point}"
        shares = "recall {:.3f}, precision {:.3f}, {:.1%} of all characters masked".format(
            *characters(examples, masked)
        )
        lines += [f"{name}; characters: {shares}.", "", *table(counts(examples, masked))]
    hits = Counter(edit.label for each in Masker(None).mask(texts) for edit in each.edits)
    shown = ", ".join(f"{label} {count}" for label, count in sorted(hits.items())) or "none"
    return [*lines, f"Hits of the rules alone in these sentences: {shown}.", ""]


def round_trip(model: str, sets: dict[str, list[Example]]) -> list[str]:
    """Texts that `unmask` restores exactly."""
    lines = ["## Round trip", "", "All labels as aliases, one table per set, rules and model (best tag sequence).", ""]
    lines += [
        "| set | texts | regions | aliases | restored exactly | same alias for the same surface |",
        "|---|---|---|---|---|---|",
    ]
    for name, examples in sets.items():
        known = AliasTable()
        texts = [example.text for example in examples]
        masked = Masker(model, "alias", aliases=known, operating_point="none").mask(texts)
        restored = sum(known.unmask(each.text) == text for text, each in zip(texts, masked))
        aliases: dict[str, set[str]] = {}
        for text, each in zip(texts, masked):
            for edit in each.edits:
                new = each.text[edit.new_start : edit.new_end]
                aliases.setdefault(text[edit.start : edit.end], set()).add(new)
        same = sum(len(found) == 1 for found in aliases.values())
        regions = sum(len(each.edits) for each in masked)
        cells = (len(texts), regions, len(known), restored)
        lines.append(f"| {name} | {' | '.join(f'{cell:,}' for cell in cells)} | {same:,} of {len(aliases):,} |")
    return [*lines, ""]


def sound(number: int) -> int:
    """Row of FORMS after a number: 0 consonant, 1 vowel, 2 ㄹ."""
    return {"1": 2, "7": 2, "8": 2, "2": 1, "4": 1, "5": 1, "9": 1}.get(str(number)[-1], 0)


def particle_cases() -> list[tuple[str, str]]:
    """Texts before and after masking by "[PS_1]", "[PS_2]", ..., 200 of them, by the rule table FORMS."""
    names = [(family + given, row) for given, row in GIVEN for family in FAMILY]
    return [
        (f"{name}{forms[row]} 말했다.", f"[PS_{number}]{forms[sound(number)]} 말했다.")
        for forms in FORMS.values()
        for number, (name, row) in enumerate(names, 1)
    ]


def particles() -> list[str]:
    """Particles after aliases, against the rule table."""
    cases, known = particle_cases(), AliasTable()
    masker = Masker(None, "alias", rules=False, aliases=known)
    masked = [masker.mask_spans(text, [Span(0, 3, "PS")]).text for text, _ in cases]
    right = sum(found == expected for found, (_, expected) in zip(masked, cases))
    back = sum(known.unmask(found) == text for found, (text, _) in zip(masked, cases))
    return [
        "## Particles",
        "",
        f"은/는, 이/가, 을/를, 과/와 and 으로/로 after the aliases of 40 names: {right} of {len(cases)} as in the rule "
        f"table, {back} of {len(cases)} restored.",
    ]


def described(model: str) -> str:
    """Describe a model by the files of its run."""
    folder = Path(model)
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
    record, calibration = (
        json.loads((folder / name).read_text(encoding="utf-8")) for name in ("training_record.json", "calibration.json")
    )
    documents = calibration["recall"][POINTS[1]]["documents"]
    return (
        f"MODEL is the model of the recipe `{recipe['name']}` (encoder {recipe['encoder']}, trained on "
        f"{record['training']['documents']:,} documents, seed {recipe['seed']}) after `kospan calibrate` to "
        f"{' and '.join(POINTS[1:])} on {documents['selection'] + documents['calibration']:,} others."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, help="KLUE-NER sentences")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    examples = list(read_examples("klue_ner", arguments.data))
    lines = [
        "# Masking",
        "",
        f"{NOTICE} (The tool helps with pseudonymisation; it does not guarantee anonymisation.)",
        "",
        f"`python benchmarks/masking.py --model MODEL --data {Path(arguments.data).name}`. "
        f"{described(arguments.model)} A region is the text that one replacement covers. Overlapping spans are cut "
        "into disjoint regions, so that few regions equal a gold span at an operating point with many overlapping "
        "spans.",
        "",
        *synthetic(arguments.model),
        *klue(arguments.model, examples),
        *round_trip(arguments.model, {"synthetic": synthetic_examples(COUNT, SEED), "KLUE-NER": examples}),
        *particles(),
    ]
    text = "\n".join(lines).rstrip() + "\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
