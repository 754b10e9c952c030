"""From a conversion to the encoder it came from."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoConfig

from kospan.conversion.bigbird import FILE, LEFT_OVER, PAPERS, ROWS, TENSOR
from kospan.conversion.checkpoint import WEIGHTS, digest, read_source, write_tensors
from kospan.conversion.renames import BIGBIRD_PREFIX, OPTIONAL, POSITIONS, SEGMENTS, Names, pairs


def convert_back(place: str | Path, folder: Path) -> tuple[dict, bool]:
    """Write the source of a conversion again: tensors, config and tokenizer.

    A conversion that nothing has trained gives the source bit for bit (weights that lay in several files, or in
    `pytorch_model.bin`, come back in one `model.safetensors`). One that was trained on gives its new parameters under
    the source's names, the first n positions among them; config and tokenizer are the source's.

    Args:
        place: The folder of a conversion, with `conversion.json` and `conversion.safetensors` in it.
        folder: An empty folder.

    Returns:
        What `conversion.json` says, and whether the tensors are the source's bit for bit.

    Raises:
        FileNotFoundError: If the folder is no conversion.
        ValueError: If its weights do not belong together.
    """
    place = Path(place)
    for name in (PAPERS, LEFT_OVER):
        if not (place / name).is_file():
            raise FileNotFoundError(
                f"expected a conversion in {place}, found no {name} there; name what `kospan convert bigbird` has "
                f"written, or copy {PAPERS} and {LEFT_OVER} from there beside a model that was trained from it"
            )
    papers = json.loads((place / PAPERS).read_text(encoding="utf-8"))
    kept = load_file(place / LEFT_OVER)
    current = read_source(str(place)).tensors
    layers = AutoConfig.for_model(**papers["source_config"]).num_hidden_layers
    table = pairs(papers["model_type"], layers, Names(**papers["names"]), papers["head"])
    missing = [new for _, new in table if new not in current and new not in papers["added"] and new not in OPTIONAL]
    if missing:
        raise ValueError(
            f"expected the weights that {PAPERS} in {place} is about, got others, which lack {len(missing)} (first: "
            f"{missing[0]}); take both from one conversion"
        )
    tensors = {old: current[new] for old, new in table if new in current and new not in papers["added"]}
    names = {new: old for old, new in table}
    prefix = BIGBIRD_PREFIX if papers["head"] else ""
    positions, segments = names[prefix + POSITIONS], names[prefix + SEGMENTS]
    tensors[positions] = torch.cat([kept[ROWS + POSITIONS], tensors[positions][: papers["source_length"]]])
    # Rows that are the source's own as they are now; a second row that was made up goes.
    own = kept[ROWS + SEGMENTS].shape[0] if papers["segments"] == "own" else 1
    tensors[segments] = torch.cat([tensors[segments][:own], kept[ROWS + SEGMENTS][own:]])
    tensors |= {key.removeprefix(TENSOR): tensor for key, tensor in kept.items() if key.startswith(TENSOR)}

    write_tensors(folder / WEIGHTS, tensors, papers["metadata"])
    for key, content in kept.items():
        if key.startswith(FILE):
            (folder / key.removeprefix(FILE)).write_bytes(content.numpy().tobytes())
    return papers, digest(tensors) == papers["sha256"]
