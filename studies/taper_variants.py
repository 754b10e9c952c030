"""Variants of the study of long positions: contents of the rows that a short encoder lacks."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from kospan.conversion.bigbird import convert_to_bigbird
from kospan.conversion.parity import load_full_attention
from kospan.conversion.settings import Settings
from kospan.conversion.taper import stretched


class Variant(NamedTuple):
    """A method to extend a table of positions.

    Args:
        name: As tables and files call it.
        schedule: A decay schedule of TAPER, or "random" (rows of the source's norms in directions drawn), or "zero" (no
            positions behind the source's: what every schedule becomes where tau is small).
        tau: The parameter of the schedule.
        seed: Of "random".
    """

    name: str
    schedule: str
    tau: float = 1.0
    seed: int = 0


TAUS = (1.0, 2.0, 4.0, 8.0)
TILING = Variant("tiling", "none")
VARIANTS = (
    TILING,
    *(Variant(f"{schedule} {tau:g}", schedule, tau) for schedule in ("exp", "power") for tau in TAUS),
    # tau 1 of this schedule is tiling.
    *(Variant(f"geometric {tau:g}", "geometric", tau) for tau in TAUS[1:]),
    Variant("zero", "zero"),
    *(Variant(f"random {seed}", "random", seed=seed) for seed in range(3)),
)


def table(positions: torch.Tensor, length: int, variant: Variant) -> torch.Tensor:
    """Position table of a variant.

    Args:
        positions: The source's `(n, hidden)`.
        length: Rows of the new one, n or more.
        variant: Rows after the first n, which are the source's in every variant.

    Returns: `(length, hidden)`.
    """
    if variant.schedule not in ("random", "zero"):
        return stretched(positions, length, variant.schedule, variant.tau)
    n = positions.shape[0]
    tiled = stretched(positions, length, "none")
    if variant.schedule == "zero":
        rest = torch.zeros_like(tiled[n:])
    else:
        drawn = torch.randn(tiled[n:].shape, generator=torch.Generator().manual_seed(variant.seed), dtype=tiled.dtype)
        rest = drawn * (tiled[n:].norm(dim=1, keepdim=True) / drawn.norm(dim=1, keepdim=True))
    return torch.cat([tiled[:n], rest])


def converted(source: Path, folder: Path, length: int, block: int) -> Path:
    """The source as a BigBird of `length` positions, tiled, by the converter; made once.

    Args:
        source: Folder of the short encoder.
        folder: Where the conversion goes.
        length: Its positions.
        block: Of its sparse attention.
    """
    if not (folder / "conversion.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        convert_to_bigbird(str(source), folder, Settings(max_length=length, schedule="none", block_size=block))
    return folder


def open_variant(
    folder: Path, reach: int, variant: Variant, attention: str = "full"
) -> tuple[nn.Module, nn.Module, nn.Module]:
    """An variant's encoder, its head, and the masked language model of transformers that both are of.

    Args:
        folder: What `converted` made.
        reach: n, positions of its source.
        variant: Which rows stand behind those.
        attention: "full" is transformers' BigBird, "sparse" our own block-sparse encoder with the same weights.
    """
    model = load_full_attention(folder, head=True)
    place = model.bert.embeddings.position_embeddings.weight
    with torch.no_grad():
        place.copy_(table(place[:reach].clone(), len(place), variant))
    if attention == "full":
        return model.bert, model.cls, model
    from kospan.modeling.sparse_attention import SparseBigBird

    encoder = SparseBigBird.from_pretrained(folder).eval()
    with torch.no_grad():
        encoder.embeddings.position_embeddings.weight.copy_(place)
    return encoder, model.cls, model
