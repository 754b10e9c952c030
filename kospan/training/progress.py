"""Tells a head how far training is, for what is to change on the way."""

from transformers import TrainerCallback


class ProgressCallback(TrainerCallback):
    """Before each step calls `model.head.follow(progress)`, where the model has a head that follows.

    Progress is a share of all steps, read off the Trainer's state, so that a resumed run goes on where it was.
    """

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        """How far training is, 0 at its first step."""
        self._tell(model, state.global_step / max(1, state.max_steps))

    def on_train_end(self, args, state, control, model=None, **kwargs):
        """Training is over."""
        self._tell(model, None)

    def _tell(self, model, progress: float | None) -> None:
        follow = getattr(getattr(model, "head", None), "follow", None)
        if follow is not None:
            follow(progress)
