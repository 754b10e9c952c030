"""Training progress for heads whose loss depends on it."""

from transformers import TrainerCallback


class ProgressCallback(TrainerCallback):
    """Calls `model.head.set_progress(progress)` before each step, if the head has this method.

    Progress is the share of finished steps in the Trainer's state, so that a resumed run continues with it.
    """

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        """Pass on the progress, 0 at the first step."""
        self._follow(model, state.global_step / max(1, state.max_steps))

    def on_train_end(self, args, state, control, model=None, **kwargs):
        """Pass on None: training is over."""
        self._follow(model, None)

    def _follow(self, model, progress: float | None) -> None:
        set_progress = getattr(getattr(model, "head", None), "set_progress", None)
        if set_progress is not None:
            set_progress(progress)
