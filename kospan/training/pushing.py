"""Pushes during training: in the background, one at a time, each of the step it names, and none lost in silence."""

import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from transformers.trainer_utils import HubStrategy


class Publisher(Protocol):
    """Who pushes; the training knows nothing of how."""

    def open(self) -> str:
        """Makes sure that pushes can arrive; gives the repository's full name."""

    def push_step(self, checkpoint: Path, message: str, resumable: str | None = None) -> str:
        """Pushes a checkpoint in one commit; `resumable` names a folder for the checkpoint itself."""

    def push_release(self, folder: Path, message: str) -> str:
        """Pushes what the run has left; gives its address."""


class Push(NamedTuple):
    """
    Args:
        step: The step of the training whose weights these are.
        folder: A copy of the checkpoint, nobody else's.
        message: The commit's first line.
        resumable: A folder of the repository for the checkpoint itself, or None.
    """

    step: int
    folder: Path
    message: str
    resumable: str | None


class PushQueue:
    """One thread that pushes copies of checkpoints, one after the other.

    Args:
        push: `(folder, message, resumable)` -> where it lies now; raises where it fails.
        say: Takes a line about a push that arrived, failed or was left out.
    """

    def __init__(self, push: Callable[[Path, str, str | None], object], say: Callable[[str], None]):
        self._push, self._say = push, say
        self._waiting: deque[Push] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._thread: threading.Thread | None = None
        self.failures: list[str] = []

    def put(self, push: Push, every: bool) -> None:
        """Adds a push. Unless `every` one is to arrive, it takes the place of those that have not begun."""
        with self._changed:
            while self._waiting and not every:
                left = self._waiting.popleft()
                shutil.rmtree(left.folder, ignore_errors=True)
                self._say(f"push left out       step {left.step}: step {push.step} has overtaken it")
            self._waiting.append(push)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="push", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def finish(self) -> None:
        """Waits until nothing is waiting or under way."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._busy)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting)
                push, self._busy = self._waiting.popleft(), True
            try:
                place = self._push(push.folder, push.message, push.resumable)
                self._say(f"pushed              step {push.step}: {place}")
            except Exception as error:  # Whatever it is, the training goes on and the run tells at its end.
                failure = f"step {push.step}: {str(error) or type(error).__name__}"
                self.failures.append(failure)
                self._say(f"push failed         {failure}")
            finally:
                shutil.rmtree(push.folder, ignore_errors=True)


class PushingTrainer:
    """The seams of transformers' Trainer through which it pushes; stands before it among the bases of `KospanTrainer`.

    The Trainer's own pushes hold no code until the last one, so that nobody can load them; a push that fails in the
    background is never told; and one that is overtaken sends whatever the folder holds by then.

    Args:
        publisher: Who pushes; needed with `push_to_hub: true`.
    """

    def __init__(self, *args, publisher: Publisher | None = None, **kwargs):
        # The Trainer opens the repository before it has made anything else.
        self.publisher = publisher
        self.pushes = PushQueue(publisher.push_step, _say) if publisher is not None else None
        super().__init__(*args, **kwargs)

    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """Makes sure before the first step that pushes can arrive.

        Raises: ValueError, PermissionError or ConnectionError where they cannot.
        """
        if self.publisher is None:
            raise ValueError(
                "expected a publisher with push_to_hub: true, got none; build the trainer with "
                "kospan.run.build_trainer, or leave push_to_hub out and publish the folder with push_to_hub.py"
            )
        if self.is_world_process_zero():
            self.hub_model_id = self.publisher.open()
            for left in Path(self.args.output_dir).glob(".pushing-*"):  # by a run that was killed
                shutil.rmtree(left, ignore_errors=True)

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        strategy, state = self.args.hub_strategy, self.state
        self.accelerator.wait_for_everyone()  # Each process writes its own random state.
        if not self.is_world_process_zero() or strategy == HubStrategy.END:
            return
        self.callback_handler.on_push_begin(self.args, state, self.control)
        folder = Path(checkpoint_folder)
        # A copy: the checkpoint may be rotated away, and the next one written, before this push has begun.
        copy = Path(tempfile.mkdtemp(prefix=".pushing-", dir=self.args.output_dir))
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        resumable = {HubStrategy.CHECKPOINT: "last-checkpoint", HubStrategy.ALL_CHECKPOINTS: folder.name}.get(strategy)
        message = f"Training in progress, step {state.global_step}"
        every = self.args.hub_always_push or strategy == HubStrategy.ALL_CHECKPOINTS
        self.pushes.put(Push(state.global_step, copy, message, resumable), every)

    def _finish_current_push(self) -> None:
        if self.pushes is not None:
            self.pushes.finish()

    def push_to_hub(self, commit_message: str | None = None, *args, **kwargs) -> str | None:
        """Pushes the release of what lies in the output folder, checked; gives its address on the first process."""
        if self.publisher is None:
            self.init_hf_repo()
        self._finish_current_push()
        if not self.is_world_process_zero():
            return None
        self.callback_handler.on_push_begin(self.args, self.state, self.control)
        message = commit_message or f"End of training, step {self.state.global_step}"
        return self.publisher.push_release(Path(self.args.output_dir), message)

    def finish_pushes(self) -> None:
        """The end of a run that pushes: sends the release, then tells of every push that did not arrive.

        Raises: ConnectionError naming them; the trained model lies whole in the output folder by then.
        """
        if self.publisher is None or not self.is_world_process_zero():
            return
        end = "the release at the end arrived"
        self._finish_current_push()
        failures = list(self.pushes.failures)
        try:
            self.push_to_hub()
        except (OSError, ValueError) as error:
            failures.append(f"the release: {error}")
            folder = self.args.output_dir
            end = f"send it with: python push_to_hub.py {folder} --repo_id {self.hub_model_id}"
        if failures:
            raise ConnectionError(
                f"expected every push to {self.hub_model_id} to arrive, {len(failures)} did not: "
                f"{'; '.join(failures)}. The trained model lies whole in {self.args.output_dir}; {end}"
            )


def _say(line: str) -> None:
    print(line, flush=True)
