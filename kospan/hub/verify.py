"""Clean-environment check: a fresh process loads the release and must predict what the run has stored."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import snapshot_download

from kospan.data.jsonl import read_jsonl
from kospan.hub.hub import Hub
from kospan.modeling.base_models import ADAPTER

# Texts that are compared at most, spread evenly over the stored ones.
MOST_TEXTS = 1000
TOLERANCE = 1e-5
# Variables that would let the other process use more than the folder.
_REACHES_OUT = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_MODULES_CACHE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
_REACHES_OUT += ("TRANSFORMERS_CACHE", "HF_ENDPOINT")
# Files of a base model that are needed to load it, beside weights as safetensors, or else as pickles: they belong to
# somebody else and are not published.
_BASE_FILES = ("*.json", "*.jinja", "*.model", "*.txt")
_WEIGHTS, _PICKLED = "*.safetensors", "pytorch_model*.bin"


def verify(
    folder: str | os.PathLike,
    predictions: str | os.PathLike,
    calls: str | os.PathLike,
    most: int = MOST_TEXTS,
    hub: Hub | None = None,
) -> int:
    """Load a folder in a fresh process and compare its predictions with stored ones.

    The process runs in another directory, with an empty cache, without a network and without kospan. Offsets and labels
    must be equal, scores within 1e-5: through AutoModel for all texts, through the other Auto classes, the pipeline and
    handler.py for a sample.

    Args:
        folder: A release.
        predictions: JSON Lines with the spans that the run's model has predicted.
        calls: The task's file of calls (`TaskSpec.published`).
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
        raise ValueError(
            f"expected predictions in {predictions} to check the release with, got an empty file; write it again with "
            "kospan predict"
        )
    if len(stored) > most:
        stored = [stored[at * len(stored) // most] for at in range(most)]
    for example in stored:
        if example.spans is None:
            raise ValueError(f"expected spans for example {example.id!r} of {predictions}, got none; predict it again")
    keys = ("words", "question", "text_pair")
    items = [
        {"text": example.text} | {key: value for key in keys if (value := getattr(example, key))} for example in stored
    ]
    with local_base(Path(folder).resolve(), hub) as place:
        results = _run_clean(place, calls, items)
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


@contextmanager
def local_base(folder: Path, hub: Hub | None = None) -> Iterator[Path]:
    """The folder, or, of an adapter, a copy that names a local folder of its base model.

    The process that loads it has no network.

    Args:
        folder: A release.
        hub: The source of the base model, with its token: the base model may be private.

    Raises:
        FileNotFoundError: If the base model is not available.
    """
    if not (folder / ADAPTER).is_file():
        yield folder
        return
    settings = json.loads((folder / ADAPTER).read_text(encoding="utf-8"))
    base = settings["base_model_name_or_path"]
    fetch = snapshot_download if hub is None else hub.api.snapshot_download
    try:
        place = fetch(base, allow_patterns=[*_BASE_FILES, _WEIGHTS])
        if not any(Path(place).glob(_WEIGHTS)):
            place = fetch(base, allow_patterns=[*_BASE_FILES, _PICKLED])
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"expected the adapter's base model {base} in the cache or on the Hub, to check the release, found none; "
            "check its name in adapter_config.json, the connection, and that the token may read it"
        ) from error
    with tempfile.TemporaryDirectory() as elsewhere:
        copy = Path(elsewhere, "model")
        shutil.copytree(folder, copy)
        settings["base_model_name_or_path"] = place
        (copy / ADAPTER).write_text(json.dumps(settings), encoding="utf-8")
        yield copy


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
        command = [sys.executable, "-I", "-B", "-X", "utf8", script, folder, calls, inputs, output]
        done = subprocess.run(
            list(map(str, command)),
            cwd=elsewhere,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
        if done.returncode:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            raise ValueError(
                "expected the release to load in a fresh process with torch and transformers alone, got: "
                f"{lines[-1] if lines else f'exit status {done.returncode}'}; nothing was sent"
            )
        return json.loads(output.read_text(encoding="utf-8"))
