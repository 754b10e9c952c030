"""`KospanTokenClassificationPipeline`: labelled spans of texts, in the form of transformers' token classification."""

from collections.abc import Iterable

from .input_checks import as_list, as_text, check_text, check_texts
from .pipeline_base import KospanPipeline
from .tags import labels_of
from .words import document_text

# What the stock pipeline of this task takes besides, and where its meaning lives here.
_ELSEWHERE = {
    "offset_mapping": "offsets always count characters of the text that was given",
    "function_to_apply": "scores are always exact probabilities",
    "top_k": "the pipeline gives the best tag sequence; model.inspect(text) has the probabilities of all tags",
}
_STRATEGIES = ("none", "simple", "first", "average", "max")


class KospanTokenClassificationPipeline(KospanPipeline):
    """`pipeline("token-classification", model=..., trust_remote_code=True)`: spans as the usual dicts.

    It calls `model.extract`, so a text has the spans that it has in evaluation. Settings, here or in a call:

    threshold: Results with a lower score are left out; 0.0 (default) keeps all.
    batch_size: Windows the encoder reads at once, 32 by default; of a stream, also the texts taken at a time.
    ignore_labels: Labels to leave out; tags such as "B-PS" too where the results are tags.
    aggregation_strategy: "simple" (default), "first", "average" and "max" all give whole spans: the model decides on
        the label of a span as a whole, so there are no labels of subwords to merge. "none" gives the tag of every unit
        (character or word) with its marginal probability, without the units that `ignore_labels` names, ["O"] by
        default; a model that writes its spans out has no tags and gives whole spans.
    stride: Accepted and ignored: how windows overlap is part of the model's config.
    is_split_into_words: A list of str is one document, given word by word; a list of such lists are several. Offsets
        count the characters of the words joined by spaces, so `delimiter` must be a space. Without this setting each
        document of a list may be a list of words too.

    >>> pipe = pipeline("token-classification", model="user/name", trust_remote_code=True)  # doctest: +SKIP
    >>> pipe("이재용 회장이 서울에서 말했다", threshold=0.5)  # doctest: +SKIP
    [{'entity_group': 'PS', 'score': 0.99, 'word': '이재용', 'start': 0, 'end': 3}, ...]
    """

    task_name = "token-classification"
    default_input_names = "texts"

    def item(self, item, at: int) -> str | list[str]:
        """A text, or the words of one. Raises: as `check_text`."""
        words = as_list(item)
        return check_text(item, at, "inputs") if words is None else check_texts(words, f"inputs[{at}]")

    def items(self, inputs, **settings) -> tuple[list, bool] | None:
        """As in the base class; with `is_split_into_words` an item is a list of words."""
        if settings.get("is_split_into_words", self._preprocess_params.get("is_split_into_words")):
            inputs = _word_lists(inputs)
        return super().items(inputs)

    # --- the parts that every pipeline has ----------------------------------------------------------------------------

    def _sanitize_parameters(
        self,
        threshold=None,
        ignore_labels=None,
        aggregation_strategy=None,
        stride=None,
        is_split_into_words=None,
        delimiter=None,
        **unknown,
    ):
        for name, value in unknown.items():
            if name not in _ELSEWHERE:
                raise TypeError(
                    "expected only the settings threshold, batch_size, ignore_labels, aggregation_strategy, stride "
                    f"and is_split_into_words, got {name}; leave it out"
                )
            if value not in (None, False):
                raise ValueError(f"expected no {name}, got {value!r}; {_ELSEWHERE[name]}")
        reading, writing = {}, {}
        if threshold is not None:
            self.model.extract([], threshold)  # No text is read; the model checks the setting.
            reading["threshold"] = threshold
        if ignore_labels is not None:
            writing["ignore_labels"] = self._known_labels(ignore_labels)
        strategy = getattr(aggregation_strategy, "value", aggregation_strategy)
        if strategy is not None:
            strategy = strategy.lower() if isinstance(strategy, str) else strategy
            if strategy not in _STRATEGIES:
                raise ValueError(
                    f"expected aggregation_strategy to be one of {', '.join(_STRATEGIES)}, got {strategy!r}; leave "
                    "it out for whole spans"
                )
            reading["whole"] = strategy != "none"
        if delimiter not in (None, " "):
            raise ValueError(
                f"expected a space as the delimiter, got {delimiter!r}; offsets count the words joined by spaces"
            )
        return {} if is_split_into_words is None else {"is_split_into_words": is_split_into_words}, reading, writing

    def preprocess(self, input_: str | list[str], is_split_into_words: bool = False) -> dict:
        """A text, or the words of one, as they are; the model takes them apart."""
        return {"document": self.item(input_, 0)}

    def _forward(self, input_tensors: dict, **reading) -> dict:
        document = input_tensors["document"]
        return {"text": document_text(document), **self._read([document], reading)[0]}

    def postprocess(self, model_outputs: dict, ignore_labels: tuple[str, ...] | None = None) -> list[dict]:
        """Spans, or tags, of one text as the dicts that the stock pipeline gives."""
        text, key = model_outputs["text"], "entity_group" if "spans" in model_outputs else "entity"
        ignored = ("O",) if ignore_labels is None else ignore_labels
        found = []
        for index, (start, end, label, score) in enumerate(model_outputs.get("spans", model_outputs.get("tags"))):
            # An ignored label stands for its tags too.
            if label in ignored or (key == "entity" and label[2:] in ignored):
                continue
            place = {"index": index} if key == "entity" else {}
            result = {key: label, "score": float(score), **place}
            found.append({**result, "word": text[start:end], "start": int(start), "end": int(end)})
        return found

    # --- inside -------------------------------------------------------------------------------------------------------

    def _read(self, texts: list, reading: dict) -> list[dict]:
        """What the model finds in each document: its spans, or the tags of its units."""
        settings = {key: value for key, value in reading.items() if key != "whole"}
        if reading.get("whole", True) or not hasattr(self.model, "tag_units"):
            return [{"spans": spans} for spans in self.model.extract(texts, **settings)]
        return [{"tags": tags} for tags in self.model.tag_units(texts, **settings)]

    def _found(self, items: list, reading: dict, writing: dict) -> list[list[dict]]:
        with self.device_placement():
            found = self._read(items, reading)
        texts = map(document_text, items)
        return [self.postprocess({"text": text, **each}, **writing) for text, each in zip(texts, found)]

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
            # "O" is what the stock pipeline ignores by default; no span has it.
            if label not in known and label not in tags and label != "O":
                raise ValueError(f"expected ignore_labels to hold labels of {', '.join(sorted(known))}, got {label!r}")
        return labels


def _word_lists(inputs):
    """Documents that are lists of words; a list of words is one. Raises: ValueError where there are others."""
    items = as_list(inputs, in_memory=True)
    if items is not None:
        lists = [as_list(each) is not None for each in items]
        if all(lists):
            return items
        if not any(lists):
            return [items]
    elif not isinstance(as_text(inputs), str):
        return inputs  # A stream, whose items are checked one by one.
    got = "a str" if items is None else "lists beside other items"
    raise ValueError(
        f"expected a list of words, or a list of such lists, with is_split_into_words, got {got}; leave the setting "
        "out for texts"
    )
