"""Loading of exported models."""

import json
import os
from pathlib import Path

from .graph_model import FORMAT_VERSION, SETTINGS, GraphModel, check_file
from .models import GRAPH_MODELS


def load(folder: str | os.PathLike, threads: int | None = None) -> GraphModel:
    """Open a model that `kospan export` wrote.

    Args:
        folder: The folder.
        threads: Number of threads that work on a batch; None uses all cores.

    Returns:
        An object with the method `extract`, `answer` or `classify`, as the model in torch has it.

    Raises:
        FileNotFoundError: If the folder or one of its files is missing.
        ValueError: If it has another format version than this code, or is damaged.

    >>> model = load("exported")  # doctest: +SKIP
    >>> model.extract("이재용 회장이 서울에서 말했다")  # doctest: +SKIP
    [Span(start=0, end=3, label='PS', score=0.99), Span(start=8, end=10, label='LC', score=0.98)]
    """
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise ValueError(f"expected threads to be a whole number of 1 or more, got {threads!r}; leave it out for all")
    folder = Path(folder)
    check_file(folder / SETTINGS)
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise ValueError(f"a {type(settings).__name__}")
        missing = [key for key in ("format_version", "model_type", "precision", "tokenizer") if key not in settings]
        if missing:
            raise ValueError(f"none with {missing[0]}")
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"expected settings of an exported model in {folder / SETTINGS}, got {error}; export the model again"
        ) from error
    version = settings["format_version"]
    if version != FORMAT_VERSION:
        raise ValueError(
            f"expected format version {FORMAT_VERSION} in {folder / SETTINGS}, got {version}; export the model again "
            "with this version of kospan, or load it with the code beside it"
        )
    if str(settings["model_type"]) not in GRAPH_MODELS:
        raise ValueError(
            f"expected model_type to be one of {', '.join(GRAPH_MODELS)} in {folder / SETTINGS}, got "
            f"{settings['model_type']!r}; export the model again"
        )
    return GRAPH_MODELS[settings["model_type"]](folder, settings, threads)
