"""Tells a head how far training is, for what is to change on the way."""

from transformers import TrainerCallback


class ProgressCallback(TrainerCallback):
    """Before each step calls `model.head.set_progress(progress)`, where the model has a head that uses it.

    Progress is a share of all steps, read off the Trainer's state, so that a resumed run goes on where it was.
    """

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        """How far training is, 0 at its first step."""
        self._tell(model, state.global_step / max(1, state.max_steps))

    def on_train_end(self, args, state, control, model=None, **kwargs):
        """Training is over."""
        self._tell(model, None)

    def _tell(self, model, progress: float | None) -> None:
        set_progress = getattr(getattr(model, "head", None), "set_progress", None)
        if set_progress is not None:
            set_progress(progress)
