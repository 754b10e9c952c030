"""`KospanTextClassificationPipeline`: classes of texts, in the form of transformers' text classification."""

from collections.abc import Iterator, Mapping

import numpy as np

from .input_checks import as_text
from .pipeline_base import KospanPipeline

_FUNCTIONS = ("softmax", "sigmoid", "none")


class KospanTextClassificationPipeline(KospanPipeline):
    """`pipeline("text-classification", model=..., trust_remote_code=True)`: classes in the form of the stock pipeline.

    It calls the model's own methods, so that classes are those of evaluation. Settings, in the constructor or a call:

    top_k: Maximum number of classes, the most probable first; None gives all. By default the best class alone.
    function_to_apply: "softmax" (default) gives probabilities that add up to 1, "sigmoid" a probability of each class
        by itself, both calibrated; "none" gives the logits. Ignored for regression.
    threshold: Minimum probability of a class. If the best class alone is wanted and lies below, its label is None.
        For values and logits, which are no probabilities, it must be 0.
    batch_size: Windows per batch, 32 by default; for a stream, also the texts taken at a time.
    truncation, padding, max_length: Accepted and ignored: long text is split into windows, never truncated.

    As in the stock pipeline a str gives a list of one dict, `{"text", "text_pair"}` a dict, a list a list; with `top_k`
    each text gives a list. Regression gives the value as the score.

    >>> pipe = pipeline("text-classification", model="user/name", trust_remote_code=True)  # doctest: +SKIP
    >>> pipe({"text": "한 남자가 침대에서 잔다.", "text_pair": "사람이 자고 있다."})  # doctest: +SKIP
    {'label': 'entailment', 'score': 0.98}
    """

    task_name = "text-classification"
    default_input_names = "texts"
    _wanted = 'a str, {"text": ..., "text_pair": ...}, a list or a stream of them'
    _ignored = ("truncation", "padding", "max_length")

    def __call__(
        self, inputs, num_workers: int | None = None, batch_size: int | None = None, **settings
    ) -> dict | list[dict] | list[list[dict]] | Iterator:
        """Classify a text, or each of several.

        Args:
            inputs: A text, `{"text": ..., "text_pair": ...}` for a model of pairs (other keys are ignored), a sequence
                or a stream of either.
            num_workers: As in `KospanPipeline`.
            batch_size: As in the class; `**settings` takes the other settings.
            **settings: Settings of the pipeline.

        Returns:
            `{"label", "score"}` in the forms above; for a stream an iterator that reads no further than necessary.

        Raises:
            TypeError or ValueError: If the input has another form, or a setting is unknown or out of range.
        """
        found = super().__call__(inputs, num_workers, batch_size, **settings)
        return [found] if isinstance(found, dict) and not isinstance(inputs, Mapping) else found

    def item(self, item, at: int) -> tuple[str, str | None]:
        """Text and text_pair of an item."""
        item = as_text(item)
        if isinstance(item, str):
            item = {"text": item}
        if not isinstance(item, Mapping) or "text" not in item:
            got = f"the keys {', '.join(map(str, item))}" if isinstance(item, Mapping) else type(item).__name__
            raise ValueError(
                f'expected a str or {{"text": ..., "text_pair": ...}}, got {got} at index {at}; pass the text itself'
            )
        text, pair = as_text(item["text"]), as_text(item.get("text_pair"))
        for key, value in (("text", text), ("text_pair", pair)):
            if not isinstance(value, str) and not (key == "text_pair" and value is None):
                raise TypeError(f"expected {key} to be a str, got {type(value).__name__} at index {at}; pass a str")
        if (pair is not None) != self.model.config.pairs:
            wanted = "a text_pair beside the text" if self.model.config.pairs else "a text alone"
            raise ValueError(
                f"expected {wanted}, as the model was trained on, got {'one' if pair is not None else 'none'} at index "
                f'{at}; pass {{"text": ...{", text_pair: ..." if self.model.config.pairs else ""}}}'
            )
        return text, pair

    def _is_item(self, inputs) -> bool:
        return isinstance(inputs, (str, Mapping))

    # --- methods of transformers' Pipeline ---------------------------------------------------------------------------

    def _sanitize_parameters(self, /, threshold=None, top_k="", function_to_apply=None, **unknown):
        for name in unknown:
            if name not in self._ignored:
                raise TypeError(
                    f"expected only the settings top_k, function_to_apply, threshold and batch_size, got {name}; "
                    "leave it out"
                )
        formatting = {}
        function = getattr(function_to_apply, "value", function_to_apply)
        if function is not None:
            function = function.lower() if isinstance(function, str) else function
            if function not in (*_FUNCTIONS, "default"):
                raise ValueError(
                    f"expected function_to_apply to be one of {', '.join(_FUNCTIONS)}, got {function!r}; leave it "
                    "out for probabilities"
                )
            formatting["function"] = "softmax" if function == "default" else function
        if threshold is not None:
            self.model.classify(
                [], [] if self.model.config.pairs else None, threshold
            )  # Without texts the model only checks the settings.
            formatting["threshold"] = threshold
        # As in the stock pipeline: an empty string means the default, None means all.
        if top_k != "":
            if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1):
                raise ValueError(f"expected top_k of 1 or more, or None for all classes, got {top_k!r}; leave it out")
            formatting["top_k"] = top_k
        return {}, {}, formatting

    def preprocess(self, input_) -> dict:
        """A text or a pair; the model tokenises it."""
        text, pair = self.item(input_, 0)
        return {"text": text, "text_pair": pair}

    def _forward(self, input_tensors: dict, **forward) -> dict:
        pairs = None if input_tensors["text_pair"] is None else [input_tensors["text_pair"]]
        return {"logits": self.model.logits([input_tensors["text"]], pairs, **forward)[0]}

    def postprocess(
        self, model_outputs: dict, threshold: float = 0.0, function: str = "softmax", **asked
    ) -> dict | list[dict]:
        """Classes of one text in the form of the stock pipeline; `asked` holds `top_k` if it was set."""
        names, values = self.model.config.classes, self.model.config.problem_type == "regression"
        scores = self._scores(model_outputs["logits"], function)
        order = sorted(range(len(names)), key=lambda at: -scores[at])
        keeps_all = values or function == "none"
        found = [
            {"label": names[at], "score": float(scores[at])} for at in order if keeps_all or scores[at] >= threshold
        ]
        if "top_k" in asked:
            return found[: asked["top_k"]]
        return found[0] if found else {"label": None, "score": float(scores[order[0]])}

    # --- helpers ------------------------------------------------------------------------------------------------------

    def _scores(self, logits: np.ndarray, function: str) -> np.ndarray:
        """Scores of the classes of one text from its logits `(classes)`, float64."""
        if function == "softmax" or self.model.config.problem_type == "regression":
            return self.model.scores_of(logits[None])[0]
        if function == "none":
            return logits
        return 1 / (1 + np.exp(-logits / self.model.config.calibration_temperature))

    def _merged_settings(self, settings: dict, num_workers=None, batch_size=None) -> tuple[dict, dict]:
        forward, formatting = super()._merged_settings(settings, num_workers, batch_size)
        if (
            formatting.get("function") == "none"
            and formatting.get("threshold")
            and self.model.config.problem_type != "regression"
        ):
            raise ValueError(
                "expected threshold 0 with function_to_apply none, which gives no probabilities, got "
                f"{formatting['threshold']}; leave one of them out"
            )
        return forward, formatting

    def _results(self, items: list[tuple[str, str | None]], forward: dict, formatting: dict) -> list:
        pairs = [pair for _, pair in items] if self.model.config.pairs else None
        with self.device_placement():
            rows = self.model.logits([text for text, _ in items], pairs, **forward)
        return [self.postprocess({"logits": row}, **formatting) for row in rows]
