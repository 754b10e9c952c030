"""Peak memory and CPU time of one long text, read by a short encoder in windows and by the BigBird made of it.

    python benchmarks/long_texts.py

Writes docs/benchmarks/long_texts.md. Token classification (`extract`, CRF), question answering (`answer`) and text
classification (`classify`) of one text of 1,000 to 100,000 characters, one thread. Each metric comes from a process of
its own: the highest resident size while the text is read, above that before it, after a first text of 300 characters
has loaded what is loaded once. Weights are random and seeded; the text is made of the shipped sample's sentences.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import RobertaConfig, RobertaModel
from transformers.utils import logging

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from kospan.conversion.bigbird import convert_to_bigbird  # noqa: E402
from kospan.conversion.settings import Settings  # noqa: E402
from kospan.modeling import (  # noqa: E402
    KospanForQuestionAnswering,
    KospanForSequenceClassification,
    KospanForTokenClassification,
    KospanQuestionAnsweringConfig,
    KospanSequenceClassificationConfig,
    KospanTokenClassificationConfig,
)
from kospan.modeling.tags import tag_names  # noqa: E402
from kospan.tasks.encoders import character_tokenizer, load_config, load_tokenizer  # noqa: E402

LENGTHS = [1_000, 10_000, 100_000]
ENCODERS = {"short": "short, windows of 512", "long": "converted, windows of 4,096"}
WINDOWS = {"short": 512, "long": 4096}
METHODS = ["extract", "answer", "classify"]
RESULT = ROOT / "docs" / "benchmarks" / "long_texts.md"
SAMPLE = ROOT / "kospan" / "data" / "sample"
QUESTION = "누가 어디에서 회의를 열었는가?"
SIZES = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 512}


def sentences() -> list[str]:
    """Those of the shipped sample."""
    lines = [line for file in sorted(SAMPLE.glob("*.jsonl")) for line in file.read_text("utf-8").splitlines()]
    return [json.loads(line)["text"] for line in lines]


def text_of(length: int) -> str:
    """A text of the given number of characters."""
    once = " ".join(sentences())
    return (once * (1 + length // len(once)))[:length]


def save_encoders(folder: Path) -> None:
    """A RoBERTa of 512 positions, and the BigBird of 4,096 that it is converted to."""
    torch.manual_seed(0)
    tokenizer = character_tokenizer(sentences())
    tokenizer.model_max_length = 512
    config = RobertaConfig(
        **SIZES, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, max_position_embeddings=513,
        type_vocab_size=1
    )  # fmt: skip
    RobertaModel(config).save_pretrained(folder / "short")
    tokenizer.save_pretrained(folder / "short")
    (folder / "long").mkdir()
    convert_to_bigbird(str(folder / "short"), folder / "long", Settings(max_length=4096))


def build(method: str, encoder: str, folder: Path):
    """The model of a method over one of the saved encoders, with scores that differ."""
    place = str(folder / encoder)
    shared = {"encoder_config": load_config(place, {}), "max_length": WINDOWS[encoder]}
    if method == "extract":
        tags = dict(enumerate(tag_names(["DT", "LC", "OG", "PS", "QT", "TI"], "BIO")))
        model_class, config = (
            KospanForTokenClassification,
            KospanTokenClassificationConfig(**shared, id2label=tags, head="crf"),
        )
    elif method == "answer":
        model_class, config = KospanForQuestionAnswering, KospanQuestionAnsweringConfig(**shared, stride=128)
    else:
        classes = {0: "정치", 1: "경제", 2: "사회"}
        model_class, config = (
            KospanForSequenceClassification,
            KospanSequenceClassificationConfig(**shared, id2label=classes),
        )
    torch.manual_seed(0)
    model = model_class.from_encoder(place, config, load_tokenizer(place))
    with torch.no_grad():
        for parameter in (p for name, p in model.named_parameters() if name.endswith("projection.weight")):
            parameter.mul_(20)
    return model.eval()


def read(model, method: str, text: str):
    """The method called."""
    return model.answer(QUESTION, text, top_k=3) if method == "answer" else getattr(model, method)(text)


def resident(kind: str) -> float:
    """Resident size of this process in MiB: now (`VmRSS`), or the highest since it was reset (`VmHWM`). Linux alone."""
    line = next(line for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if kind in line)
    return int(line.split()[1]) / 1024


def child(method: str, encoder: str, length: int, folder: Path) -> dict[str, float]:
    """Peak memory and CPU seconds of one text."""
    model, text = build(method, encoder, folder), text_of(length)
    read(model, method, text[:300])
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # Building has peaks of its own.
    before, begun = resident("VmRSS"), time.process_time()
    read(model, method, text)
    return {"seconds": time.process_time() - begun, "memory": resident("VmHWM") - before}


def page(found: dict[str, dict]) -> str:
    """The result as Markdown."""
    parts = [
        "# One long text: memory and time",
        "",
        f"Encoder: hidden {SIZES['hidden_size']}, {SIZES['num_hidden_layers']} layers, "
        f"{SIZES['num_attention_heads']} heads, random weights, a subword per character; short: a RoBERTa of 512 "
        "positions; converted: the BigBird of 4,096 made of it. Tagging: CRF over 13 tags. Reading: answers of at "
        f"most 64 characters, the best 3. 2-core x86-64 VM, 1 thread, torch {torch.__version__.split('+')[0]} CPU; "
        "other jobs ran beside this one. Memory: highest resident size of a process of its own while it reads the "
        "text, above that before. Reproduce: `python benchmarks/long_texts.py`.",
    ]
    for kind, title, digits in (("memory", "Peak memory, MiB", 0), ("seconds", "CPU seconds", 2)):
        names = " | ".join(f"{length:,} characters" for length in LENGTHS)
        parts += ["", f"## {title}", "", f"| method | encoder | {names} |", "|---" * (len(LENGTHS) + 2) + "|"]
        for method in METHODS:
            for encoder, name in ENCODERS.items():
                cells = [f"{found[f'{method} {encoder} {length}'][kind]:,.{digits}f}" for length in LENGTHS]
                parts.append(f"| `{method}` | {name} | " + " | ".join(cells) + " |")
    parts += ["", "## Growth from 10,000 to 100,000 characters, bytes of memory per character", ""]
    parts += ["| method | encoder | bytes |", "|---|---|---|"]
    for method in METHODS:
        for encoder, name in ENCODERS.items():
            one, other = (found[f"{method} {encoder} {length}"]["memory"] for length in LENGTHS[-2:])
            grown = (other - one) * 2**20 / (LENGTHS[-1] - LENGTHS[-2])
            parts.append(f"| `{method}` | {name} | {grown:,.0f} |")
    return "\n".join(parts) + "\n"


def main() -> None:
    """Measure everything and write the page, or one metric as a child."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", nargs=4, metavar=("METHOD", "ENCODER", "LENGTH", "FOLDER"), help="one metric")
    parser.add_argument("--output", type=Path, default=RESULT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    if arguments.child:
        method, encoder, length, folder = arguments.child
        print(json.dumps(child(method, encoder, int(length), Path(folder))))
        return
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        save_encoders(Path(folder))
        for method in METHODS:
            for encoder in ENCODERS:
                for length in LENGTHS:
                    command = [sys.executable, "-W", "ignore", __file__, "--child", method, encoder, str(length)]
                    done = subprocess.run([*command, folder], capture_output=True, text=True, check=True)
                    found[f"{method} {encoder} {length}"] = json.loads(done.stdout.splitlines()[-1])
                    print(method, encoder, length, found[f"{method} {encoder} {length}"], flush=True)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(page(found), encoding="utf-8")
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
