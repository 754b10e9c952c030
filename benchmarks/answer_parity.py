"""Metrics of answers against an independent implementation of the official rules, on perturbed predictions.

    python benchmarks/answer_parity.py [--data FILE --dataset korquad] [--out docs/benchmarks/answer_parity.md]

The questions are some of our own; FILE adds those of a data set, of which nothing but metrics is written. Ends with
status 1 where a metric differs by more than 1e-12. Slow: the oracle compares character by character.
"""

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from answer_cases import CASES, Case, compare  # noqa: E402

from kospan.data.corpus import read_examples  # noqa: E402
from kospan.tasks.question_answering.metrics import RULES, gold_answers  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a file of questions")
    parser.add_argument("--dataset", default="korquad", help="its form")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    sources = {"questions of our own": CASES}
    if arguments.data:
        examples = read_examples(arguments.dataset, arguments.data)
        sources[arguments.dataset] = [Case(example.text, tuple(gold_answers(example))) for example in examples]
    lines = [
        "| questions | rules | predictions | largest difference | exact match | F1 | ROUGE-W | a step mattered for |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    worst = 0.0
    for title, cases in sources.items():
        for rules in RULES:
            begun = time.perf_counter()
            found = compare(cases, arguments.count, rules, arguments.seed)
            worst = max(worst, found["difference"])
            means = [f"{found['means'].get(name, float('nan')):.4f}" for name in ("exact_match", "f1", "rouge_w")]
            steps = ", ".join(f"{step} {count:,}" for step, count in found["mattered"].items())
            row = [f"{title} ({len(cases):,})", rules, f"{arguments.count:,}", f"{found['difference']:.1e}", *means]
            lines.append("| " + " | ".join([*row, steps]).replace("nan", "") + " |")
            print(f"{lines[-1]}  {time.perf_counter() - begun:.0f} s", flush=True)
    if arguments.out:
        head = (
            "# Answers: metrics against an independent implementation\n\n"
            f"`python benchmarks/answer_parity.py`, seed {arguments.seed}. Each prediction is an answer that was cut,\n"
            "lengthened, given particles, marks, articles, other case, spaces, HTML, full-width characters or another\n"
            "Unicode form, or nothing at all. The last column counts the predictions whose metrics would differ\n"
            "without that step of the normalisation. Predictions are the same for all rules; how high the metrics\n"
            "are says nothing, only that both sides have the same. 1.1e-16 is the rounding of a single operation.\n\n"
        )
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return int(worst > 1e-12)


if __name__ == "__main__":
    sys.exit(main())
