"""Experiment trackers (`report_to`) that log the whole recipe and the metrics of the saved model."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from transformers import TrainingArguments
from transformers.integrations import integration_utils

from kospan.redaction import redacted

_INTEGRATIONS = tuple(integration_utils.INTEGRATION_TO_CALLBACK.values())


class TrackedArguments(TrainingArguments):
    """TrainingArguments whose dictionary, which trackers log, holds a recipe's own settings too."""

    recipe = None  # Without an annotation it is no field and no flag.

    @classmethod
    def of(cls, args: TrainingArguments, recipe: Mapping) -> "TrackedArguments":
        """The same arguments with the settings of a recipe, by name."""
        tracked = object.__new__(cls)
        tracked.__dict__.update(args.__dict__, recipe=dict(recipe))
        return tracked

    def to_dict(self) -> dict:
        """As in transformers, with the recipe's settings."""
        return super().to_dict() | self.recipe

    def __reduce_ex__(self, protocol):
        # Pickled or copied, they are transformers' own class again.
        plain = object.__new__(TrainingArguments)
        plain.__dict__.update({key: value for key, value in self.__dict__.items() if key != "recipe"})
        return plain.__reduce_ex__(1)  # The protocol that allows another class.


class Trackers:
    """Trackers of a trainer, kept open after training for the scores of the saved model.

    Args:
        trainer: The trainer, which reports to them while it trains as always.
    """

    def __init__(self, trainer):
        self.trainer = trainer
        self.callbacks = [each for each in trainer.callback_handler.callbacks if isinstance(each, _INTEGRATIONS)]

    def begin(self) -> None:
        """Start the runs before the training.

        Raises: ConnectionError naming the tracker that cannot start.
        """
        for callback in self.callbacks:
            if getattr(callback, "_initialized", True):
                continue
            try:
                callback.on_train_begin(*self._event(), **self._objects())
            except Exception as error:  # Each tracker has errors of its own.
                raise ConnectionError(
                    f"expected {_tracker_name(callback)} (report_to) to start a run, got: {_one_line(error)}; set it "
                    "up, or set report_to: none"
                ) from error

    def _event(self) -> tuple:
        """Positional arguments of every event of a callback."""
        return self.trainer.args, self.trainer.state, self.trainer.control

    def _objects(self) -> dict:
        return {"model": self.trainer.model, "processing_class": self.trainer.processing_class}

    @contextmanager
    def held_open(self) -> Iterator[None]:
        """Inside, the end of the training does not end the trackers' runs."""
        for callback in self.callbacks:
            # On the instance: the class stays as it is.
            callback.on_train_end = _nothing
        try:
            yield
        finally:
            for callback in self.callbacks:
                del callback.on_train_end

    def end(self, metrics: Mapping[str, float]) -> None:
        """Report metrics at the last step, which summaries show, and end the runs.

        The model is complete by now: a tracker that fails prints a line, and the others still get the metrics.
        """
        for callback in self.callbacks:
            try:
                callback.on_log(*self._event(), logs=dict(metrics), model=self.trainer.model)
                callback.on_train_end(*self._event(), **self._objects())
            except Exception as error:
                print(f"not tracked         {_tracker_name(callback)}: {_one_line(error)}", flush=True)


def _nothing(*args, **kwargs) -> None:
    pass


def _tracker_name(callback) -> str:
    return type(callback).__name__.removesuffix("Callback").lower()


def _one_line(error: Exception) -> str:
    return redacted(" ".join(str(error).split())) or type(error).__name__
