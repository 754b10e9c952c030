"""From the command line: an encoder made long, trained for each task, and used by a fresh interpreter."""

import json
import subprocess
import sys

import pytest
import question_cases
import torch
from conversion_cases import save_source
from label_cases import labelled as classified
from time_limits import SECONDS

from kospan.cli import main
from kospan.data.jsonl import write_jsonl
from kospan.example import Example
from kospan.modeling import KospanForQuestionAnswering, KospanForSequenceClassification, KospanForTokenClassification
from kospan.modeling.spans import Span
from kospan.modeling.sparse_attention import SparseBigBird

# Bytes are subwords here, so a window of 90 is no multiple of the block, and longer than the 28 read in full attention.
WINDOW = 90
COMMON = ["--encoder_input", "subwords", "--max_length", str(WINDOW), "--stride", "20"]
COMMON += ["--use_cpu", "true", "--per_device_train_batch_size", "4", "--report_to", "none", "--learning_rate", "1e-2"]
QUESTION, LONG = (
    "문을 연 곳은 어디인가?",
    "도서관은 1950년에 서울에서 문을 열었다. 비가 온다. 이재용 회장이 왔다. " * 12,
)
# Neither of these is like the other in length.
TEXTS = ["비", LONG, "이재용 회장이 서울에서 회의를 열었다."]
CONSUMER = """
import json, sys
from transformers import AutoModel
from transformers.utils import logging
logging.set_verbosity_error()
folders, texts, question = json.loads(sys.argv[1])
model = {task: AutoModel.from_pretrained(folder, trust_remote_code=True) for task, folder in folders.items()}
found = {
    "token-classification": model["token-classification"].extract(texts),
    "question-answering": model["question-answering"].answer([question] * len(texts), texts, top_k=2),
    "text-classification": [[each] for each in model["text-classification"].classify(texts)],
}
print("FOUND" + json.dumps({"found": found, "encoders": [type(each.encoder).__name__ for each in model.values()]}))
"""


def tagged() -> list[Example]:
    sentence, found = "이재용 회장이 서울에서 회의를 열었다. ", []
    for at in range(8):
        text = sentence * (1 + 5 * (at % 3))
        starts = range(0, len(text), len(sentence))
        spans = [span for start in starts for span in (Span(start, start + 3, "PS"), Span(start + 8, start + 10, "LC"))]
        found.append(Example(f"d-{at}", text, tuple(spans)))
    return found


TASKS = {
    "token-classification": (KospanForTokenClassification, tagged(), ["--head", "crf", "--max_steps", "2"]),
    "question-answering": (
        KospanForQuestionAnswering,
        question_cases.corpus(8, long=200).splits["train"],
        ["--max_answer_length", "8", "--max_query_length", "40", "--max_steps", "2"],
    ),
    "text-classification": (KospanForSequenceClassification, classified(), ["--max_steps", "2"]),
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A tiny RoBERTa of 24 positions, converted to 90, in whole blocks 92."""
    folder = tmp_path_factory.mktemp("encoder")
    source = save_source(folder / "source", "roberta")
    sizes = ["--max_length", str(WINDOW), "--block_size", "4", "--random_blocks", "1"]
    assert main(["convert", "bigbird", source, str(folder / "long"), *sizes]) == 0
    return str(folder / "long")


def train(encoder: str, task: str, folder, *flags: str) -> int:
    _, examples, own = TASKS[task]
    write_jsonl(folder / "train.jsonl", examples)
    dataset = "labelled" if task == "text-classification" else "jsonl"
    if task == "text-classification":
        lines = [json.dumps({"text": each.text, "label": each.spans[0].label}) for each in examples]
        (folder / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    data = ["--dataset", dataset, "--train_file", str(folder / "train.jsonl"), "--output_dir", str(folder / "out")]
    return main(["train", "--task", task, "--encoder", encoder, *data, *COMMON, *own, *flags])


def said(model, task: str, texts: list[str]) -> list[list[Span]]:
    if task == "token-classification":
        return model.extract(texts)
    if task == "question-answering":
        return model.answer([QUESTION] * len(texts), texts, top_k=2)
    return [[each] for each in model.classify(texts)]


def plain(found: list) -> list:
    return [[list(span[:3]) for span in spans] for spans in found]


def test_trained_for_each_task_a_converted_encoder_says_the_same_in_a_fresh_interpreter(encoder, tmp_path):
    folders, expected = {}, {}
    for task, (model_class, _, _) in TASKS.items():
        folder = tmp_path / task
        folder.mkdir()
        assert train(encoder, task, folder) == 0
        folders[task] = str(folder / "out")
        model = model_class.from_pretrained(folders[task])
        assert type(model.encoder) is SparseBigBird and model.config.max_length == WINDOW
        if task == "token-classification":
            # After two steps it finds nothing, which would prove nothing.
            with torch.no_grad():
                model.head.projection.weight.mul_(30)
                model.head.projection.bias[model.config.tags.index("O")] = -60
            model.save_pretrained(folders[task])
        if task == "question-answering":
            check_pairs(model)
        expected[task] = said(model, task, TEXTS)
        # A batch of very different lengths says what each text says alone.
        for text, spans in zip(TEXTS, expected[task], strict=True):
            [alone] = said(model, task, [text])
            assert plain([alone]) == plain([spans])
            assert [span.score for span in alone] == pytest.approx([span.score for span in spans], abs=1e-4)
    asked = json.dumps([folders, TEXTS, QUESTION])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CONSUMER, asked],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.rpartition("FOUND")[2])
    assert result["encoders"] == ["SparseBigBird"] * 3
    for task, spans in expected.items():
        assert plain(result["found"][task]) == plain(spans) and any(spans), task


def check_pairs(model: KospanForQuestionAnswering) -> None:
    """Question and text stand in a window as the tokenizer puts two texts together, segments included."""
    document = model.aligner.documents(["비가 온다."])[0]
    [window] = model.windows(QUESTION, document)
    pair = model.tokenizer(QUESTION, "비가 온다.")
    features = model.features(window, ())
    assert features["input_ids"] == pair["input_ids"]
    assert features["token_type_ids"] == pair["token_type_ids"] and set(pair["token_type_ids"]) == {0, 1}


def test_a_window_beyond_the_converted_length_is_refused(encoder, tmp_path, capsys):
    assert train(encoder, "token-classification", tmp_path, "--max_length", "93") == 2
    assert "expected a window of at most 92 positions, which is what the encoder reads, got" in capsys.readouterr().err
