"""The commands `kospan convert bigbird` and `kospan convert back`."""

from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load_file
from transformers.utils.logging import disable_progress_bar

from kospan.conversion.bigbird import convert_to_bigbird
from kospan.conversion.checkpoint import WEIGHTS, check_new_folder, new_folder
from kospan.conversion.page import PAGE, PICTURE, page, picture, position_norms, summary_lines
from kospan.conversion.parity import check, check_full_length, compare
from kospan.conversion.restore import convert_back
from kospan.conversion.settings import Settings
from kospan.conversion.weight_names import BIGBIRD_PREFIX, POSITIONS


def bigbird(
    name_or_path: str,
    out: str | Path,
    settings: Settings,
    texts: Sequence[str],
    *,
    name: str | None = None,
    overwrite: bool = False,
) -> list[str]:
    """Convert an encoder, compare it with the source, and write model, page and picture, or nothing at all.

    Args:
        name_or_path: The source: a folder, or a name on the Hub.
        out: The folder to make.
        settings: Settings of the conversion.
        texts: Sentences for the comparison.
        name: Name of the source in the output (default: `name_or_path`, of a folder its last part).
        overwrite: Whether a model in `out` may be replaced.

    Returns:
        Lines for the screen.

    Raises:
        FileExistsError: If `out` holds something.
        FileNotFoundError, ValueError: As `convert_to_bigbird`.
    """
    check_new_folder(out, overwrite, name_or_path)
    disable_progress_bar()
    with new_folder(out) as folder:
        info = convert_to_bigbird(name_or_path, folder, settings, name)
        parities = compare(name_or_path, folder, info, texts)
        check(parities, info["source"])
        lengths = check_full_length(folder, info, texts)
        table = load_file(folder / WEIGHTS)[(BIGBIRD_PREFIX if info["head"] else "") + POSITIONS]
        norms = position_norms(table, info["source_length"])
        (folder / PICTURE).write_bytes(picture(info, norms))
        (folder / PAGE).write_text(page(info, parities, lengths, norms), encoding="utf-8")
    return [*summary_lines(info, parities, lengths, settings), f"page                {Path(out) / PAGE}"]


def back(name_or_path: str, out: str | Path, *, overwrite: bool = False) -> list[str]:
    """Restore the source of a conversion, or write nothing at all.

    Args:
        name_or_path: The conversion's folder.
        out: The folder to make.
        overwrite: Whether a model in `out` may be replaced.

    Returns:
        Lines for the screen.

    Raises:
        FileExistsError: If `out` holds something.
        FileNotFoundError, ValueError: As `convert_back`.
    """
    check_new_folder(out, overwrite, name_or_path)
    with new_folder(out) as folder:
        info, same = convert_back(name_or_path, folder)
    weights = "bit for bit the source" if same else "trained since the conversion: the source's names, other values"
    return [
        f"source              {info['source']} ({info['model_type']}, {info['source_length']:,} positions)",
        f"weights             {weights}",
        f"model               {out}",
    ]
