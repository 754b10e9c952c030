"""Folders and labelled texts to calibrate."""

import json

from kospan.data.jsonl import record
from kospan.example import Example


def labelled_folder(make_token_classifier, texts, tmp_path):
    """A folder as a run writes it, and labelled texts of which the model gets a part right."""
    model = make_token_classifier(encoder_input="units")
    model.save_pretrained(tmp_path / "model")
    own = [text[at:] for text in texts for at in (0, 3, 5)]
    found = model.extract(own)
    examples = [Example(str(at), text, tuple(spans[::2])) for at, (text, spans) in enumerate(zip(own, found))]
    stored = [f"{text} 그리고" for text in texts]
    lines = [
        record(Example(f"v{at}", text, None), spans)
        for at, (text, spans) in enumerate(zip(stored, model.extract(stored)))
    ]
    (tmp_path / "model" / "predictions.jsonl").write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8"
    )
    (tmp_path / "model" / "eval_results.json").write_text('{"eval_f1": 0.5}\n', encoding="utf-8")
    return tmp_path / "model", examples


def jsonl(path, examples):
    """Write examples and return the path."""
    path.write_text(
        "".join(json.dumps(record(example), ensure_ascii=False) + "\n" for example in examples), encoding="utf-8"
    )
    return str(path)
