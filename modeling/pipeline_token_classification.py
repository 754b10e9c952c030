"""`KospanTokenClassificationPipeline`: labelled spans of texts, in the form of transformers' token classification."""

from collections.abc import Iterable

from .input_checks import as_list, as_text, check_text, check_texts
from .pipeline_base import KospanPipeline
from .tags import labels_of
from .words import document_text

# Other settings of the stock pipeline -> what applies instead.
_ELSEWHERE = {
    "offset_mapping": "offsets always count characters of the text that was given",
    "function_to_apply": "scores are always exact probabilities",
    "top_k": "the pipeline gives the best tag sequence; model.inspect(text) has the probabilities of all tags",
}
_STRATEGIES = ("none", "simple", "first", "average", "max")


class KospanTokenClassificationPipeline(KospanPipeline):
    """`pipeline("token-classification", model=..., trust_remote_code=True)`: spans in the form of the stock pipeline.

    It calls `model.extract`, so that spans are those of evaluation. Settings, in the constructor or a call:

    threshold: Minimum score of a result, a number or one for each label; by default 0.5 with decode "posterior", and
        otherwise 0.0, which keeps all.
    decode, overlapping, operating_point: Choice of the spans, as in `model.extract`.
    batch_size: Windows per batch, 32 by default; for a stream, also the texts taken at a time.
    ignore_labels: Labels to leave out; if the results are tags, also tags such as "B-PS".
    aggregation_strategy: "simple" (default), "first", "average" and "max" all give whole spans: the model predicts
        whole spans, so there are no labels of subwords to merge. "none" gives the tag of every unit
        (character or word) with its marginal probability, without the units that `ignore_labels` names, ["O"] by
        default; a generative model has no tags and gives whole spans.
    stride: Accepted and ignored: the overlap of windows is in the model's config.
    is_split_into_words: Whether a list of str is one document, split into words, and a list of such lists are several.
        Offsets count the characters of the words joined by spaces, so `delimiter` must be a space. Without this
        setting, a document in a list may also be a list of words.

    >>> pipe = pipeline("token-classification", model="user/name", trust_remote_code=True)  # doctest: +SKIP
    >>> pipe("이재용 회장이 서울에서 말했다", threshold=0.5)  # doctest: +SKIP
    [{'entity_group': 'PS', 'score': 0.99, 'word': '이재용', 'start': 0, 'end': 3}, ...]
    """

    task_name = "token-classification"
    default_input_names = "texts"

    def item(self, item, at: int) -> str | list[str]:
        """A text, or the words of one; raises as `check_text`."""
        words = as_list(item)
        return check_text(item, at, "inputs") if words is None else check_texts(words, f"inputs[{at}]")

    def items(self, inputs, /, **settings) -> tuple[list, bool] | None:
        """As in the base class; with `is_split_into_words` an item is a list of words."""
        if settings.get("is_split_into_words", self._preprocess_params.get("is_split_into_words")):
            inputs = _word_lists(inputs)
        return super().items(inputs)

    # --- methods of transformers' Pipeline ---------------------------------------------------------------------------

    def _sanitize_parameters(
        self,
        /,
        threshold=None,
        ignore_labels=None,
        aggregation_strategy=None,
        stride=None,
        is_split_into_words=None,
        delimiter=None,
        decode=None,
        overlapping=None,
        operating_point=None,
        **unknown,
    ):
        for name, value in unknown.items():
            if name not in _ELSEWHERE:
                raise TypeError(
                    "expected only the settings threshold, decode, overlapping, operating_point, batch_size, "
                    f"ignore_labels, aggregation_strategy, stride and is_split_into_words, got {name}; leave it out"
                )
            if value not in (None, False):
                raise ValueError(f"expected no {name}, got {value!r}; {_ELSEWHERE[name]}")
        forward, formatting = {}, {}
        choice = dict(threshold=threshold, decode=decode, overlapping=overlapping, operating_point=operating_point)
        choice = {name: value for name, value in choice.items() if value is not None}
        if choice:
            self._check_choice(choice)
            forward |= choice
        if ignore_labels is not None:
            formatting["ignore_labels"] = self._known_labels(ignore_labels)
        strategy = getattr(aggregation_strategy, "value", aggregation_strategy)
        if strategy is not None:
            strategy = strategy.lower() if isinstance(strategy, str) else strategy
            if strategy not in _STRATEGIES:
                raise ValueError(
                    f"expected aggregation_strategy to be one of {', '.join(_STRATEGIES)}, got {strategy!r}; leave "
                    "it out for whole spans"
                )
            forward["whole"] = strategy != "none"
        if delimiter not in (None, " "):
            raise ValueError(
                f"expected a space as the delimiter, got {delimiter!r}; offsets count the words joined by spaces"
            )
        return {} if is_split_into_words is None else {"is_split_into_words": is_split_into_words}, forward, formatting

    def preprocess(self, input_: str | list[str], is_split_into_words: bool = False) -> dict:
        """A text, or the words of one; the model tokenises them."""
        return {"document": self.item(input_, 0)}

    def _forward(self, input_tensors: dict, **forward) -> dict:
        document = input_tensors["document"]
        return {"text": document_text(document), **self._predict([document], forward)[0]}

    def postprocess(self, model_outputs: dict, ignore_labels: tuple[str, ...] | None = None) -> list[dict]:
        """Spans, or tags, of one text in the form of the stock pipeline."""
        text, key = model_outputs["text"], "entity_group" if "spans" in model_outputs else "entity"
        ignored = ("O",) if ignore_labels is None else ignore_labels
        found = []
        for index, (start, end, label, score) in enumerate(model_outputs.get("spans", model_outputs.get("tags"))):
            # An ignored label includes its tags.
            if label in ignored or (key == "entity" and label[2:] in ignored):
                continue
            place = {"index": index} if key == "entity" else {}
            result = {key: label, "score": float(score), **place}
            found.append({**result, "word": text[start:end], "start": int(start), "end": int(end)})
        return found

    # --- helpers ------------------------------------------------------------------------------------------------------

    def _predict(self, texts: list, forward: dict) -> list[dict]:
        """The spans of each document, or the tags of its units."""
        settings = {key: value for key, value in forward.items() if key != "whole"}
        if forward.get("whole", True) or not hasattr(self.model, "tag_units"):
            return [{"spans": spans} for spans in self.model.extract(texts, **settings)]
        chosen = settings.keys() & {"decode", "overlapping", "operating_point"}
        if chosen:
            raise ValueError(
                f'expected whole spans for {", ".join(sorted(chosen))}, got aggregation_strategy "none"; leave one out'
            )
        return [{"tags": tags} for tags in self.model.tag_units(texts, **settings)]

    def _results(self, items: list, forward: dict, formatting: dict) -> list[list[dict]]:
        with self.device_placement():
            found = self._predict(items, forward)
        texts = map(document_text, items)
        return [self.postprocess({"text": text, **each}, **formatting) for text, each in zip(texts, found)]

    def _check_choice(self, choice: dict) -> None:
        """Check settings of `extract`; without texts the model does nothing else."""
        if not hasattr(self.model, "tag_units") and choice.keys() - {"threshold"}:
            names = ", ".join(sorted(choice.keys() - {"threshold"}))
            raise ValueError(
                f"expected a model that tags units for {names}, got a generative one, which has no posteriors of all "
                "spans; leave the setting out"
            )
        self.model.extract([], **choice)

    def _check_batch_size(self, batch_size) -> None:
        if batch_size is not None:
            self.model.extract([], batch_size=batch_size)

    def _known_labels(self, labels) -> tuple[str, ...]:
        config = self.model.config
        tags = getattr(config, "tags", [])
        known = labels_of(tags) if tags else list(config.labels)
        if isinstance(labels, str) or not isinstance(labels, Iterable):
            raise TypeError(f"expected ignore_labels to be a list of labels, got {labels!r}; wrap it in a list")
        labels = tuple(labels)
        for label in labels:
            # The stock pipeline ignores "O" by default; no span has it.
            if label not in known and label not in tags and label != "O":
                raise ValueError(f"expected ignore_labels to hold labels of {', '.join(sorted(known))}, got {label!r}")
        return labels


def _word_lists(inputs):
    """Documents as lists of words; a list of words is one document. Raises ValueError for anything else."""
    items = as_list(inputs, in_memory=True)
    if items is not None:
        lists = [as_list(each) is not None for each in items]
        if all(lists):
            return items
        if not any(lists):
            return [items]
    elif not isinstance(as_text(inputs), str):
        return inputs  # Items of a stream are checked one by one.
    got = "a str" if items is None else "lists beside other items"
    raise ValueError(
        f"expected a list of words, or a list of such lists, with is_split_into_words, got {got}; leave the setting "
        "out for texts"
    )
