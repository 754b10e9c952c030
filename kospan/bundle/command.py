"""The command `kospan bundle`."""

import os
import shutil
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from kospan import __version__
from kospan.bundle.checksums import NAME, file_hash, verify, write_checksums
from kospan.bundle.models import add_models
from kospan.bundle.sbom import check_available, software_bill
from kospan.bundle.target import Target
from kospan.bundle.wheelhouse import Wheelhouse, requirements
from kospan.bundle.wheels import CHECKOUT
from kospan.data.text import write_text
from kospan.training.saving import check_output

HERE = Target()
BILL = "sbom.cdx.json"


def bundle(
    out: str | os.PathLike,
    *,
    extras: Sequence[str] = (),
    models: Sequence[str] = (),
    target: Target = HERE,
    constraints: str | os.PathLike | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Write a bundle that installs without a package index, or continue an interrupted call.

    The files are collected in `.OUT.partial` beside the bundle, which is renamed at the end.

    Args:
        out: The new folder.
        extras: Extras of kospan, such as "serve".
        models: Folders, names of installed models or names on the Hub.
        target: The machine that it is for.
        constraints: A constraints file; None takes that of the checkout, if there is one.
        say: Function that takes a line about each step.

    Raises:
        FileExistsError: If there is something at `out`.
        ImportError: If packages of the extra bundle are missing.
        FileNotFoundError or ValueError: If a wheel or a model cannot be had.
    """
    check_available()
    out = Path(out)
    target.environment()
    if out.exists():
        raise FileExistsError(f"expected a new folder, found {out}; name another one, or check it with --verify")
    check_output(out, folder=True)
    chosen = _constraints(constraints)
    partial = out.with_name(f".{out.name}.partial")
    wheels, edges = Wheelhouse(partial / "wheelhouse", target, chosen, say).fill(extras)
    weights = add_models(models, partial / "models", say)
    write_text(partial / "requirements.txt", requirements(wheels))
    write_text(partial / BILL, software_bill(wheels, edges, weights))
    context = {"version": __version__, "target": target, "models": sorted(weights), "checksums": NAME, "bill": BILL}
    for name in ("INSTALL.md", "INSTALL.ko.md"):
        write_text(partial / name, _page(f"{name}.jinja", context | {"wheels": wheels}))
    for path in partial.rglob(".*-*"):
        shutil.rmtree(path, ignore_errors=True)  # Of an interrupted call.
    write_checksums(partial)
    count = verify(partial)
    os.replace(partial, out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    say(f"bundle              {out}: {len(wheels)} wheels, {count + 1} files, {size / 2**20:,.0f} MiB")
    say(f"{NAME:<20}{file_hash(out / NAME)} (SHA-256 of that file; send it through another channel)")


def _constraints(path: str | os.PathLike | None) -> Path | None:
    if path is not None and not Path(path).is_file():
        raise FileNotFoundError(f"expected a constraints file at {path}, found none; check the name")
    found = Path(path) if path is not None else CHECKOUT / "constraints.txt"
    return found.resolve() if found.is_file() else None


def _page(template: str, context: dict) -> str:
    text = (files("kospan.bundle") / template).read_text(encoding="utf-8")
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(text).render(context).rstrip() + "\n"
