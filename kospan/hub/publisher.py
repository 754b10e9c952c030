"""Pushes during training: a loadable commit of each checkpoint, and the checked release at the end."""

import json
import tempfile
from pathlib import Path

from kospan.hub.hub import Hub
from kospan.hub.publish import REPLACED, commit_release, publish
from kospan.hub.release import prepare
from kospan.redaction import remember
from kospan.task import TaskSpec


def publisher_from(arguments, spec: TaskSpec) -> "Publisher | None":
    """The publisher for TrainingArguments; None without `push_to_hub`.

    The token is removed from the arguments in any case: the Trainer pickles them into every checkpoint.
    """
    token, arguments.hub_token = arguments.hub_token, None
    remember(token)
    if not arguments.push_to_hub:
        return None
    name = arguments.hub_model_id or Path(arguments.output_dir).resolve().name
    return Publisher(name, Hub(token), spec, arguments.hub_private_repo, arguments.hub_revision)


class Publisher:
    """Destination of a run's pushes.

    Args:
        name: `user/name`, or a bare name of the token's user.
        hub: The Hub.
        spec: The model's task.
        private: Make a new repository private.
        revision: A branch, created if it is missing; None is main.
    """

    def __init__(self, name: str, hub: Hub, spec: TaskSpec, private: bool | None = None, revision: str | None = None):
        self.name, self.hub, self.spec, self.private, self.revision = name, hub, spec, private, revision

    def open(self) -> str:
        """Check token, name, permission and repository before the training; returns `user/name`.

        Raises:
            ValueError, PermissionError or ConnectionError: In one line.
        """
        self.name, _ = self.hub.open(self.name, "model", self.private, self.revision)
        return self.name

    def push_step(self, checkpoint: str | Path, message: str, resumable: str | None = None) -> str:
        """Push a checkpoint's model with its code and tokenizer in one commit.

        Args:
            checkpoint: A checkpoint's folder that nothing else changes.
            message: The commit's first line.
            resumable: A folder of the repository for the checkpoint itself, in the same commit.

        Returns:
            The repository's address.
        """
        checkpoint, replaces = Path(checkpoint), REPLACED
        with tempfile.TemporaryDirectory(prefix=".model-", dir=checkpoint.parent) as temporary:
            release = prepare(checkpoint, temporary, checkpoint=True, secrets=self.hub.secrets)
            files = {name: Path(temporary, name) for name in release.files}
            if resumable:
                whole = {path.name: path for path in checkpoint.iterdir() if path.is_file()}
                # The Trainer's arguments are not needed for resuming, and they name this machine.
                whole.pop("training_args.bin", None)
                if "trainer_state.json" in whole:
                    whole["trainer_state.json"] = _portable_state(whole["trainer_state.json"], Path(temporary))
                whole |= {name: files[name] for name in whole if name in files}
                files |= {f"{resumable}/{name}": path for name, path in whole.items()}
                replaces = (*replaces, f"{resumable}/*")
            settings = {"revision": self.revision, "replaces": replaces}
            return commit_release(self.hub, self.name, files, message, **settings).url

    def push_release(self, folder: str | Path, message: str) -> str:
        """Publish the run's folder as `push_to_hub.py` does; returns its address."""
        settings = {"private": self.private, "revision": self.revision, "message": message}
        return publish(folder, self.name, self.spec, hub=self.hub, **settings)[0].url


def _portable_state(path: Path, folder: Path) -> Path:
    """The Trainer's state with the best checkpoint's bare name in place of its path."""
    state = json.loads(path.read_text(encoding="utf-8"))
    if state.get("best_model_checkpoint"):
        state["best_model_checkpoint"] = Path(state["best_model_checkpoint"]).name
    copy = folder / ".trainer_state.json"
    copy.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    return copy
