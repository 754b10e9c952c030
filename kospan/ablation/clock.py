"""Training time of a run without evaluation and saving, summed over interruptions."""

import json
import time
from pathlib import Path

from transformers import TrainerCallback

from kospan.data.text import write_text


class Clock(TrainerCallback):
    """Wall and CPU seconds between evaluations, stored for each checkpoint.

    Seconds after the last checkpoint of an interrupted run are not counted: they did not contribute to the result.

    Args:
        path: JSON file with the counts by step.
        checkpoint: The checkpoint that training resumes from.
    """

    def __init__(self, path: Path, checkpoint: str | None):
        self.path, self.wall, self.cpu, self.starts = path, 0.0, 0.0, 1
        self.since: tuple[float, float] | None = None
        self.counts: dict[str, list] = {}
        if checkpoint is not None and path.is_file():
            self.counts = json.loads(path.read_text(encoding="utf-8"))["counts"]
            step = Path(checkpoint).name.rpartition("-")[2]
            self.wall, self.cpu, starts = self.counts.get(step, [0.0, 0.0, 0])
            self.starts = starts + 1

    def _stop(self) -> None:
        if self.since is not None:
            self.wall += time.perf_counter() - self.since[0]
            self.cpu += time.process_time() - self.since[1]
            self.since = None

    def _start(self) -> None:
        if self.since is None:
            self.since = time.perf_counter(), time.process_time()

    def on_step_begin(self, args, state, control, **kwargs):
        """Start the clock."""
        self._start()

    def on_step_end(self, args, state, control, **kwargs):
        """Stop the clock before an evaluation or a checkpoint."""
        self._pause(state, control)

    def on_epoch_end(self, args, state, control, **kwargs):
        """Stop the clock."""
        self._stop()
        self._pause(state, control)

    def _pause(self, state, control) -> None:
        """Stop for evaluation and saving; the count is written before its checkpoint."""
        if control.should_evaluate or control.should_save:
            self._stop()
        if control.should_save:
            self.counts[str(state.global_step)] = [self.wall, self.cpu, self.starts]
            write_text(self.path, json.dumps({"counts": self.counts}) + "\n")
