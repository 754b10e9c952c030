"""Pushes during training: each step's checkpoint so that it can be loaded, and the checked release at the end."""

import json
import tempfile
from pathlib import Path

from kospan.hub.hub import Hub
from kospan.hub.publish import REPLACED, commit_or_tell, publish
from kospan.hub.release import prepare


def publisher_from(arguments) -> "Publisher | None":
    """The publisher that TrainingArguments ask for; None without `push_to_hub`.

    The token moves out of the arguments in any case: the Trainer pickles them into every checkpoint.
    """
    token, arguments.hub_token = arguments.hub_token, None
    if not arguments.push_to_hub:
        return None
    name = arguments.hub_model_id or Path(arguments.output_dir).resolve().name
    return Publisher(name, Hub(token), private=arguments.hub_private_repo, revision=arguments.hub_revision)


class Publisher:
    """Where a run pushes to.

    Args:
        name: `user/name`, or a bare name of the token's user.
        hub: The Hub.
        private: Make a new repository private.
        revision: A branch, made if it is not there; None is main.
    """

    def __init__(self, name: str, hub: Hub, private: bool | None = None, revision: str | None = None):
        self.name, self.hub, self.private, self.revision = name, hub, private, revision

    def open(self) -> str:
        """Makes sure of token, name, right and repository before anything is trained; gives `user/name`.

        Raises: ValueError, PermissionError or ConnectionError, in one sentence.
        """
        self.name, _ = self.hub.open(self.name, "model", self.private, self.revision)
        return self.name

    def push_step(self, checkpoint: str | Path, message: str, resumable: str | None = None) -> str:
        """One commit that can be loaded: the model of a checkpoint with its code and tokenizer.

        Args:
            checkpoint: A checkpoint's folder that nobody changes meanwhile.
            message: The commit's first line.
            resumable: A folder of the repository that gets the checkpoint itself too, in the same commit.

        Returns: the repository's address.
        """
        checkpoint, replaces = Path(checkpoint), REPLACED
        with tempfile.TemporaryDirectory(prefix=".model-", dir=checkpoint.parent) as temporary:
            release = prepare(checkpoint, temporary, checkpoint=True, secrets=self.hub.secrets)
            files = {name: Path(temporary, name) for name in release.files}
            if resumable:
                whole = {path.name: path for path in checkpoint.iterdir() if path.is_file()}
                # The Trainer's arguments are not needed to go on, and they name this machine.
                whole.pop("training_args.bin", None)
                if "trainer_state.json" in whole:
                    whole["trainer_state.json"] = _portable_state(whole["trainer_state.json"], Path(temporary))
                whole |= {name: files[name] for name in whole if name in files}
                files |= {f"{resumable}/{name}": path for name, path in whole.items()}
                replaces = (*replaces, f"{resumable}/*")
            return commit_or_tell(
                self.hub, self.name, files, message, False, revision=self.revision, replaces=replaces
            ).url

    def push_release(self, folder: str | Path, message: str) -> str:
        """What `push_to_hub.py` does: the folder that the run has left, checked and whole."""
        settings = {"private": self.private, "revision": self.revision, "message": message}
        return publish(folder, self.name, hub=self.hub, **settings)[0].url


def _portable_state(path: Path, folder: Path) -> Path:
    """The Trainer's state with the best checkpoint's bare name in place of its path."""
    state = json.loads(path.read_text(encoding="utf-8"))
    if state.get("best_model_checkpoint"):
        state["best_model_checkpoint"] = Path(state["best_model_checkpoint"]).name
    copy = folder / ".trainer_state.json"
    copy.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    return copy
