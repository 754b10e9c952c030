"""Experiment trackers (`report_to`): a run's parameters are the whole recipe, and its last metrics those of the saved
model."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from transformers import TrainingArguments
from transformers.integrations import integration_utils

_INTEGRATIONS = tuple(integration_utils.INTEGRATION_TO_CALLBACK.values())


class TrackedArguments(TrainingArguments):
    """TrainingArguments that every tracker of transformers sees with a recipe's own settings."""

    recipe = None  # Without an annotation it is no field, and none of the command line's settings.

    @classmethod
    def of(cls, args: TrainingArguments, recipe: Mapping) -> "TrackedArguments":
        """The same arguments beside the settings of a recipe, by name."""
        tracked = object.__new__(cls)
        tracked.__dict__.update(args.__dict__, recipe=dict(recipe))
        return tracked

    def to_dict(self) -> dict:
        """As in transformers, with the recipe's settings."""
        return super().to_dict() | self.recipe

    def __reduce_ex__(self, protocol):
        # Stored, or copied, they are transformers' own again.
        plain = object.__new__(TrainingArguments)
        plain.__dict__.update({key: value for key, value in self.__dict__.items() if key != "recipe"})
        return plain.__reduce_ex__(1)  # The protocol that allows another class.


class Trackers:
    """The trackers of a trainer, kept open behind its training for the scores of the saved model.

    Args:
        trainer: The trainer; what it reports while it trains is reported as always.
    """

    def __init__(self, trainer):
        self.trainer = trainer
        self.callbacks = [each for each in trainer.callback_handler.callbacks if isinstance(each, _INTEGRATIONS)]

    def begin(self) -> None:
        """Begins the runs, before a training that could not be tracked.

        Raises: ConnectionError naming the tracker that does not take the run.
        """
        for callback in self.callbacks:
            if getattr(callback, "_initialized", True):
                continue
            try:
                callback.on_train_begin(*self._about(), **self._parts())
            except Exception as error:  # Each tracker has errors of its own.
                raise ConnectionError(
                    f"expected {_name(callback)} (report_to) to begin a run, got: {_line(error)}; set it up, or set "
                    "report_to: none"
                ) from error

    def _about(self) -> tuple:
        """What every event of a callback is given."""
        return self.trainer.args, self.trainer.state, self.trainer.control

    def _parts(self) -> dict:
        return {"model": self.trainer.model, "processing_class": self.trainer.processing_class}

    @contextmanager
    def held_open(self) -> Iterator[None]:
        """Inside, the end of a training does not end the trackers' runs."""
        for callback in self.callbacks:
            # On the object, so that the class and all who ask for it stay as they are.
            callback.on_train_end = _nothing
        try:
            yield
        finally:
            for callback in self.callbacks:
                del callback.on_train_end

    def end(self, metrics: Mapping[str, float]) -> None:
        """Reports metrics at the last step, which a run's summary then shows, and ends the runs. The model is complete
        by now: a tracker that fails is a line, and the others are still told."""
        for callback in self.callbacks:
            try:
                callback.on_log(*self._about(), logs=dict(metrics), model=self.trainer.model)
                callback.on_train_end(*self._about(), **self._parts())
            except Exception as error:  # As above.
                print(f"not tracked         {_name(callback)}: {_line(error)}", flush=True)


def _nothing(*args, **kwargs) -> None:
    pass


def _name(callback) -> str:
    return type(callback).__name__.removesuffix("Callback").lower()


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
