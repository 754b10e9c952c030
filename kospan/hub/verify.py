"""Clean-environment check: a fresh process loads the release and must predict what the run has stored."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from huggingface_hub import snapshot_download

from kospan.data.jsonl import read_jsonl
from kospan.example import Example
from kospan.hub.hub import Hub
from kospan.task import TaskSpec

# Texts that are compared at most, spread evenly over the stored ones.
MOST_TEXTS = 1000
TOLERANCE = 1e-5
# Variables that would let the other process use more than the folder.
_REACHES_OUT = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_MODULES_CACHE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
_REACHES_OUT += ("TRANSFORMERS_CACHE", "HF_ENDPOINT")


def verify(
    folder: str | os.PathLike, predictions: str | os.PathLike, spec: TaskSpec, most=MOST_TEXTS, hub: Hub | None = None
) -> int:
    """Load a folder in a fresh process and compare its predictions with stored ones.

    The process runs in another directory, with an empty cache, without a network and without kospan. Offsets and labels
    must be equal, scores within 1e-5: through AutoModel for all texts, through the other Auto classes, the pipeline and
    handler.py for a sample.

    Args:
        folder: A release.
        predictions: JSON Lines with the spans that the run's model has predicted.
        spec: The model's task.
        most: Texts that are compared at most, spread evenly over the file.
        hub: The source of an adapter's base model; None is the Hub with this machine's token.

    Returns:
        The number of texts compared.

    Raises:
        ValueError: If the folder cannot be loaded, or predicts something else; it names the example.
        FileNotFoundError: If an adapter's base model is not available.
    """
    stored = read_jsonl(predictions)
    if not stored:
        raise ValueError(f"expected predictions in {predictions}, got an empty file; write it with kospan predict")
    count = min(most, len(stored))
    stored = [stored[at * len(stored) // count] for at in range(count)]
    for example in stored:
        if example.spans is None:
            raise ValueError(f"expected spans for example {example.id!r} of {predictions}, got none; predict it again")
    items = [_item(example) for example in stored]
    folder, download = Path(folder).resolve(), hub.api.snapshot_download if hub else snapshot_download
    with spec.local_copy(folder, download) if spec.local_copy else nullcontext(folder) as place:
        results = _run_clean(place, spec.published, items)
    for way, found in results.items():
        differences = [
            f"example {stored[at].id!r}: {difference}"
            for at, spans in found
            if (difference := difference_of(stored[at].spans, spans))
        ]
        if differences:
            more = f" ({len(differences):,} of {len(found):,} examples differ)" if len(differences) > 1 else ""
            raise ValueError(
                f"expected the release to predict the spans in {Path(predictions).name}, got other ones through {way} "
                f"in {differences[0]}{more}; nothing was sent. Predict again with the model in the folder: kospan "
                "predict FOLDER TEXTS --output FOLDER/predictions.jsonl"
            )
    return len(stored)


def difference_of(stored: Sequence, found: Sequence) -> str:
    """The first difference between two lists of spans, in words; empty if they are the same.

    >>> difference_of([(0, 3, "PS", 0.9)], [(0, 3, "PS", 0.9000001)])
    ''
    >>> difference_of([(0, 3, "PS", 0.9)], [(0, 3, "LC", 0.9)])
    'span 0-3 PS is stored, 0-3 LC was predicted'
    """
    for old, new in zip(sorted(stored), sorted(map(tuple, found))):
        if tuple(old[:3]) != tuple(new[:3]):
            return f"span {old[0]}-{old[1]} {old[2]} is stored, {new[0]}-{new[1]} {new[2]} was predicted"
        # A regression's value may be large; a probability is not.
        if not abs(old[3] - new[3]) <= TOLERANCE * max(1.0, abs(old[3])):
            return f"span {old[0]}-{old[1]} {old[2]} is stored with the score {old[3]:.6f}, predicted with {new[3]:.6f}"
    if len(stored) != len(found):
        return f"{len(stored)} spans are stored, {len(found)} were predicted"
    return ""


def _item(example: Example) -> dict:
    """The inputs of an example that it has."""
    keys = ("words", "question", "text_pair")
    return {"text": example.text} | {key: value for key in keys if (value := getattr(example, key))}


def _run_clean(folder: Path, calls: str | os.PathLike, items: list[dict]) -> dict[str, list]:
    """Way of loading -> place and spans of each item, from a process that has nothing but the folder."""
    with tempfile.TemporaryDirectory() as elsewhere:
        inputs, output = Path(elsewhere, "items.json"), Path(elsewhere, "found.json")
        inputs.write_text(json.dumps(items), encoding="utf-8")
        environment = {key: value for key, value in os.environ.items() if key not in _REACHES_OUT}
        environment |= {"HF_HOME": str(Path(elsewhere, "cache")), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        environment |= {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        script = Path(__file__).with_name("clean_environment.py")
        # -I: none of this environment's paths; -B: the folder stays unchanged.
        command = list(map(str, [sys.executable, "-I", "-B", "-X", "utf8", script, folder, calls, inputs, output]))
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        text = {"encoding": "utf-8", "errors": "replace"}
        done = subprocess.run(command, cwd=elsewhere, env=environment, **streams, **text)
        if done.returncode:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            raise ValueError(
                "expected the release to load in a fresh process with torch and transformers alone, got: "
                f"{lines[-1] if lines else f'exit status {done.returncode}'}; nothing was sent"
            )
        return json.loads(output.read_text(encoding="utf-8"))
