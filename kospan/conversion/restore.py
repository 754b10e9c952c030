"""Restoration of the source of a conversion."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoConfig

from kospan.conversion.bigbird import FILE, INFO_FILE, LEFTOVERS_FILE, ROWS, TENSOR
from kospan.conversion.checkpoint import WEIGHTS, digest, read_source, write_tensors
from kospan.conversion.weight_names import BIGBIRD_PREFIX, OPTIONAL, POSITIONS, SEGMENTS, Spelling, name_pairs


def convert_back(name_or_path: str | Path, folder: Path) -> tuple[dict, bool]:
    """Write the source of a conversion: tensors, config and tokenizer.

    An untrained conversion gives the source bit for bit (weights of several files, or of `pytorch_model.bin`, are
    written to one `model.safetensors`). A trained one gives its new parameters under the source's names, the first n
    positions among them; config and tokenizer are the source's.

    Args:
        name_or_path: The folder of a conversion, with `conversion.json` and `conversion.safetensors` in it.
        folder: An empty folder.

    Returns:
        The contents of `conversion.json`, and whether the tensors are the source's bit for bit.

    Raises:
        FileNotFoundError: If the folder is not a conversion.
        ValueError: If its weights do not belong together.
    """
    name_or_path = Path(name_or_path)
    for name in (INFO_FILE, LEFTOVERS_FILE):
        if not (name_or_path / name).is_file():
            raise FileNotFoundError(
                f"expected a conversion in {name_or_path}, found no {name} there; name the output folder of `kospan "
                f"convert bigbird`, or copy {INFO_FILE} and {LEFTOVERS_FILE} from it to a model trained from it"
            )
    info = json.loads((name_or_path / INFO_FILE).read_text(encoding="utf-8"))
    kept = load_file(name_or_path / LEFTOVERS_FILE)
    current = read_source(str(name_or_path)).tensors
    layers = AutoConfig.for_model(**info["source_config"]).num_hidden_layers
    table = name_pairs(info["model_type"], layers, Spelling(**info["names"]), info["head"])
    missing = [new for _, new in table if new not in current and new not in info["added"] and new not in OPTIONAL]
    if missing:
        raise ValueError(
            f"expected the weights of {INFO_FILE} in {name_or_path}, got others, which lack {len(missing)} (first: "
            f"{missing[0]}); take both from one conversion"
        )
    tensors = {old: current[new] for old, new in table if new in current and new not in info["added"]}
    names = {new: old for old, new in table}
    prefix = BIGBIRD_PREFIX if info["head"] else ""
    positions, segments = names[prefix + POSITIONS], names[prefix + SEGMENTS]
    tensors[positions] = torch.cat([kept[ROWS + POSITIONS], tensors[positions][: info["source_length"]]])
    # Current values of the source's own rows; an added second row is dropped.
    own = kept[ROWS + SEGMENTS].shape[0] if info["segments"] == "own" else 1
    tensors[segments] = torch.cat([tensors[segments][:own], kept[ROWS + SEGMENTS][own:]])
    tensors |= {key.removeprefix(TENSOR): tensor for key, tensor in kept.items() if key.startswith(TENSOR)}

    write_tensors(folder / WEIGHTS, tensors, info["metadata"])
    for key, content in kept.items():
        if key.startswith(FILE):
            (folder / key.removeprefix(FILE)).write_bytes(content.numpy().tobytes())
    return info, digest(tensors) == info["sha256"]
