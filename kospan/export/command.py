"""The command `kospan export`."""

import importlib.util
import os
from collections.abc import Callable

from kospan.api import open_labelled
from kospan.tasks.loading import load_saved

_NEEDED = ("onnx", "onnxruntime", "onnxscript")


def check_packages(command: str) -> None:
    """Check that the packages of the extra "onnx" are installed.

    Raises:
        ImportError: If one is missing.
    """
    missing = [each for each in _NEEDED if importlib.util.find_spec(each) is None]
    if missing:
        raise ImportError(f'expected the package {missing[0]} for {command}, found none; pip install "kospan[onnx]"')


def export_command(
    name: str,
    output: str,
    *,
    precision: str = "float32",
    reduce_range: bool | None = None,
    overwrite: bool = False,
    data: str | None = None,
    say: Callable[[str], None] = print,
    **reading,
) -> None:
    """Export a model, and print its scores on labelled data before and after.

    Args:
        name: Folder or Hub name of the model.
        output: Folder to write.
        precision: "float32" or "int8".
        reduce_range: As `export`.
        overwrite: Whether an earlier export may be replaced.
        data: Labelled file, or split of a data set; None prints no scores.
        say: Function that takes each line.
        **reading: Settings of `open_labelled`.

    Raises:
        ImportError: If a package of the extra "onnx" is missing.
        Exception: As `export` and `open_labelled`.
    """
    check_packages("kospan export")
    from kospan.export.export import export
    from kospan.runtime import load

    # Read first: a mistake in the data shows before the export.
    labelled = None if data is None else open_labelled(load_saved(name), data, **reading, say=say)
    done = export(name, output, precision=precision, reduce_range=reduce_range, overwrite=overwrite)
    say(
        f"exported            {output} ({done.precision}, {done.sizes[1] / 2**20:.1f} MiB; {name}: "
        f"{done.sizes[0] / 2**20:.1f} MiB)"
    )
    say(f"difference          {done.difference:.1e} of the largest score, on random windows")
    if done.instructions is not None:
        say(f"instruction set     {done.instructions}")
    if labelled is None:
        return
    task, examples = labelled.task, labelled.examples
    scores = [task.metrics(examples, task.predict(examples, model=model)) for model in (None, load(os.fspath(output)))]
    say(f"{f'{len(examples):,} documents':<20}{'before':>10}{'after':>10}{'change':>10}")
    for metric, before in scores[0].items():
        if metric.startswith("support_"):
            continue
        after = scores[1][metric]
        say(f"{metric:<20}{before:>10.4f}{after:>10.4f}{after - before:>+10.4f}")
