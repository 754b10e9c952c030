"""`KospanPipeline`: base class of the pipelines, with the handling of inputs, settings and streams."""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from transformers import Pipeline

from .input_checks import as_list, as_text, check_batch_size

# transformers 4 needs the framework of a model, and detects it for its own classes only.
_TAKES_FRAMEWORK = "framework" in inspect.signature(Pipeline.__init__).parameters


class KospanPipeline(Pipeline):
    """Base class of the pipelines. Derived classes define items, settings and the form of results."""

    # The model has its own tokenizer.
    _load_tokenizer = False
    _load_feature_extractor = False
    _load_image_processor = False
    _load_processor = False
    # transformers' name of the task.
    task_name = ""
    # Allowed inputs, for error messages.
    _wanted = "a str, a list of str or a stream of str"
    # Name in the stock pipeline -> name in the model's method.
    _settings: dict[str, str] = {}
    # Whether a list of one item gives a single result.
    _unwraps_one = False

    def __init__(self, model, tokenizer=None, **kwargs):
        if model.tokenizer is None and hasattr(tokenizer, "get_vocab"):
            model.tokenizer = tokenizer
        _check_tokenizer(model, tokenizer)
        # transformers has put classes into this entry, which cannot be saved as JSON.
        model.name_pipelines()
        if _TAKES_FRAMEWORK:
            kwargs["framework"] = "pt"
        self._given = {name for name in self._all_settings() if kwargs.get(name) is not None}
        super().__init__(model=model.eval(), tokenizer=model.tokenizer, **kwargs)
        self._check_batch_size(self._batch_size)

    def save_pretrained(self, save_directory, **kwargs):
        """Save the model, which also writes tokenizer, pipeline and handler."""
        self.model.save_pretrained(save_directory, **kwargs)

    def __call__(
        self, inputs, num_workers: int | None = None, batch_size: int | None = None, **settings
    ) -> dict | list | Iterator:
        """Predict one item, or each of several.

        Args:
            inputs: An item, a sequence of items, or a stream of items: a generator, a data set, its column,
                transformers' `KeyDataset`.
            num_workers: Must be 0: this process prepares the texts.
            batch_size: Windows per batch, 32 by default; for a stream, also the items taken at a time.
            **settings: As in the class.

        Returns:
            The result of an item; a list of results for a list, a tuple, an array or a Series; an iterator for a
            stream, which reads no further than necessary.

        Raises:
            TypeError or ValueError: If the input has another form, or a setting is unknown, out of range or
                meaningless here.
        """
        forward, formatting = self._merged_settings(settings, num_workers, batch_size)
        listed = self.items(inputs, **settings)
        if listed is None:
            return Stream(
                inputs,
                self.item,
                lambda items: self._found(items, settings, forward, formatting),
                forward["batch_size"],
            )
        items, single = listed
        found = self._found(items, settings, forward, formatting)
        return found[0] if single or (self._unwraps_one and len(found) == 1) else found

    def items(self, inputs, /, **settings) -> tuple[list, bool] | None:
        """The checked items of an input, and whether it is a single one; None for a stream.

        Args:
            inputs: As in a call.
            **settings: As in the class; some define what an item is.

        Raises:
            TypeError or ValueError: If the input or one of its items has another form.
        """
        inputs = as_text(inputs)
        if self._is_item(inputs):
            return [self.item(inputs, 0)], True
        items = as_list(inputs, in_memory=True)
        if items is not None:
            return [self.item(each, at) for at, each in enumerate(items)], False
        if not _is_stream(inputs):
            raise TypeError(f"expected inputs to be {self._wanted}, got {type(inputs).__name__}; pass one of these")
        return None

    def results(self, items: list, /, **settings) -> list:
        """The results of items that `items` returned, as a list; raises as a call of the pipeline."""
        return self._found(items, settings, *self._merged_settings(settings))

    def texts(self, item) -> tuple[str, ...]:
        """The texts of an item that `items` returned."""
        return (item,) if isinstance(item, str) else tuple(text for text in item if text is not None)

    def positions(self, items: list, /, **settings) -> int:
        """Upper bound of the encoder positions for some items; 0 if no setting changes it."""
        return 0

    # --- defined by derived classes -----------------------------------------------------------------------------------

    def item(self, item, at: int):
        """An item as the model takes it; raises TypeError or ValueError if it has another form."""
        raise NotImplementedError

    def _is_item(self, inputs) -> bool:
        return isinstance(inputs, str)

    def _results(self, items: list, forward: dict, formatting: dict) -> list:
        raise NotImplementedError

    def _check_batch_size(self, batch_size) -> None:
        if batch_size is not None:
            check_batch_size(batch_size)

    def _found(self, items: list, settings: Mapping, forward: dict, formatting: dict) -> list:
        with self._names_of(settings):
            return self._results(items, forward, formatting)

    def _all_settings(self) -> set[str]:
        return {*self._settings, *self._settings.values()}

    @contextmanager
    def _names_of(self, settings: Mapping) -> Iterator[None]:
        """Raise errors of the model with the caller's names of settings: the stock ones, if the caller uses any."""
        try:
            yield
        except (TypeError, ValueError) as error:
            sent = self._given | {name for name in self._all_settings() if settings.get(name) is not None}
            takes_stock = not sent.isdisjoint(self._settings)
            names = {
                ours: stock
                for stock, ours in self._settings.items()
                # An old name counts only if it was sent.
                if ours not in sent and (stock in sent or (takes_stock and stock != "topk"))
            }
            message = re.sub(r"\w+", lambda word: names.get(word[0], word[0]), str(error))
            if message == str(error):
                raise
            raise (TypeError if isinstance(error, TypeError) else ValueError)(message) from error

    def _merged_settings(self, settings: dict, num_workers=None, batch_size=None) -> tuple[dict, dict]:
        """Settings of a call over those of the pipeline: for the forward pass, and for the form of the results."""
        if num_workers:
            raise ValueError(f"expected num_workers to be 0, got {num_workers!r}; leave it out")
        settings = dict(settings)
        batch_size = settings.pop("batch_size", batch_size)
        self._check_batch_size(batch_size)
        _, forward, formatting = self._sanitize_parameters(**settings)
        forward, formatting = {**self._forward_params, **forward}, {**self._postprocess_params, **formatting}
        forward["batch_size"] = batch_size or self._batch_size or 32
        return forward, formatting


class PipelineOwner:
    """Mixin of models that have a pipeline."""

    _pipeline_class: type[KospanPipeline] | None = None

    def pipeline(self, **settings) -> KospanPipeline:
        """Build the pipeline of this model, as `transformers.pipeline` does for the model's folder.

        For a loaded model `transformers.pipeline` would build the stock pipeline of the task, which does not know the
        model's units and windows.

        Args:
            **settings: Settings of the pipeline's class; without `device` the model stays on its device.

        >>> model.pipeline()("이재용 회장이 서울에서 말했다")  # doctest: +SKIP
        """
        # A model with a device map stays where it is; the pipeline refuses a device for it.
        if getattr(self, "hf_device_map", None) is None:
            settings.setdefault("device", self.device)
        return self._pipeline_class(model=self, task=self._pipeline_class.task_name, **settings)


class Stream:
    """Results of a stream of items; it has the length of the stream, if that has one.

    Args:
        items: The stream.
        check: Item and its index -> the item as the model takes it.
        predict: A few of these -> a result for each.
        at_a_time: Items per call of `predict`.
    """

    def __init__(self, items: Iterable, check, predict, at_a_time: int):
        self.items, self.check, self.predict, self.at_a_time = items, check, predict, at_a_time
        self._results = None

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator:
        self._results = self._read()
        return self._results

    def __next__(self):
        if self._results is None:
            self._results = self._read()
        return next(self._results)

    def _read(self) -> Iterator:
        waiting = []
        # A data set of torch has a length and an index but no iterator.
        items = self.items if hasattr(self.items, "__iter__") else map(self.items.__getitem__, range(len(self.items)))
        for at, item in enumerate(items):
            waiting.append(self.check(item, at))
            if len(waiting) == self.at_a_time:
                yield from self.predict(waiting)
                waiting = []
        if waiting:
            yield from self.predict(waiting)


def _is_stream(inputs) -> bool:
    """Whether it yields items in a fixed order."""
    iterable = hasattr(inputs, "__iter__") or hasattr(inputs, "__getitem__")
    # A mapping or a pandas DataFrame would yield its keys.
    unfit = isinstance(inputs, (str, bytes, bytearray, memoryview, Mapping, set, frozenset)) or hasattr(inputs, "keys")
    return iterable and not unfit


def _check_tokenizer(model, tokenizer) -> None:
    """Check that a tokenizer is the model's own: another one would give wrong ids."""
    if tokenizer is None or tokenizer is model.tokenizer:
        return
    if isinstance(tokenizer, str):
        same = tokenizer == model.name_or_path
    else:
        same = model.tokenizer is not None and getattr(tokenizer, "get_vocab", dict)() == model.tokenizer.get_vocab()
    if not same:
        given = tokenizer if isinstance(tokenizer, str) else type(tokenizer).__name__
        raise ValueError(f"expected no tokenizer but the model's own, got {given}; leave it out")
