"""Data, settings and helpers that the tests of the command line share."""

from pathlib import Path

from kospan.cli import main
from kospan.example import Example
from kospan.modeling.spans import Span

ROOT = Path(__file__).resolve().parent.parent
TEXTS = ["이재용 회장이 서울에서 회의를 열었다.", "김연아는 부산 사직 체육관을 찾았다.", "비가 온다."]
GOLD = [
    Example("first", TEXTS[0], (Span(0, 3, "PS"), Span(8, 10, "LC"))),
    Example("second", TEXTS[1], (Span(0, 3, "PS"), Span(5, 14, "LC"))),
    Example("third", TEXTS[2], ()),
]
SETTINGS = {
    "encoder_options": "{num_hidden_layers: 0, hidden_size: 16, embedding_size: 16, num_attention_heads: 2}",
    "dataset": "jsonl",
    "encoder_input": "units",
    "max_length": 64,
    "stride": 8,
    "lstm_hidden_size": 8,
    "learning_rate": "3e-2",
    "max_steps": 2,
    "eval_strategy": "no",
    "save_strategy": "no",
    "load_best_model_at_end": "false",
    "use_cpu": "true",
}
TINY = [f"--{key}={value}" for key, value in SETTINGS.items()]


def refused(words: list[str], capsys) -> str:
    """The one line that a command answers a mistake with."""
    assert main(words) == 2
    message = capsys.readouterr().err
    assert message.startswith("kospan: ")
    assert message.count("\n") == 1, message
    return message
