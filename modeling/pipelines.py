"""The models' own classes for transformers' `pipeline`, named in a saved config as `custom_pipelines`."""

from collections.abc import Iterable, Iterator, Mapping

from transformers import Pipeline

# What the stock pipeline of this task takes besides, and where its meaning lives here.
_ELSEWHERE = {
    "stride": "long text is always read through windows, as the model's config says (window, stride)",
    "is_split_into_words": 'join the words: pipe(" ".join(words))',
    "delimiter": 'join the words: pipe(" ".join(words))',
    "offset_mapping": "offsets always count characters of the text that was given",
    "function_to_apply": "scores are always exact probabilities",
    "top_k": "one tag sequence, the best, is read out; model.inspect(text) has the probabilities of all tags",
}
_STRATEGIES = ("simple", "first", "average", "max")


class SpanTaggerPipeline(Pipeline):
    """`pipeline("token-classification", model=..., trust_remote_code=True)`: spans as the usual dicts.

    It calls `model.extract`, so a text has the spans that it has in evaluation. Settings, here or in a call:

    threshold: Spans with a lower score are left out; 0.0 (default) keeps all.
    batch_size: Windows the encoder reads at once, 32 unless told; of a stream, also the texts that are taken at a time.
    ignore_labels: Labels to leave out.
    aggregation_strategy: "simple", "first", "average" and "max" all give the same, because one label for a whole span
        comes out of the chain and there is nothing left to merge. "none" is refused: `model.inspect(text)` has the
        probabilities of every tag at every unit.

    >>> pipe = pipeline("token-classification", model="user/name", trust_remote_code=True)  # doctest: +SKIP
    >>> pipe("이재용 회장이 서울에서 말했다", threshold=0.5)  # doctest: +SKIP
    [{'entity_group': 'PS', 'score': 0.99, 'word': '이재용', 'start': 0, 'end': 3}, ...]
    """

    # The model brings the tokenizer that it was trained with.
    _load_tokenizer = False
    _load_feature_extractor = False
    _load_image_processor = False
    _load_processor = False
    default_input_names = "texts"

    def __init__(self, model, tokenizer=None, **kwargs):
        if model.tokenizer is None and hasattr(tokenizer, "get_vocab"):
            model.tokenizer = tokenizer
        _check_tokenizer(model, tokenizer)
        # While transformers looked the pipeline up, it put classes into this entry, which no JSON can hold.
        model.name_pipelines()
        super().__init__(model=model.eval(), tokenizer=model.tokenizer, **kwargs)
        self._check_batch_size(self._batch_size)

    def __call__(
        self, inputs: str | Iterable[str], num_workers: int | None = None, batch_size: int | None = None, **kwargs
    ) -> list[dict] | list[list[dict]] | Iterator[list[dict]]:
        """The spans of a text, or of each of several.

        Args:
            inputs: A text, a list of texts, or anything that gives one text after the other: a generator, a data set's
                column, transformers' `KeyDataset`.
            num_workers: 0: nothing here is done by other processes.
            batch_size: As in the class; `**kwargs` takes the other settings.

        Returns: `{"entity_group", "score", "word", "start", "end"}` per span, sorted by start: a list for a str, a list
        of lists for a list or tuple; for a stream an iterator of lists that reads no further than it must.

        Raises: TypeError where `inputs` is neither; TypeError or ValueError for a setting that is not known, out of
            range or without a meaning here.
        """
        if num_workers:
            raise ValueError(
                f"expected num_workers to be 0, got {num_workers!r}; leave it out, this process reads the texts"
            )
        self._check_batch_size(batch_size)
        _, reading, writing = self._sanitize_parameters(**kwargs)
        reading, writing = {**self._forward_params, **reading}, {**self._postprocess_params, **writing}
        reading["batch_size"] = batch_size or self._batch_size or 32
        if isinstance(inputs, str):
            return self._found([inputs], reading, writing)[0]
        if isinstance(inputs, (list, tuple)):
            return self._found(list(inputs), reading, writing)
        one_after_the_other = hasattr(inputs, "__iter__") or hasattr(inputs, "__getitem__")
        if isinstance(inputs, (bytes, bytearray, Mapping)) or not one_after_the_other:
            raise TypeError(
                f"expected inputs to be a str, a list of str or a stream of str, got {type(inputs).__name__}; "
                "pass the text itself"
            )
        return _Stream(self, inputs, reading, writing)

    # --- the parts that every pipeline has ----------------------------------------------------------------------------

    def _sanitize_parameters(self, threshold=None, ignore_labels=None, aggregation_strategy=None, **unknown):
        for name, value in unknown.items():
            if name not in _ELSEWHERE:
                raise TypeError(
                    f"expected only the settings threshold, batch_size, ignore_labels and aggregation_strategy, "
                    f"got {name}; leave it out"
                )
            if value not in (None, False):
                raise ValueError(f"expected no {name}, got {value!r}; {_ELSEWHERE[name]}")
        reading, writing = {}, {}
        if threshold is not None:
            self.model.extract([], threshold)  # No text is read; the setting is checked where it is at home.
            reading["threshold"] = threshold
        if ignore_labels is not None:
            writing["ignore_labels"] = self._known_labels(ignore_labels)
        strategy = getattr(aggregation_strategy, "value", aggregation_strategy)
        if strategy is not None and strategy not in _STRATEGIES:
            raise ValueError(
                f"expected aggregation_strategy to be one of {', '.join(_STRATEGIES)}, which all give whole spans, "
                f"got {strategy!r}; for the tags of single units call model.inspect(text)"
            )
        return {}, reading, writing

    def preprocess(self, input_: str) -> dict:
        """A text as it is; `extract` takes it apart."""
        return {"text": input_}

    def _forward(self, input_tensors: dict, **reading) -> dict:
        return {"text": input_tensors["text"], "spans": self.model.extract(input_tensors["text"], **reading)}

    def postprocess(self, model_outputs: dict, ignore_labels: tuple[str, ...] = ()) -> list[dict]:
        """Spans of one text as the dicts that the stock pipeline gives."""
        return [
            {
                "entity_group": span.label,
                "score": float(span.score),
                "word": model_outputs["text"][span.start : span.end],
                "start": int(span.start),
                "end": int(span.end),
            }
            for span in model_outputs["spans"]
            if span.label not in ignore_labels
        ]

    def save_pretrained(self, save_directory, **kwargs):
        """As the model's own: it writes tokenizer, pipeline and handler too."""
        self.model.save_pretrained(save_directory, **kwargs)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _found(self, texts: list[str], reading: dict, writing: dict) -> list[list[dict]]:
        with self.device_placement():
            found = self.model.extract(texts, **reading)
        return [self.postprocess({"text": text, "spans": spans}, **writing) for text, spans in zip(texts, found)]

    def _check_batch_size(self, batch_size) -> None:
        if batch_size is not None:
            self.model.extract([], batch_size=batch_size)

    def _known_labels(self, labels) -> tuple[str, ...]:
        known = sorted({tag.partition("-")[2] for tag in self.model.config.id2label.values() if tag != "O"})
        if isinstance(labels, str) or not isinstance(labels, Iterable):
            raise TypeError(f"expected ignore_labels to be a list of labels, got {labels!r}; wrap it in a list")
        labels = tuple(labels)
        for label in labels:
            # "O" is what the stock pipeline ignores unless told otherwise; nothing here carries it.
            if label not in known and label != "O":
                raise ValueError(f"expected ignore_labels to hold labels of {', '.join(known)}, got {label!r}")
        return labels


class _Stream:
    """Spans of one text after the other; as long as what it reads, where that has a length."""

    def __init__(self, pipe: SpanTaggerPipeline, texts, reading: dict, writing: dict):
        self.pipe, self.texts, self.reading, self.writing = pipe, texts, reading, writing
        self._results = None

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[list[dict]]:
        self._results = self._read()
        return self._results

    def __next__(self) -> list[dict]:
        if self._results is None:
            self._results = self._read()
        return next(self._results)

    def _read(self) -> Iterator[list[dict]]:
        waiting: list[str] = []
        # A data set of torch has a length and places but no iterator.
        texts = self.texts if hasattr(self.texts, "__iter__") else map(self.texts.__getitem__, range(len(self.texts)))
        for at, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(
                    f"expected a stream of str, got {type(text).__name__} at place {at}; take the text out of it, "
                    'as in dataset["text"]'
                )
            waiting.append(text)
            if len(waiting) == self.reading["batch_size"]:
                yield from self.pipe._found(waiting, self.reading, self.writing)
                waiting = []
        if waiting:
            yield from self.pipe._found(waiting, self.reading, self.writing)


def _check_tokenizer(model, tokenizer) -> None:
    """A name must be the model's own, an object must have its vocabulary: another would give every piece a wrong id."""
    if tokenizer is None or tokenizer is model.tokenizer:
        return
    if isinstance(tokenizer, str):
        same = tokenizer == model.name_or_path
    else:
        same = model.tokenizer is not None and getattr(tokenizer, "get_vocab", dict)() == model.tokenizer.get_vocab()
    if not same:
        given = tokenizer if isinstance(tokenizer, str) else type(tokenizer).__name__
        raise ValueError(
            f"expected no tokenizer but the model's own, got {given}; "
            "leave it out, the model brings the one that it was trained with"
        )
