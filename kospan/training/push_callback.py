"""Pushes during training: in the background, one at a time, each with the weights of the step that it names."""

import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from accelerate import PartialState
from transformers import TrainerCallback
from transformers.trainer_utils import HubStrategy

from kospan.redaction import redacted


class Publisher(Protocol):
    """Destination of pushes."""

    def open(self) -> str:
        """Check that pushes can arrive; returns the full name of the repository."""

    def push_step(self, checkpoint: Path, message: str, resumable: str | None = None) -> str:
        """Push a checkpoint in one commit; `resumable` names a folder for the checkpoint itself."""

    def push_release(self, folder: Path, message: str) -> str:
        """Push the output folder of a run; returns its address."""


class Push(NamedTuple):
    """A push in the queue.

    Args:
        step: The training step of the weights.
        folder: A copy of the checkpoint that nothing else uses.
        message: The commit's first line.
        resumable: A folder of the repository for the checkpoint itself, or None.
    """

    step: int
    folder: Path
    message: str
    resumable: str | None


class PushQueue:
    """A thread that pushes copies of checkpoints one after the other.

    Args:
        push: `(folder, message, resumable)` -> address; raises an error on failure.
        log: Takes a line about a push that arrived, failed or was skipped.
    """

    def __init__(self, push: Callable[[Path, str, str | None], object], log: Callable[[str], None]):
        self._push, self._log = push, log
        self._waiting: deque[Push] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._thread: threading.Thread | None = None
        self.failures: list[str] = []

    def put(self, push: Push, every: bool) -> None:
        """Add a push; unless `every` push has to arrive, it replaces those that have not started."""
        with self._changed:
            while self._waiting and not every:
                skipped = self._waiting.popleft()
                shutil.rmtree(skipped.folder, ignore_errors=True)
                self._log(f"push skipped        step {skipped.step}: step {push.step} is newer")
            self._waiting.append(push)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="push", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def finish(self) -> None:
        """Wait until no push is waiting or running."""
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
                address = self._push(push.folder, push.message, push.resumable)
                self._log(f"pushed              step {push.step}: {address}")
            except Exception as error:  # Whatever it is, training continues; the end of the run reports it.
                failure = f"step {push.step}: {str(error) or type(error).__name__}"
                self.failures.append(failure)
                self._log(f"push failed         {failure}")
            finally:
                shutil.rmtree(push.folder, ignore_errors=True)


class PushCallback(TrainerCallback):
    """Pushes checkpoints in place of the Trainer.

    The Trainer's own pushes hold no code until the last one, do not report a failure in the background, and send
    whatever the folder holds when they start.

    Args:
        publisher: Destination of the pushes.
        output_dir: The run's output folder.

    Raises: ValueError, PermissionError or ConnectionError where pushes cannot arrive.
    """

    def __init__(self, publisher: Publisher, output_dir: str | Path):
        self.publisher, self.queue, self.repository = publisher, PushQueue(publisher.push_step, _log), None
        if PartialState().is_main_process:
            self.repository = publisher.open()
            for copy in Path(output_dir).glob(".pushing-*"):  # Of a run that was killed.
                shutil.rmtree(copy, ignore_errors=True)

    def on_save(self, args, state, control, **kwargs):
        """Put a copy of the checkpoint into the queue."""
        PartialState().wait_for_everyone()  # Each process writes its own random state.
        strategy = args.hub_strategy
        if not state.is_world_process_zero or strategy == HubStrategy.END:
            return
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        # A copy: the checkpoint may be deleted before this push starts.
        copy = Path(tempfile.mkdtemp(prefix=".pushing-", dir=args.output_dir))
        shutil.copytree(checkpoint, copy, dirs_exist_ok=True)
        resumable = {HubStrategy.CHECKPOINT: "last-checkpoint", HubStrategy.ALL_CHECKPOINTS: checkpoint.name}
        message = f"Training in progress, step {state.global_step}"
        every = args.hub_always_push or strategy == HubStrategy.ALL_CHECKPOINTS
        self.queue.put(Push(state.global_step, copy, message, resumable.get(strategy)), every)

    def on_train_end(self, args, state, control, **kwargs):
        """Wait for the pushes under way."""
        self.queue.finish()


def _log(line: str) -> None:
    print(redacted(line), flush=True)
