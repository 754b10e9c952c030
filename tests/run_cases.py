"""Data, settings and helpers that the tests of complete runs share."""

import json

from kospan.example import Example
from kospan.modeling.spans import Span

NAMES, PLACES = ["김민수", "이재용", "박서연", "최가온"], ["서울", "부산", "대구", "광주"]
TINY = {
    "dataset": "jsonl",
    "encoder": "scratch",
    "encoder_options": {
        "num_hidden_layers": 0,
        "hidden_size": 16,
        "embedding_size": 16,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "hidden_dropout_prob": 0.2,
    },
    "encoder_input": "units",
    "max_length": 40,
    "stride": 8,
    "lstm_hidden_size": 8,
    "learning_rate": "3e-2",
    "num_train_epochs": 2,
    "per_device_train_batch_size": 4,
    "per_device_eval_batch_size": 2,
    "use_cpu": True,
}
STEPS = {"max_steps": 6, "eval_strategy": "steps", "save_strategy": "steps", "eval_steps": 2, "save_steps": 2}
STEPS |= {"save_total_limit": 5, "load_best_model_at_end": "false"}


def sentences(count: int, name: str) -> list[Example]:
    """Labelled sentences of very different lengths; the last is empty."""
    found = []
    for at in range(count - 1):
        person, place = NAMES[at % 4], PLACES[(at // 4 + at) % 4]
        text = f"{person} 기자가 {place}에서 전했다." + " 비가 온다." * (at % 5 * 3)
        spans = (Span(0, 3, "PS"), Span(8, 10, "LC"))
        found.append(Example(f"{name}-{at}", text, spans))
    return [*found, Example(f"{name}-empty", "", ())]


def contents(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def steps_evaluated(capsys) -> list[int]:
    """The steps after which a run has printed a score."""
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ") and "f1 " in line]
    return [int(line.split()[1].partition("/")[0]) for line in lines]


def trainer_state(folder) -> dict:
    """Trainer state of the newest checkpoint."""
    newest = max(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    return json.loads((newest / "trainer_state.json").read_text(encoding="utf-8"))
