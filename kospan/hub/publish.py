"""From a run's folder to the Hub: prepare, check as a stranger would, push once; the Space after the model."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from kospan.card.card import write_card
from kospan.card.metadata import EVAL_RESULTS
from kospan.hub.hub import Hub, Pushed, check_name
from kospan.hub.refusals import check_no_secrets
from kospan.hub.release import prepare
from kospan.hub.space import prepare_space
from kospan.hub.verify import verify
from kospan.modeling.base_models import ADAPTER
from kospan.modeling.configuration_generative_ner import NAME
from kospan.training.saving import dot_notes

# What a release takes the place of: weights of older releases, and what a stock Trainer would have left there.
# A config that is left behind by another kind of model would make that kind of this one, and scores would be another
# model's.
REPLACED = (
    "config.json",
    EVAL_RESULTS,
    ADAPTER,
    NAME,
    "*.safetensors",
    "model.safetensors.index.json",
    "*.bin",
    "*.bin.index.json",
    "*.pt",
    "*.pth",
    "*.ckpt",
)


def publish(
    folder: str | os.PathLike,
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    space: str | None = None,
    message: str | None = None,
    predictions: bool = False,
    dry_run: str | os.PathLike | None = None,
    hub: Hub | None = None,
    say: Callable[[str], None] = print,
) -> list[Pushed]:
    """Publishes what a run has left, having loaded it as a stranger would: one commit for the model, one for the Space.

    May be run again after whatever interrupted it: what is there already is not sent again.

    Args:
        folder: What a run has left.
        repo_id: `user/name`, or a bare name of the token's user.
        private: Make a new repository private; one that is public already is refused.
        revision: A branch, made if it is not there; None is main.
        create_pr: Propose it as a pull request instead.
        space: `user/name` of a Space that serves the model.
        message: The commits' first line.
        predictions: Also publish predictions.jsonl, which holds the validation texts.
        dry_run: A new folder, or one of an earlier dry run, to write everything to instead of sending it.
        hub: Where to, and where an adapter's base model is fetched from; None is the Hub with the token of this
            machine. A dry run sends nothing there.
        say: Takes a line about each thing done.

    Returns: what was pushed, the model first; nothing after a dry run.

    Raises: FileNotFoundError or ValueError where the folder must not go out as it is, FileExistsError where the dry run
        would overwrite something else, PermissionError or ConnectionError where the Hub did not take it; in one
        sentence, without the token.
    """
    folder = Path(folder).resolve()
    for name in (repo_id, space):
        if name is not None:
            check_name(name)
    if dry_run is not None:
        _check_kept(Path(dry_run))
    else:
        hub = hub or Hub()
        hub.user()  # A token that is wrong, or a Hub that is not there, shows before the long check.
        repo_id, space = hub.full_name(repo_id), space and hub.full_name(space)
    for note in dot_notes(repo_id):
        say(note)
    message = message or f"Release {folder.name}"
    with tempfile.TemporaryDirectory(prefix=".release-", dir=folder if folder.is_dir() else None) as temporary:
        model, page = Path(temporary, "model"), Path(temporary, "space")
        secrets = hub.secrets if hub else ()
        left_out = prepare(folder, model, predictions=predictions, secrets=secrets).left_out
        write_card(model, repo_id)
        check_no_secrets(model, secrets)
        if space:
            prepare_space(page, repo_id, adapter=(model / ADAPTER).is_file())
        say(f"checking            a fresh process loads {folder.name} and reads the texts of predictions.jsonl")
        count = verify(model, folder / "predictions.jsonl", hub=hub)
        say(f"checked             {count:,} texts: offsets and labels equal, scores to 1e-5")
        if dry_run is not None:
            _keep(temporary, Path(dry_run))
            _list(Path(dry_run), {"model": repo_id, "space": space}, left_out, say)
            return []
        # Both repositories are there before the first commit, so that a name or a right that is wrong shows first.
        _, new = hub.open(repo_id, "model", private, revision, proposes=create_pr)
        _, new_space = hub.open(space, "space", private, proposes=create_pr) if space else (space, False)
        settings = {"revision": revision, "create_pr": create_pr, "replaces": REPLACED}
        done = [commit_or_tell(hub, repo_id, _files(model), message, new, **settings)]
        _tell("model", done[-1], say)
        if space:
            done.append(_commit_space(hub, space, _files(page), message, new_space, create_pr, done[0]))
            _tell("space", done[-1], say)
            if private:
                say("note                a Space reads a private model with a token in its secret HF_TOKEN")
            if revision is not None or create_pr:
                say(f"note                the Space loads what lies on the main branch of {repo_id}")
    return done


def commit_or_tell(hub: Hub, name: str, files: dict[str, Path], message: str, new: bool, **settings) -> Pushed:
    """As `Hub.commit`; its error also says what the repository holds now.

    Args:
        new: The repository was made a moment ago.
    """
    try:
        return hub.commit(name, files, message, **settings)
    except (OSError, ValueError) as error:
        failure = error
    raise type(failure)(f"{failure}; nothing of this release is public, {_state(name, new)}")


def _commit_space(hub: Hub, name: str, files: dict, message: str, new: bool, create_pr: bool, model: Pushed) -> Pushed:
    """The second commit; its error says that the first one stands."""
    try:
        return hub.commit(name, files, message, kind="space", create_pr=create_pr)
    except (OSError, ValueError) as error:
        failure = error
    raise type(failure)(f"{failure}; the model is whole at {model.url}, the Space {_state(name, new)}")


def _state(name: str, new: bool) -> str:
    return f"{name} was made and is still empty" if new else f"{name} is as it was"


def _files(folder: Path) -> dict[str, Path]:
    """Path in the repository -> file."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(folder).as_posix(): path for path in found}


def _check_kept(kept: Path) -> None:
    """Raises: FileExistsError where a dry run would write over something that no dry run has written."""
    there = {path.name for path in kept.iterdir()} if kept.is_dir() else {"a file"} if kept.exists() else set()
    ours = any((kept / "model" / name).is_file() for name in ("config.json", ADAPTER))
    if there and not (there <= {"model", "space"} and ours):
        raise FileExistsError(
            f"expected --dry_run to name a new folder, or one of an earlier dry run, found {min(there)} in {kept}; "
            "name another"
        )


def _keep(temporary: str, kept: Path) -> None:
    """Puts what was prepared where the user may look at it."""
    for name in ("model", "space"):
        shutil.rmtree(kept / name, ignore_errors=True)
        if Path(temporary, name).is_dir():
            shutil.copytree(Path(temporary, name), kept / name)


def _list(kept: Path, names: dict[str, str | None], left_out: list[str], say: Callable[[str], None]) -> None:
    """A line per file with its size, and what stays at home."""
    for part, name in names.items():
        if name is None:
            continue
        files = _files(kept / part)
        say(f"{part:<20}{name}: {len(files)} files, {sum(map(_size, files.values())):,} bytes, in {kept / part}")
        for path, file in files.items():
            say(f"{_size(file):>18,}  {path}")
    say(f"stays at home       {', '.join(left_out) or 'nothing'}")
    say("dry run             nothing was sent")


def _size(path: Path) -> int:
    return path.stat().st_size


def _tell(part: str, pushed: Pushed, say: Callable[[str], None]) -> None:
    say(f"{part:<20}{pushed.url} ({'commit ' + pushed.oid[:8] if pushed.new else 'there already, nothing sent'})")
