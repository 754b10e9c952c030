"""`KospanPipeline`: base of the pipelines of all models, from the forms of inputs to those of results."""

import inspect
from collections.abc import Iterable, Iterator, Mapping

from transformers import Pipeline

from .input_checks import as_list, as_text

# Version 4 asks which library a model is written for, and knows it only of its own classes.
_TAKES_FRAMEWORK = "framework" in inspect.signature(Pipeline.__init__).parameters


class KospanPipeline(Pipeline):
    """Base of the pipelines. A derived class says what an item is, which settings there are and how results look."""

    # The model brings the tokenizer that it was trained with.
    _load_tokenizer = False
    _load_feature_extractor = False
    _load_image_processor = False
    _load_processor = False
    # transformers' name of the task.
    task_name = ""
    # For the message about inputs of another form.
    _wanted = "a str, a list of str or a stream of str"
    # Whether a list of one item gives its result alone.
    _unwraps_one = False

    def __init__(self, model, tokenizer=None, **kwargs):
        if model.tokenizer is None and hasattr(tokenizer, "get_vocab"):
            model.tokenizer = tokenizer
        _check_tokenizer(model, tokenizer)
        # While transformers looked the pipeline up, it put classes into this entry, which no JSON can hold.
        model.name_pipelines()
        if _TAKES_FRAMEWORK:
            kwargs["framework"] = "pt"
        super().__init__(model=model.eval(), tokenizer=model.tokenizer, **kwargs)
        self._check_batch_size(self._batch_size)

    def save_pretrained(self, save_directory, **kwargs):
        """As the model's own: it writes tokenizer, pipeline and handler too."""
        self.model.save_pretrained(save_directory, **kwargs)

    def __call__(
        self, inputs, num_workers: int | None = None, batch_size: int | None = None, **settings
    ) -> dict | list | Iterator:
        """The results for one item, or for each of several.

        Args:
            inputs: An item, a sequence of items, or anything that gives one item after the other: a generator, a data
                set, its column, transformers' `KeyDataset`.
            num_workers: 0: this process reads the texts.
            batch_size: Windows the encoder reads at once, 32 by default; of a stream, also the items taken at a time.
            **settings: As in the class.

        Returns: The result of an item; a list of results for what holds its items in memory (a list, a tuple, an array,
            a Series); an iterator for a stream, which reads no further than it must.

        Raises: TypeError or ValueError where the input has another form, or a setting is unknown, out of range or
            without a meaning here.
        """
        reading, writing = self._settled(settings, num_workers, batch_size)
        listed = self.items(inputs, **settings)
        if listed is None:
            return Stream(inputs, self.item, lambda items: self._found(items, reading, writing), reading["batch_size"])
        items, single = listed
        found = self._found(items, reading, writing)
        return found[0] if single or (self._unwraps_one and len(found) == 1) else found

    def items(self, inputs, **settings) -> tuple[list, bool] | None:
        """The items of an input, checked, and whether one came by itself; None where the input is a stream.

        Args:
            inputs: As in a call.
            **settings: As in the class; some say what an item is.

        Raises: TypeError or ValueError where the input or one of its items has another form.
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

    def results(self, items: list, **settings) -> list:
        """A result for each of some items that `items` gave, also where there is one.

        Raises: as a call of the pipeline.
        """
        return self._found(items, *self._settled(settings))

    def texts(self, item) -> tuple[str, ...]:
        """The texts of an item that `items` gave."""
        return (item,) if isinstance(item, str) else tuple(text for text in item if text is not None)

    def positions(self, items: list, **settings) -> int:
        """How many positions the encoder reads at the most for some items; 0 where no setting changes that."""
        return 0

    # --- what a derived class defines ---------------------------------------------------------------------------------

    def item(self, item, at: int):
        """An item as the model takes it. Raises: TypeError or ValueError where it has another form."""
        raise NotImplementedError

    def _is_item(self, inputs) -> bool:
        return isinstance(inputs, str)

    def _found(self, items: list, reading: dict, writing: dict) -> list:
        raise NotImplementedError

    def _check_batch_size(self, batch_size) -> None:
        raise NotImplementedError

    def _settled(self, settings: dict, num_workers=None, batch_size=None) -> tuple[dict, dict]:
        """The settings of a call over those of the pipeline: what the model takes, and what the results need."""
        if num_workers:
            raise ValueError(
                f"expected num_workers to be 0, got {num_workers!r}; leave it out, this process reads the texts"
            )
        settings = dict(settings)
        batch_size = settings.pop("batch_size", batch_size)
        self._check_batch_size(batch_size)
        _, reading, writing = self._sanitize_parameters(**settings)
        reading, writing = {**self._forward_params, **reading}, {**self._postprocess_params, **writing}
        reading["batch_size"] = batch_size or self._batch_size or 32
        return reading, writing


class PipelineOwner:
    """A model with a pipeline of its own."""

    _pipeline_class: type[KospanPipeline] | None = None

    def pipeline(self, **settings) -> KospanPipeline:
        """The pipeline of this model, as `transformers.pipeline` builds it for the model's folder.

        transformers' `pipeline(task, model=...)` finds it for a folder or a repository alone. For a loaded model it
        would build the stock pipeline of the task, which does not know how the model reads text.

        Args:
            **settings: What the pipeline's class takes; without `device` the model stays where it is.

        >>> model.pipeline()("이재용 회장이 서울에서 말했다")  # doctest: +SKIP
        """
        # A model that was placed while it was loaded stays where it is; the pipeline refuses a device for it.
        if getattr(self, "hf_device_map", None) is None:
            settings.setdefault("device", self.device)
        return self._pipeline_class(model=self, task=self._pipeline_class.task_name, **settings)


class Stream:
    """Results of one item after the other; as long as what it reads, where that has a length.

    Args:
        items: What gives the items.
        check: Item and its index -> the item as the model takes it.
        answer: A few of these -> a result for each.
        at_a_time: How many.
    """

    def __init__(self, items: Iterable, check, answer, at_a_time: int):
        self.items, self.check, self.answer, self.at_a_time = items, check, answer, at_a_time
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
        # A data set of torch has a length and items by index but no iterator.
        items = self.items if hasattr(self.items, "__iter__") else map(self.items.__getitem__, range(len(self.items)))
        for at, item in enumerate(items):
            waiting.append(self.check(item, at))
            if len(waiting) == self.at_a_time:
                yield from self.answer(waiting)
                waiting = []
        if waiting:
            yield from self.answer(waiting)


def _is_stream(inputs) -> bool:
    """Whether items can be taken out of it one after the other, in a fixed order."""
    one_after_the_other = hasattr(inputs, "__iter__") or hasattr(inputs, "__getitem__")
    # Of a mapping, and of a pandas DataFrame, the keys would be taken.
    unfit = isinstance(inputs, (str, bytes, bytearray, memoryview, Mapping, set, frozenset)) or hasattr(inputs, "keys")
    return one_after_the_other and not unfit


def _check_tokenizer(model, tokenizer) -> None:
    """A name must be the model's own, an object must have its vocabulary: another would give wrong ids."""
    if tokenizer is None or tokenizer is model.tokenizer:
        return
    if isinstance(tokenizer, str):
        same = tokenizer == model.name_or_path
    else:
        same = model.tokenizer is not None and getattr(tokenizer, "get_vocab", dict)() == model.tokenizer.get_vocab()
    if not same:
        given = tokenizer if isinstance(tokenizer, str) else type(tokenizer).__name__
        raise ValueError(
            f"expected no tokenizer but the model's own, got {given}; leave it out, the model brings the one that it "
            "was trained with"
        )
