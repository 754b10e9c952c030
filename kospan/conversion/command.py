"""`kospan convert bigbird` and `kospan convert back`: folders in, folders out."""

from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load_file
from transformers.utils.logging import disable_progress_bar

from kospan.conversion.bigbird import convert_to_bigbird
from kospan.conversion.checkpoint import WEIGHTS, check_new_folder, new_folder
from kospan.conversion.page import PAGE, PICTURE, in_lines, page, picture, position_norms
from kospan.conversion.parity import check, compare, read_in_full
from kospan.conversion.renames import BIGBIRD_PREFIX, POSITIONS
from kospan.conversion.settings import Settings
from kospan.conversion.to_source import convert_back


def bigbird(
    place: str,
    out: str | Path,
    settings: Settings,
    texts: Sequence[str],
    *,
    name: str | None = None,
    overwrite: bool = False,
) -> list[str]:
    """Convert an encoder, compares the two, and writes model, page and picture; all of it or nothing.

    Args:
        place: The source: a folder, or a name on the Hub.
        out: The folder to make.
        settings: How the encoder is made long.
        texts: Sentences that both read for the comparison.
        name: What the source is called in what is written (default: `place`, of a folder its last part).
        overwrite: Whether a model in `out` may be replaced.

    Returns:
        Lines for the screen.

    Raises:
        FileExistsError: If `out` holds something.
        FileNotFoundError, ValueError: As `convert_to_bigbird`.
    """
    check_new_folder(out, overwrite, place)
    disable_progress_bar()
    with new_folder(out) as folder:
        papers = convert_to_bigbird(place, folder, settings, name)
        parities = compare(place, folder, papers, texts)
        check(parities, papers["source"])
        lengths = read_in_full(folder, papers, texts)
        table = load_file(folder / WEIGHTS)[(BIGBIRD_PREFIX if papers["head"] else "") + POSITIONS]
        norms = position_norms(table, papers["source_length"])
        (folder / PICTURE).write_bytes(picture(papers, norms))
        (folder / PAGE).write_text(page(papers, parities, lengths, norms), encoding="utf-8")
    return [*in_lines(papers, parities, lengths, settings), f"page                {Path(out) / PAGE}"]


def back(place: str, out: str | Path, *, overwrite: bool = False) -> list[str]:
    """Write the source of a conversion again, all of it or nothing.

    Args:
        place: The conversion's folder.
        out: The folder to make.
        overwrite: Whether a model in `out` may be replaced.

    Returns:
        Lines for the screen.

    Raises:
        FileExistsError: If `out` holds something.
        FileNotFoundError, ValueError: As `convert_back`.
    """
    check_new_folder(out, overwrite, place)
    with new_folder(out) as folder:
        papers, same = convert_back(place, folder)
    told = "bit for bit the source" if same else "trained since the conversion: the source's names, other values"
    return [
        f"source              {papers['source']} ({papers['model_type']}, {papers['source_length']:,} positions)",
        f"weights             {told}",
        f"model               {out}",
    ]
