"""Throughput of `model.answer` on 1,000 mixed questions against a loop; writes
docs/benchmarks/question_answering_speed.md.

    python benchmarks/question_answering_speed.py [--data KorQuAD.json] [--threads 1]

The loop reads as the pipeline of transformers 4 did: one question at a time, one window at a time, each text tokenised
again for each question, with our scoring. Both run in turn in one process; measured is CPU time, medians of `--rounds`
rounds. Weights are random and seeded: the time does not depend on the answers. Answers of both must be equal.
"""

import argparse
import json
import random
import statistics
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from transformers import BertConfig, PreTrainedTokenizerFast  # noqa: E402

from kospan.data.squad import read_squad  # noqa: E402
from kospan.modeling import KospanForQuestionAnswering, KospanQuestionAnsweringConfig, Span  # noqa: E402
from kospan.modeling.answers import AnswerDistribution, WindowScores  # noqa: E402
from kospan.tasks.encoders import scratch_encoder, start_without_positions  # noqa: E402

RESULT = ROOT / "docs" / "benchmarks" / "reading_speed.md"
SAMPLE = ROOT / "kospan" / "data" / "sample"
GOAL = 5
# As in recipes/korquad_scratch.yaml.
SCRATCH = {
    "embedding_size": 128,
    "hidden_size": 128,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "max_position_embeddings": 512,
}


def mixed(path: str | None, count: int, seed: int) -> tuple[list[str], list[str]]:
    """Questions and their texts, in an order without order.

    Args:
        path: A file in the form of SQuAD; None makes texts of 40 to 2,000 characters out of the shipped sample, six
            questions about each, and questions of 8 to 60 characters out of the same.
        count: How many.
        seed: Of the draw.
    """
    drawn = random.Random(seed)
    if path is not None:
        examples = [item.example for item in read_squad(path)]
        pairs = [(example.question, example.text) for example in drawn.sample(examples, count)]
    else:
        lines = [line for file in sorted(SAMPLE.glob("*.jsonl")) for line in file.read_text("utf-8").splitlines()]
        sentences = [json.loads(line)["text"] for line in lines]
        pairs = []
        while len(pairs) < count:
            length = int(2 ** drawn.uniform(5.4, 11))
            text = " ".join(drawn.choices(sentences, k=2 + length // 20))[:length]
            for _ in range(6):
                words = drawn.choice(sentences)
                pairs.append((words[: drawn.randint(8, 60)].strip() + "?", text))
        pairs = pairs[:count]
    drawn.shuffle(pairs)
    return [question for question, _ in pairs], [text for _, text in pairs]


def build(config, tokenizer, seed: int, **settings) -> KospanForQuestionAnswering:
    """Model with random weights, large enough for different answers."""
    torch.manual_seed(seed)
    model = KospanForQuestionAnswering(KospanQuestionAnsweringConfig(encoder_config=config, **settings))
    model.tokenizer = tokenizer
    with torch.no_grad():
        model.projection.weight.mul_(20)
    return model.eval()


def readers(texts: list[str], seed: int) -> dict[str, KospanForQuestionAnswering]:
    """Name -> reader, by what its encoder is."""
    found = {}
    for layers in (0, 1):
        config, tokenizer = scratch_encoder(texts, {**SCRATCH, "num_hidden_layers": layers})
        model = build(config, tokenizer, seed, encoder_input="units", lstm_hidden_size=128, exact_match_feature=True)
        start_without_positions(model.encoder)
        found[f"scratch, {layers} layer{'s' * (layers != 1)}, LSTM"] = model
    config, tokenizer = scratch_encoder(texts, {**SCRATCH, "num_hidden_layers": 0})
    found["scratch, 0 layers alone"] = build(config, tokenizer, seed, encoder_input="units", exact_match_feature=True)
    config = BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536, vocab_size=8000
    )
    found["MiniLM's size, 6 layers of 384"] = build(config, wordpiece(texts), seed)
    return found


def wordpiece(texts: list[str]) -> PreTrainedTokenizerFast:
    """A WordPiece vocabulary of 8,000 trained on the texts."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=8000, special_tokens=special, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


@torch.no_grad()
def one_by_one(reader: KospanForQuestionAnswering, questions: list[str], contexts: list[str]) -> list[list[Span]]:
    """The best answer to each question; one question, one window at a time."""
    config, found = reader.config, []
    for question, context in zip(questions, contexts):
        document = reader.aligner.documents([context])[0]
        matches = reader.matches(question, document)
        scores = []
        for window in reader.windows(question, document):
            emissions = reader(**reader.collate([reader.features(window, matches)])).emissions[0].numpy()
            scores.append(WindowScores(window.first_unit, emissions[1:, 0], emissions[1:, 1], emissions[0].sum()))
        answers = AnswerDistribution(scores, document.unit_subwords, config.max_answer_length, config.stride)
        found.append(
            [
                Span(document.units[first][0], document.units[last - 1][1], config.id2label[0], score)
                for first, last, score in answers.best(1)
            ]
        )
    return found


def check_equal(ours: list[list[Span]], loop: list[list[Span]]) -> float:
    """The largest difference of a probability. Raises: AssertionError where a span differs."""
    assert [[span[:3] for span in spans] for spans in ours] == [[span[:3] for span in spans] for spans in loop]
    return max(abs(one.score - other.score) for mine, theirs in zip(ours, loop) for one, other in zip(mine, theirs))


class ForwardClock:
    """CPU seconds that a model's forward takes, by itself."""

    def __init__(self, model: torch.nn.Module):
        self.seconds, self.forward = 0.0, model.forward
        model.forward = self.timed

    def timed(self, *args, **kwargs):
        """The forward, timed."""
        begun = time.process_time()
        try:
            return self.forward(*args, **kwargs)
        finally:
            self.seconds += time.process_time() - begun


def compare(reader: KospanForQuestionAnswering, questions: list[str], contexts: list[str], rounds: int) -> dict:
    """Both ways in turn; metrics of one reader."""
    taken, ours, loop = {"ours": [], "loop": [], "forward": []}, [], []
    reader.answer(questions[:8], contexts[:8]), one_by_one(reader, questions[:2], contexts[:2])
    clock = ForwardClock(reader)
    for _ in range(rounds):
        begun = time.process_time()
        loop = one_by_one(reader, questions, contexts)
        between, clock.seconds = time.process_time(), 0.0
        ours = reader.answer(questions, contexts)
        taken["loop"].append(between - begun)
        taken["ours"].append(time.process_time() - between)
        taken["forward"].append(clock.seconds)
    apart = check_equal(ours, loop)
    assert apart <= 1e-4, f"probabilities differ by {apart}"
    documents = dict(zip(contexts, reader.aligner.documents(contexts)))
    windows = sum(len(reader.windows(question, documents[text])) for question, text in zip(questions, contexts))
    return {"questions": len(questions), "windows": windows, "apart": apart} | {
        name: statistics.median(times) for name, times in taken.items()
    }


def page(found: dict[str, dict], arguments: argparse.Namespace) -> str:
    """The result as Markdown."""
    source = "KorQuAD 1.0" if arguments.data else "texts made of the shipped sample"
    command = "python benchmarks/question_answering_speed.py" + (" --data FILE" if arguments.data else "")
    lines = [
        "# Answering many questions against a loop over them",
        "",
        f"2-core x86-64 virtual machine, {arguments.threads} thread(s), torch {torch.__version__.split('+')[0]} CPU. "
        f"{source}, seed {arguments.seed}. CPU time, median of {arguments.rounds} rounds in turn. Reproduce: "
        f"`{command}`.",
        "",
        "The loop: one question at a time, one window at a time, each text taken apart for each question, our "
        "scoring. Answers are equal. The bound is the ratio that would be reached if `answer` did nothing but run "
        "the model on its batches of windows.",
        "",
        "| encoder | questions | windows | loop, questions/s | `answer`, questions/s | ratio | bound | largest "
        "difference of a probability |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in found.items():
        count = row["questions"]
        lines.append(
            f"| {name} | {count:,} | {row['windows']:,} | {count / row['loop']:.1f} | {count / row['ours']:.1f} | "
            f"{row['loop'] / row['ours']:.2f} | {row['loop'] / row['forward']:.2f} | {row['apart']:.1e} |"
        )
    best = max(row["loop"] / row["ours"] for name, row in found.items() if name.startswith("scratch"))
    held = "held" if best >= GOAL else "MISSED"
    lines += ["", f"Goal: {GOAL} times the loop with a scratch encoder; {best:.2f} seen, {held}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run all encoders and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="a file in the form of SQuAD; left out: texts made of the shipped sample")
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--large-questions", type=int, default=100, help="questions for the encoder of MiniLM's size")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=RESULT)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    questions, contexts = mixed(arguments.data, arguments.questions, arguments.seed)
    found = {}
    for name, reader in readers(sorted({*questions, *contexts}), arguments.seed).items():
        count = arguments.large_questions if name.startswith("MiniLM") else arguments.questions
        found[name] = compare(reader, questions[:count], contexts[:count], arguments.rounds)
        print(name, found[name], flush=True)
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(page(found, arguments), encoding="utf-8")


if __name__ == "__main__":
    main()
