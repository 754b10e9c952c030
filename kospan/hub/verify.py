"""Before anything is public: a stranger's process loads the release and must find what the run has stored."""

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
from kospan.example import Example
from kospan.hub.hub import Hub
from kospan.modeling.base_models import ADAPTER

# So many texts are compared, spread evenly over those that are stored.
MOST_TEXTS = 1000
TOLERANCE = 1e-5
# What would let the other process reach more than the folder.
_REACHES_OUT = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_MODULES_CACHE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
_REACHES_OUT += ("TRANSFORMERS_CACHE", "HF_ENDPOINT")
# What of a base model's repository is needed to load it, beside weights as safetensors, or else as pickles: these are
# another's, and no part of what goes out.
_OF_A_BASE = ("*.json", "*.jinja", "*.model", "*.txt")
_WEIGHTS, _PICKLED = "*.safetensors", "pytorch_model*.bin"


def verify(
    folder: str | os.PathLike, predictions: str | os.PathLike, most: int = MOST_TEXTS, hub: Hub | None = None
) -> int:
    """Loads a folder in a fresh process and compares what it finds with stored predictions.

    The process runs in another directory, with an empty cache, without a network and without kospan. Offsets and labels
    have to be equal, scores to 1e-5; through AutoModel for all texts, through the other auto classes, the pipeline and
    handler.py for the first few.

    Args:
        folder: A release.
        predictions: JSON Lines with the spans that the run's model found.
        most: Texts that are compared at most, spread evenly over the file.
        hub: Where an adapter's base model is fetched from; None is the Hub with the token of this machine.

    Returns: How many texts were compared.

    Raises: ValueError where the folder cannot be loaded, or finds something else; it names the example.
        FileNotFoundError where an adapter's base model is not to be had.
    """
    stored = _spread(read_jsonl(predictions), most)
    if not stored:
        raise ValueError(
            f"expected predictions in {predictions} against which the release can be checked, got an empty file; "
            "write it again with kospan predict"
        )
    for example in stored:
        if example.spans is None:
            raise ValueError(f"expected spans for example {example.id!r} of {predictions}, got none; predict it again")
    items = [
        {
            key: value
            for key in ("text", "words", "question", "text_pair")
            if (value := getattr(example, key)) or key == "text"
        }
        for example in stored
    ]
    with over_local_base(Path(folder).resolve(), hub) as place:
        answers = _ask_stranger(place, items)
    for door, found in answers.items():
        differences = [
            f"example {example.id!r}: {difference}"
            for at, spans in found
            if (difference := difference_of((example := stored[at]).spans, spans))
        ]
        if differences:
            more = f" ({len(differences):,} of {len(found):,} examples differ)" if len(differences) > 1 else ""
            raise ValueError(
                f"expected the release to find what {Path(predictions).name} stores, got through {door} something "
                f"else in {differences[0]}{more}; nothing was sent. Write the predictions again with the model that "
                "lies there: kospan predict FOLDER TEXTS --output FOLDER/predictions.jsonl"
            )
    return len(stored)


@contextmanager
def over_local_base(folder: Path, hub: Hub | None = None) -> Iterator[Path]:
    """The folder; of an adapter a copy that names the place of its base model on this machine, where there is no
    network for the process that loads it.

    Args:
        folder: A release.
        hub: Where the base model is fetched from, with its token: it may be private.

    Raises: FileNotFoundError where the base model is not to be had.
    """
    if not (folder / ADAPTER).is_file():
        yield folder
        return
    settings = json.loads((folder / ADAPTER).read_text(encoding="utf-8"))
    base = settings["base_model_name_or_path"]
    fetch = snapshot_download if hub is None else hub.api.snapshot_download
    try:
        place = fetch(base, allow_patterns=[*_OF_A_BASE, _WEIGHTS])
        if not any(Path(place).glob(_WEIGHTS)):
            place = fetch(base, allow_patterns=[*_OF_A_BASE, _PICKLED])
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"expected the base model {base} of the adapter in the cache or on the Hub, to check what goes out, "
            "found none; mind the spelling in adapter_config.json, the connection, and that the token may read it"
        ) from error
    with tempfile.TemporaryDirectory() as elsewhere:
        copy = Path(elsewhere, "model")
        shutil.copytree(folder, copy)
        settings["base_model_name_or_path"] = place
        (copy / ADAPTER).write_text(json.dumps(settings), encoding="utf-8")
        yield copy


def _spread(examples: list[Example], most: int) -> list[Example]:
    if len(examples) <= most:
        return examples
    return [examples[at * len(examples) // most] for at in range(most)]


def difference_of(stored: Sequence, found: Sequence) -> str:
    """In words, where two lists of spans first differ; empty where they are the same.

    >>> difference_of([(0, 3, "PS", 0.9)], [(0, 3, "PS", 0.9000001)])
    ''
    >>> difference_of([(0, 3, "PS", 0.9)], [(0, 3, "LC", 0.9)])
    'span 0-3 PS is stored, 0-3 LC was found'
    """
    for old, new in zip(sorted(stored), sorted(map(tuple, found))):
        if tuple(old[:3]) != tuple(new[:3]):
            return f"span {old[0]}-{old[1]} {old[2]} is stored, {new[0]}-{new[1]} {new[2]} was found"
        # A real value may be large; a probability is not.
        if not abs(old[3] - new[3]) <= TOLERANCE * max(1.0, abs(old[3])):
            return f"span {old[0]}-{old[1]} {old[2]} is stored with the score {old[3]:.6f}, {new[3]:.6f} was found"
    if len(stored) != len(found):
        return f"{len(stored)} spans are stored, {len(found)} were found"
    return ""


def _ask_stranger(folder: Path, items: list[dict[str, str]]) -> dict[str, list]:
    """Door -> place and spans of each item that went through it, from a process that knows the folder alone.

    Args:
        items: Dicts with `text`, with `words` where it was given word by word, with `question` where the model answers
            questions, with `text_pair` where it reads pairs.
    """
    with tempfile.TemporaryDirectory() as elsewhere:
        given, found = Path(elsewhere, "items.json"), Path(elsewhere, "found.json")
        given.write_text(json.dumps(items), encoding="utf-8")
        environment = {key: value for key, value in os.environ.items() if key not in _REACHES_OUT}
        environment |= {"HF_HOME": str(Path(elsewhere, "cache")), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        environment |= {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        script = Path(__file__).with_name("stranger.py")
        # -I: nothing of this environment's paths; -B: the folder stays as it is.
        command = [sys.executable, "-I", "-B", "-X", "utf8", str(script), str(folder), str(given), str(found)]
        done = subprocess.run(
            command,
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
                "expected the release to load in a fresh process that has torch and transformers alone, got: "
                f"{lines[-1] if lines else f'exit status {done.returncode}'}; nothing was sent"
            )
        return json.loads(found.read_text(encoding="utf-8"))
