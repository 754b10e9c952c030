"""Publication of a run's folder: prepare, check in a clean environment, and commit the model, then its Space."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from kospan.card.card import write_card
from kospan.card.metadata import EVAL_RESULTS
from kospan.card.record import ONNX
from kospan.hub.hub import Hub, Pushed, check_name
from kospan.hub.refusals import check_configs, check_no_secrets
from kospan.hub.release import prepare
from kospan.hub.space import prepare_space
from kospan.hub.verify import verify
from kospan.modeling.base_models import ADAPTER
from kospan.modeling.configuration_generative_ner import NAME
from kospan.redaction import redacted
from kospan.task import TaskSpec
from kospan.training.saving import dot_notes

# Files of an older release or of a stock Trainer that are deleted unless the new release has them: a config of another
# kind of model would decide how the weights are loaded, and old scores belong to other weights.
REPLACED = (
    *("config.json", ADAPTER, NAME, EVAL_RESULTS, "*.safetensors", "model.safetensors.index.json"),
    *("*.bin", "*.bin.index.json", "*.pt", "*.pth", "*.ckpt", f"{ONNX}/*"),
)


def publish(
    folder: str | os.PathLike,
    repo_id: str,
    spec: TaskSpec,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    space: str | None = None,
    message: str | None = None,
    predictions: bool = False,
    export: Callable[[Path, Path], None] | None = None,
    dry_run: str | os.PathLike | None = None,
    hub: Hub | None = None,
    say: Callable[[str], None] = print,
) -> list[Pushed]:
    """Publish a run's folder after a clean-environment check: one commit for the model, one for its Space.

    It can be run again after any interruption: nothing that is there already is sent again.

    Args:
        folder: A run's folder.
        repo_id: `user/name`, or a bare name of the token's user.
        spec: The model's task.
        private: Make a new repository private; an existing public one is refused.
        revision: A branch, created if it is missing; None is main.
        create_pr: Open a pull request instead.
        space: `user/name` of a Space that serves the model.
        message: The commits' first line.
        predictions: Also publish predictions.jsonl, which holds the validation texts.
        export: Writes the exported model of the first folder to the second; None publishes no exported model.
        dry_run: A new folder, or one of an earlier dry run, that gets all files; nothing is sent.
        hub: The destination, and the source of an adapter's base model; None is the Hub with this machine's token.
        say: Function that takes a line about each step.

    Returns:
        The pushes, the model first; none after a dry run.

    Raises:
        FileNotFoundError or ValueError: If the folder must not be published as it is.
        FileExistsError: If the dry run would overwrite other files.
        PermissionError or ConnectionError: If the Hub did not accept it. All in one line, without the token.
    """
    folder = Path(folder).resolve()
    for name in filter(None, (repo_id, space)):
        check_name(name)
    if dry_run is not None:
        _check_dry_run(Path(dry_run))
    else:
        hub = hub or Hub()
        hub.user()  # A wrong token, or a Hub that does not answer, shows before the long check.
        repo_id, space = hub.full_name(repo_id), space and hub.full_name(space)
    for note in dot_notes(repo_id):
        say(note)
    message = message or f"Release {folder.name}"
    with tempfile.TemporaryDirectory(prefix=".release-", dir=folder if folder.is_dir() else None) as temporary:
        model, page = Path(temporary, "model"), Path(temporary, "space")
        secrets = hub.secrets if hub else ()
        left_out = prepare(folder, model, predictions=predictions, secrets=secrets).left_out
        if export is not None:
            export(folder, model / ONNX)
            check_configs(model / ONNX)
            check_no_secrets(model / ONNX, secrets)
        write_card(model, spec, repo_id)
        check_no_secrets(model, secrets)
        if space:
            prepare_space(page, repo_id, adapter=(model / ADAPTER).is_file())
        say(f"checking            a fresh process loads {folder.name} and predicts the texts of predictions.jsonl")
        count = verify(model, folder / "predictions.jsonl", spec, hub=hub)
        say(f"checked             {count:,} texts: offsets and labels equal, scores to 1e-5")
        if dry_run is not None:
            _keep(Path(temporary), Path(dry_run))
            _list(Path(dry_run), {"model": repo_id, "space": space}, left_out, say)
            return []
        # Both repositories are opened before the first commit: a wrong name or a missing permission shows first.
        _, new = hub.open(repo_id, "model", private, revision, proposes=create_pr)
        new_space = bool(space) and hub.open(space, "space", private, proposes=create_pr)[1]
        settings = {"revision": revision, "create_pr": create_pr}
        pushed = [commit_release(hub, repo_id, _files(model), message, new, **settings)]
        say(_pushed_line("model", pushed[0]))
        if space:
            note = f"the model is complete at {pushed[0].url}, the Space {_state(space, new_space)}"
            pushed.append(_commit(hub, space, _files(page), message, note, kind="space", create_pr=create_pr))
            say(_pushed_line("space", pushed[1]))
            if private:
                say("note                a Space loads a private model with a token in its secret HF_TOKEN")
            if revision is not None or create_pr:
                say(f"note                the Space loads the main branch of {repo_id}")
    return pushed


def commit_release(hub: Hub, name: str, files: dict, message: str, new=False, replaces=REPLACED, **settings) -> Pushed:
    """Commit a model as `Hub.commit` does; the error also says whether the repository is still empty (`new`)."""
    note = f"nothing of this release is public, {_state(name, new)}"
    return _commit(hub, name, files, message, note, replaces=replaces, **settings)


def _commit(hub: Hub, name: str, files: dict[str, Path], message: str, note: str, **settings) -> Pushed:
    """The commit; its error ends with a note."""
    try:
        return hub.commit(name, files, message, **settings)
    except (OSError, ValueError) as error:
        failure = error
    raise type(failure)(f"{failure}; {note}")


def _pushed_line(part: str, pushed: Pushed) -> str:
    return (
        f"{part:<20}{redacted(pushed.url)} ({'commit ' + pushed.oid[:8] if pushed.new else 'up to date, nothing sent'})"
    )


def _state(name: str, new: bool) -> str:
    return f"{name} was created and is still empty" if new else f"{name} is unchanged"


def _files(folder: Path) -> dict[str, Path]:
    """Path in the repository -> file."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(folder).as_posix(): path for path in paths}


# --- dry run ----------------------------------------------------------------------------------------------------------


def _check_dry_run(target: Path) -> None:
    """Raise FileExistsError if a dry run would overwrite files of anything but a dry run."""
    existing = {path.name for path in target.iterdir()} if target.is_dir() else {"a file"} if target.exists() else set()
    ours = any((target / "model" / name).is_file() for name in ("config.json", ADAPTER))
    if existing and not (existing <= {"model", "space"} and ours):
        message = "expected --dry_run to name a new folder, or one of an earlier dry run, found"
        raise FileExistsError(f"{message} {min(existing)} in {target}; name another")


def _keep(temporary: Path, target: Path) -> None:
    for name in ("model", "space"):
        shutil.rmtree(target / name, ignore_errors=True)
        if (temporary / name).is_dir():
            shutil.copytree(temporary / name, target / name)


def _list(target: Path, names: dict[str, str | None], left_out: list[str], say: Callable[[str], None]) -> None:
    """A line per file with its size, and one with the files that are not published."""
    for part, name in names.items():
        if name is not None:
            sizes = {path: file.stat().st_size for path, file in _files(target / part).items()}
            say(f"{part:<20}{name}: {len(sizes)} files, {sum(sizes.values()):,} bytes, in {target / part}")
            for path, size in sizes.items():
                say(f"{size:>18,}  {path}")
    say(f"not published       {', '.join(left_out) or 'nothing'}")
    say("dry run             nothing was sent")
