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


class SpanPipeline(Pipeline):
    """What the pipelines of all our models have in common; a class derived from it has `_check_batch_size`."""

    # The model brings the tokenizer that it was trained with.
    _load_tokenizer = False
    _load_feature_extractor = False
    _load_image_processor = False
    _load_processor = False

    def __init__(self, model, tokenizer=None, **kwargs):
        if model.tokenizer is None and hasattr(tokenizer, "get_vocab"):
            model.tokenizer = tokenizer
        _check_tokenizer(model, tokenizer)
        # While transformers looked the pipeline up, it put classes into this entry, which no JSON can hold.
        model.name_pipelines()
        super().__init__(model=model.eval(), tokenizer=model.tokenizer, **kwargs)
        self._check_batch_size(self._batch_size)

    def save_pretrained(self, save_directory, **kwargs):
        """As the model's own: it writes tokenizer, pipeline and handler too."""
        self.model.save_pretrained(save_directory, **kwargs)


class SpanTaggerPipeline(SpanPipeline):
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

    default_input_names = "texts"

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
        _check_workers(num_workers)
        self._check_batch_size(batch_size)
        _, reading, writing = self._sanitize_parameters(**kwargs)
        reading, writing = {**self._forward_params, **reading}, {**self._postprocess_params, **writing}
        reading["batch_size"] = batch_size or self._batch_size or 32
        if isinstance(inputs, str):
            return self._found([inputs], reading, writing)[0]
        if isinstance(inputs, (list, tuple)):
            return self._found(list(inputs), reading, writing)
        if not _is_stream(inputs):
            raise TypeError(
                f"expected inputs to be a str, a list of str or a stream of str, got {type(inputs).__name__}; "
                "pass the text itself"
            )
        return _Stream(inputs, _check_text, lambda texts: self._found(texts, reading, writing), reading["batch_size"])

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


class SpanReaderPipeline(SpanPipeline):
    """`pipeline("question-answering", model=..., trust_remote_code=True)`: answers as the stock pipeline gave them.

    transformers 5 has no pipeline for this task any more. It calls `model.answer`, so a question has the answer that it
    has in evaluation. Settings, here or in a call; what is left out is as the model's config says:

    top_k: Answers at the most, 1 unless told; `topk` is its old name.
    doc_stride: Overlap of neighbouring windows in pieces; no answer is longer.
    max_seq_len: Most positions of a window. It lowers an overlap that nobody asked for to half of itself.
    max_answer_len: Most characters (units) of an answer.
    max_question_len: Most pieces of a question.
    handle_impossible_answer: Whether "no answer" takes part; it has start 0, end 0 and an empty answer.
    align_to_words: Whether answers are widened to whole words, False unless told: a Korean answer often ends inside
        one. What is widened keeps its score.
    padding: Taken and without effect; windows are padded to the longest of a batch.
    threshold: Answers with a lower score are left out, also where none stays.
    trim_particles: Whether a Korean particle at an answer's end is cut off.
    batch_size: Windows the encoder reads at once, 32 unless told; of a stream, also the questions taken at a time.

    Where it differs from the stock pipeline: `top_k` above 1 always gives a list, also of one answer; characters, not
    words, are the default; a text without characters has the empty answer with score 0 instead of an error.

    >>> pipe = pipeline("question-answering", model="user/name", trust_remote_code=True)  # doctest: +SKIP
    >>> pipe(question="수도는 어디인가?", context="대한민국의 수도는 서울이다.")  # doctest: +SKIP
    {'score': 0.97, 'start': 10, 'end': 12, 'answer': '서울'}
    """

    default_input_names = "question,context"
    # What the stock pipeline called it -> what `model.answer` does.
    _settings = {
        "topk": "top_k",
        "top_k": "top_k",
        "doc_stride": "stride",
        "max_seq_len": "window",
        "max_answer_len": "longest_answer",
        "max_question_len": "max_question",
        "handle_impossible_answer": "null_answer",
        "threshold": "threshold",
        "trim_particles": "trim_particles",
    }

    def __call__(
        self, *inputs, question=None, context=None, num_workers: int | None = None, batch_size=None, **kwargs
    ) -> dict | list | Iterator:
        """The answers to a question, or to each of several.

        Args:
            *inputs: `{"question": ..., "context": ...}`, a list of them, or anything that gives one after the other: a
                generator, a data set. Or a question and its text.
            question: In place of `inputs`: a question or a list of them.
            context: A text, or one for each question.
            num_workers: 0: nothing here is done by other processes.
            batch_size: As in the class; `**kwargs` takes the other settings.

        Returns: `{"score", "start", "end", "answer"}` for one question, also for a list that holds one, as the stock
        pipeline did; a list of them, best first, with `top_k` above 1; for a list of questions a list of either; for a
        stream an iterator that reads no further than it must.

        Raises: TypeError or ValueError where the input has another form, or a setting is unknown or out of range.
        """
        _check_workers(num_workers)
        self._check_batch_size(batch_size)
        _, reading, writing = self._sanitize_parameters(**kwargs)
        reading, writing = {**self._forward_params, **reading}, {**self._postprocess_params, **writing}
        reading["batch_size"] = batch_size or self._batch_size or 32
        items = _asked(inputs, question, context)
        if not isinstance(items, list):
            return _Stream(items, _pair, lambda pairs: self._found(pairs, reading, writing), reading["batch_size"])
        found = self._found([_pair(item, at) for at, item in enumerate(items)], reading, writing)
        return found[0] if len(found) == 1 else found

    # --- the parts that every pipeline has ----------------------------------------------------------------------------

    def _sanitize_parameters(self, align_to_words=None, padding=None, **given):
        reading, writing = {}, {}
        for name in given:
            if name not in self._settings:
                raise TypeError(
                    f"expected only the settings {', '.join(self._settings)}, batch_size, align_to_words and padding, "
                    f"got {name}; leave it out"
                )
        for name, ours in self._settings.items():
            if given.get(name) is not None:
                reading[ours] = given[name]
        self.model.answer([], [], **reading)  # No text is read; settings are checked where they are at home.
        if "window" in reading and "stride" not in reading:
            reading["stride"] = max(1, min(self.model.config.stride, reading["window"] // 2))
        if "top_k" in reading:
            writing["top_k"] = reading["top_k"]
        if align_to_words is not None:
            if not isinstance(align_to_words, bool):
                raise TypeError(
                    f"expected align_to_words to be true or false, got {align_to_words!r}; false keeps characters"
                )
            writing["align_to_words"] = align_to_words
        return {}, reading, writing

    def preprocess(self, input_: dict) -> dict:
        """A question and its text as they are; `answer` takes them apart."""
        return input_

    def _forward(self, input_tensors: dict, **reading) -> dict:
        found = self.model.answer(input_tensors["question"], input_tensors["context"], **reading)
        return {"context": input_tensors["context"], "answers": found}

    def postprocess(self, model_outputs: dict, top_k: int = 1, align_to_words: bool = False) -> dict | list[dict]:
        """Answers to one question as the stock pipeline gave them."""
        text, answers = model_outputs["context"], []
        for span in model_outputs["answers"]:
            start, end = _whole_words(text, span.start, span.end) if align_to_words else span[:2]
            answers.append({"score": float(span.score), "start": start, "end": end, "answer": text[start:end]})
        if top_k > 1:
            return answers
        return answers[0] if answers else {"score": 0.0, "start": 0, "end": 0, "answer": ""}

    # --- inside -------------------------------------------------------------------------------------------------------

    def _found(self, pairs: list[tuple[str, str]], reading: dict, writing: dict) -> list:
        questions, contexts = [question for question, _ in pairs], [context for _, context in pairs]
        with self.device_placement():
            found = self.model.answer(questions, contexts, **reading)
        return [
            self.postprocess({"context": text, "answers": spans}, **writing) for text, spans in zip(contexts, found)
        ]

    def _check_batch_size(self, batch_size) -> None:
        if batch_size is not None:
            self.model.answer([], [], batch_size=batch_size)


class SpanClassifierPipeline(SpanPipeline):
    """`pipeline("text-classification", model=..., trust_remote_code=True)`: classes as the usual dicts.

    It calls the model's own methods, so a text has the class that it has in evaluation. Settings, here or in a call:

    top_k: So many classes at the most, the most probable first; None gives all. Without it, the best alone.
    batch_size: Windows the encoder reads at once, 32 unless told; of a stream, also the texts that are taken at a time.
    threshold: Classes with a lower probability are left out. Where the best alone is asked for and lies below, its
        label is None. Of values, which have no probability, it must be 0.
    truncation, padding, max_length: As the stock pipeline takes them, without effect: long text is read through
        windows, never cut.

    As in the stock pipeline a str gives a list of one dict, `{"text", "text_pair"}` a dict, a list a list; with `top_k`
    each text gives a list. A model of values gives the value as the score.

    >>> pipe = pipeline("text-classification", model="user/name", trust_remote_code=True)  # doctest: +SKIP
    >>> pipe({"text": "사람이 자고 있다.", "text_pair": "한 남자가 침대에서 잔다."})  # doctest: +SKIP
    {'label': 'entailment', 'score': 0.98}
    """

    default_input_names = "texts"
    _unheeded = ("truncation", "padding", "max_length")

    def __call__(
        self,
        inputs: str | Mapping | Iterable,
        num_workers: int | None = None,
        batch_size: int | None = None,
        **kwargs,
    ) -> dict | list[dict] | list[list[dict]] | Iterator:
        """The class of a text, or of each of several.

        Args:
            inputs: A text, `{"text": ..., "text_pair": ...}` for a model that reads pairs (what stands before the text
                is the `text_pair`), a list of either, or anything that gives one after the other.
            num_workers: 0: nothing here is done by other processes.
            batch_size: As in the class; `**kwargs` takes the other settings.

        Returns: `{"label", "score"}` in the forms above; for a stream an iterator that reads no further than it must.

        Raises: TypeError or ValueError where the input has another form, or a setting is unknown or out of range.
        """
        _check_workers(num_workers)
        self._check_batch_size(batch_size)
        _, reading, writing = self._sanitize_parameters(**kwargs)
        reading, writing = {**self._forward_params, **reading}, {**self._postprocess_params, **writing}
        reading["batch_size"] = batch_size or self._batch_size or 32
        if isinstance(inputs, (str, Mapping)):
            [found] = self._found([self._item(inputs, 0)], reading, writing)
            return [found] if isinstance(inputs, str) and isinstance(found, dict) else found
        if isinstance(inputs, (list, tuple)):
            return self._found([self._item(item, at) for at, item in enumerate(inputs)], reading, writing)
        if not _is_stream(inputs):
            raise TypeError(
                'expected a str, {"text": ..., "text_pair": ...}, a list or a stream of them, got '
                f"{type(inputs).__name__}; pass the text itself"
            )
        return _Stream(inputs, self._item, lambda some: self._found(some, reading, writing), reading["batch_size"])

    # --- the parts that every pipeline has ----------------------------------------------------------------------------

    def _sanitize_parameters(self, threshold=None, top_k="", **unknown):
        for name, value in unknown.items():
            if name == "function_to_apply" and value in (None, "default"):
                continue
            if name not in self._unheeded:
                raise TypeError(
                    f"expected only the settings top_k, threshold and batch_size, got {name}; leave it out, scores are "
                    "always calibrated probabilities, or values"
                )
        writing = {}
        if threshold is not None:
            self.model.classify([], [] if self.model.config.pairs else None, threshold)  # Checked where it is at home.
            writing["threshold"] = threshold
        # As in the stock pipeline: an empty string means that nothing was said, None means all.
        if top_k != "":
            if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1):
                raise ValueError(f"expected top_k of 1 or more, or None for all classes, got {top_k!r}; leave it out")
            writing["top_k"] = top_k
        return {}, {}, writing

    def preprocess(self, input_) -> dict:
        """A text, or a pair, as it is; the model takes it apart."""
        text, pair = self._item(input_, 0)
        return {"text": text, "text_pair": pair}

    def _forward(self, input_tensors: dict, **reading) -> dict:
        pairs = None if input_tensors["text_pair"] is None else [input_tensors["text_pair"]]
        return {"scores": self.model.scores([input_tensors["text"]], pairs, **reading)[0]}

    def postprocess(self, model_outputs: dict, threshold: float = 0.0, **asked) -> dict | list[dict]:
        """Classes of one text as the stock pipeline gives them; `asked` holds `top_k` where it was set."""
        scores, names = model_outputs["scores"], self.model.config.classes
        order = sorted(range(len(names)), key=lambda at: -scores[at])
        values = self.model.config.problem == "regression"
        found = [{"label": names[at], "score": float(scores[at])} for at in order if values or scores[at] >= threshold]
        if "top_k" in asked:
            return found[: asked["top_k"]]
        return found[0] if found else {"label": None, "score": float(scores[order[0]])}

    # --- inside -------------------------------------------------------------------------------------------------------

    def _found(self, items: list[tuple[str, str | None]], reading: dict, writing: dict) -> list:
        pairs = [pair for _, pair in items] if self.model.config.pairs else None
        with self.device_placement():
            rows = self.model.scores([text for text, _ in items], pairs, **reading)
        return [self.postprocess({"scores": row}, **writing) for row in rows]

    def _item(self, item, at: int) -> tuple[str, str | None]:
        """Text and text_pair of an item."""
        if isinstance(item, str):
            item = {"text": item}
        if not isinstance(item, Mapping) or not {"text"} <= set(item) <= {"text", "text_pair"}:
            got = f"the keys {', '.join(map(str, item))}" if isinstance(item, Mapping) else type(item).__name__
            raise ValueError(f'expected a str or {{"text": ..., "text_pair": ...}}, got {got} at place {at}; mend it')
        text, pair = item["text"], item.get("text_pair")
        for key, value in (("text", text), ("text_pair", pair)):
            if not isinstance(value, str) and not (key == "text_pair" and value is None):
                raise TypeError(f"expected {key} to be a str, got {type(value).__name__} at place {at}; mend it")
        if (pair is not None) != self.model.config.pairs:
            wanted = "a text_pair beside the text" if self.model.config.pairs else "a text alone"
            raise ValueError(
                f"expected {wanted}, as the model was trained on, got {'one' if pair is not None else 'none'} at place "
                f'{at}; pass {{"text": ...{", text_pair: ..." if self.model.config.pairs else ""}}}'
            )
        return text, pair

    def _check_batch_size(self, batch_size) -> None:
        if batch_size is not None:
            self.model.classify([], [] if self.model.config.pairs else None, batch_size=batch_size)


def _asked(inputs: tuple, question, context):
    """What was asked, as a list of items, or a stream of them."""
    if inputs and (question is not None or context is not None):
        raise TypeError("expected one dict, a list of dicts, or question= and context=, got both; pass one of them")
    if len(inputs) == 2 and all(isinstance(text, str) for text in inputs):
        (question, context), inputs = inputs, ()
    if not inputs:
        if question is None or context is None:
            missing = "question" if question is None else "context"
            raise TypeError(f"expected question and context, got no {missing}; pass both")
        questions = [question] if isinstance(question, str) else question
        if not isinstance(questions, (list, tuple)) or not isinstance(context, (str, list, tuple)):
            raise TypeError(
                "expected question and context to be a str or a list of str, got "
                f"{type(question).__name__} and {type(context).__name__}; for a stream pass dicts"
            )
        contexts = [context] * len(questions) if isinstance(context, str) else context
        if len(questions) != len(contexts):
            raise ValueError(
                f"expected a text for each question, got {len(questions)} questions and {len(contexts)} texts; pass "
                "lists of one length, or one text for all"
            )
        return [{"question": one, "context": other} for one, other in zip(questions, contexts)]
    if len(inputs) > 1:
        return list(inputs)
    if isinstance(inputs[0], Mapping) or hasattr(inputs[0], "question_text"):
        return [inputs[0]]
    if isinstance(inputs[0], (list, tuple)):
        return list(inputs[0])
    if not _is_stream(inputs[0]):
        raise TypeError(
            'expected {"question": ..., "context": ...}, a list or a stream of them, got '
            f"{type(inputs[0]).__name__}; pass question= and context="
        )
    return inputs[0]


def _pair(item, at: int) -> tuple[str, str]:
    """Question and text of an item; transformers 4 had a class for them, `SquadExample`."""
    if hasattr(item, "question_text") and hasattr(item, "context_text"):
        item = {"question": item.question_text, "context": item.context_text}
    if not isinstance(item, Mapping) or set(item) - {"id"} != {"question", "context"}:
        got = f"the keys {', '.join(map(str, item))}" if isinstance(item, Mapping) else type(item).__name__
        raise ValueError(f'expected {{"question": ..., "context": ...}}, got {got} at index {at}; mend it')
    for key in ("question", "context"):
        if not isinstance(item[key], str):
            raise TypeError(f"expected {key} to be a str, got {type(item[key]).__name__} at index {at}; mend it")
    return item["question"], item["context"]


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """A stretch widened to whole words; one of no characters stays."""
    while 0 < start < end and text[start - 1].isalnum() and text[start].isalnum():
        start -= 1
    while start < end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
        end += 1
    return start, end


class _Stream:
    """Results of one item after the other; as long as what it reads, where that has a length.

    Args:
        items: What gives the items.
        check: Item and its place -> what is read of it.
        answer: A few of these -> a result for each.
        at_a_time: How many.
    """

    def __init__(self, items, check, answer, at_a_time: int):
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
        # A data set of torch has a length and places but no iterator.
        items = self.items if hasattr(self.items, "__iter__") else map(self.items.__getitem__, range(len(self.items)))
        for at, item in enumerate(items):
            waiting.append(self.check(item, at))
            if len(waiting) == self.at_a_time:
                yield from self.answer(waiting)
                waiting = []
        if waiting:
            yield from self.answer(waiting)


def _is_stream(inputs) -> bool:
    """Whether items can be taken out of it one after the other."""
    one_after_the_other = hasattr(inputs, "__iter__") or hasattr(inputs, "__getitem__")
    return one_after_the_other and not isinstance(inputs, (str, bytes, bytearray, Mapping))


def _check_text(text, at: int) -> str:
    if not isinstance(text, str):
        raise TypeError(
            f"expected a stream of str, got {type(text).__name__} at place {at}; take the text out of it, "
            'as in dataset["text"]'
        )
    return text


def _check_workers(num_workers) -> None:
    if num_workers:
        raise ValueError(
            f"expected num_workers to be 0, got {num_workers!r}; leave it out, this process reads the texts"
        )


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
