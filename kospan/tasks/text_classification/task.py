"""The classifying task: the class of a text or of a pair of texts, or its value, as one span over the whole text."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from kospan.data.corpus import Corpus
from kospan.data.values import REGRESSION, value_of
from kospan.example import Example
from kospan.modeling import KospanForSequenceClassification, KospanSequenceClassificationConfig
from kospan.modeling.encoders import encoder_limit
from kospan.modeling.spans import Span
from kospan.recipe import Recipe
from kospan.tasks.building import continued_model, corpus_of, new_model, special_ids
from kospan.tasks.encoders import encoder_parts, read_settings
from kospan.tasks.pretrained_task import PretrainedTask
from kospan.tasks.text_classification.breakdown import (
    examine_classes,
    examine_values,
    scored_classes,
    scored_values,
    spread_of,
)
from kospan.tasks.text_classification.confidence import ClassClaims, ValueClaims, pairs_of
from kospan.tasks.text_classification.metrics import (
    check_labelled,
    class_counts,
    class_metric_names,
    gold_label,
    majority,
    score_classes,
    score_values,
    value_metric_names,
)

DEFAULT_WINDOW, DEFAULT_STRIDE = 512, 64
# Pairs that are taken apart at a time when they are checked.
PORTION = 1024
# Where `encoder` is one of ours: what a training may set anew, and what the model is.
CONTINUED = ("dropout", "multi_sample_dropout")
FIXED = ("unit", "encoder_input", "normalization", "pooling", "max_length", "stride", "windowed_field")


class TextClassificationTask(PretrainedTask):
    """Classes of texts, or values.

    Args:
        corpus: The data, each text with one span over the whole of it; None over a saved model.
        model: A `KospanForSequenceClassification` with its tokenizer.
        dataset: The data set, whose scores of values count.
    """

    model_type = KospanSequenceClassificationConfig.model_type
    uses = PretrainedTask.uses | {"overlaps", "quoting", "tag_column", "problem_type", "pooling", "windowed_field"}
    whole_texts = True
    continued = CONTINUED

    def __init__(self, corpus: Corpus | None, model, dataset: str = "labelled"):
        self.corpus, self.model = corpus, model
        self.value_metrics = value_metric_names(dataset)
        self.tokenizer, self.unit = model.tokenizer, model.config.unit
        self.labels = model.config.classes
        self.values = model.config.problem_type == "regression"
        self.baseline_name = "mean value" if self.values else "most frequent class"
        self.windowed, self.documents = 0, 0
        for split, examples in (corpus.splits if corpus else {}).items():
            self.check(examples, split)

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> "TextClassificationTask":
        """Data, tokenizer and model as the recipe asks."""
        cls.check_recipe(recipe)
        corpus = corpus_of(recipe, recipe.problem_type)
        for split, examples in corpus.splits.items():
            for example in examples:
                check_whole(example, f"example {example.id!r} ({split})")
        wanted = str(recipe.trainer.get("metric_for_best_model")).removeprefix("eval_")
        if corpus.values and wanted == "f1":
            raise ValueError(
                "expected metric_for_best_model to be pearson or spearman, because the labels were read as numbers, "
                f"got {wanted!r}; add the line metric_for_best_model: pearson, or problem_type: "
                "single_label_classification for names"
            )
        if corpus.values and recipe.calibration_split:
            raise ValueError(
                "expected no calibration_split, because the labels were read as numbers, which have no probability "
                f"to calibrate, got {recipe.calibration_split!r}; remove it, or set problem_type: "
                "single_label_classification for names"
            )
        return cls(corpus, build_classifier(recipe, corpus), recipe.dataset)

    @classmethod
    def over(cls, model, dataset: str) -> "TextClassificationTask":
        """The task over a saved model."""
        return cls(None, model, dataset)

    @classmethod
    def unused(cls, recipe: Recipe) -> dict[str, tuple[str, ...]]:
        """Values have no probability to calibrate."""
        return {"calibration_split": ("problem_type",)} if recipe.problem_type == REGRESSION else {}

    @classmethod
    def models_own(cls, recipe: Recipe) -> dict:
        """As in `PretrainedTask`, with the kind of label that the model gives."""
        config = read_settings(recipe.encoder, "config.json")
        own = super().models_own(recipe)
        kind = config.get("problem_type") if config.get("model_type") == cls.model_type else None
        return own | ({} if kind is None else {"problem_type": kind})

    @classmethod
    def check_recipe(cls, recipe: Recipe) -> None:
        """Raises: ValueError where a setting has no effect, or a value cannot be had."""
        super().check_recipe(recipe)
        KospanSequenceClassificationConfig(pooling=recipe.pooling, **{key: getattr(recipe, key) for key in CONTINUED})

    @classmethod
    def metric_names_of(cls, recipe: Recipe, name: str) -> list[str]:
        """The metrics of a run; the data are read only where nothing else tells whether there are such."""
        plain = name.removeprefix("eval_")
        values = value_metric_names(recipe.dataset)
        if plain in values or recipe.problem_type == REGRESSION:
            return values
        labels = ()
        if plain.startswith(("f1_", "support_")):
            labels = corpus_of(recipe, recipe.problem_type).labels
        return class_metric_names(labels)

    # --- training -----------------------------------------------------------------------------------------------------

    def examples(self, split: str) -> list[Example]:
        """The examples of a split."""
        return self.corpus.splits[split]

    def train_features(self, examples: list[Example]) -> list[dict]:
        """A dict per passage: what the model reads, and `labels`, the class's id or the value of the whole text."""
        model, features = self.model, []
        passages = model.passages_of([example.text for example in examples], pairs_of(model, examples))
        for example, parts in zip(examples, passages):
            label = self._value(example.spans[0], example) if self.values else self.labels.index(gold_label(example))
            # The Trainer counts labels that are not -100; next to it is as good a number.
            label = float(np.nextafter(np.float32(label), np.float32(0))) if label == -100.0 else label
            features += [model.features(part) | {"labels": label} for part in parts]
            self.documents += 1
            self.windowed += len(parts) > 1
        return features

    def windows(self, examples: Sequence[Example]) -> Iterator[dict]:
        """What the encoder reads of each passage of each text, as `classify` cuts it."""
        model = self.model
        for passages in model.passages_of([example.text for example in examples], pairs_of(model, examples)):
            yield from map(model.features, passages)

    def collate(self, features: list[dict]) -> dict[str, torch.Tensor]:
        """Training passages as one padded batch."""
        return self.model.collate(features)

    def remarks(self) -> list[str]:
        """How labels were read."""
        if not self.values:
            return [f"labels              {len(self.labels):,} classes: {', '.join(self.labels[:20])}"]
        config = self.model.config
        return [
            f"labels              numbers, {config.value_mean:.4g} on average, spread {config.value_spread:.4g}; "
            "problem_type: single_label_classification reads them as names"
        ]

    # --- use ----------------------------------------------------------------------------------------------------------

    def check(self, examples: Sequence[Example], place: str) -> None:
        """Raises: ValueError where a label is none that the model gives or stands over a part of a text, or the second
        text of a pair is missing, not wanted, or does not fit into a window."""
        pairs = self.model.config.pairs
        for example in examples:
            where = f"example {example.id!r} ({place})"
            if example.question:
                wanted = "the second text under 'text_pair'" if pairs else "a text alone"
                raise ValueError(
                    f"{where}: expected {wanted}, got a 'question', which is for task: question-answering; "
                    f"{'rename' if pairs else 'remove'} the key"
                )
            if pairs and not example.text_pair.strip():
                raise ValueError(
                    f"{where}: expected a text_pair beside the text, because the model reads pairs, got "
                    f"{example.text_pair!r}; add it"
                )
            if example.text_pair and not pairs:
                raise ValueError(
                    f"{where}: expected a text alone, because the model reads single texts, got a text_pair beside "
                    "it; remove it, or train a model on pairs"
                )
            self._check_label(example, where)
        # Said before the first of many is read, not when it comes to the one that does not fit.
        for at in range(0, len(examples) if pairs else 0, PORTION):
            some = examples[at : at + PORTION]
            names = [f"example {example.id!r} ({place})" for example in some]
            self.model.passages_of([example.text for example in some], pairs_of(self.model, some), names)

    def _check_label(self, example: Example, where: str) -> None:
        check_whole(example, where)
        if example.spans is None:
            return
        if self.values:
            value_of(example.spans[0], where)
        elif gold_label(example) not in self.labels:
            raise ValueError(
                f"{where}: expected labels that the model knows ({', '.join(self.labels)}), got "
                f"{gold_label(example)!r}; rename the label in the data, or train a model on data that holds it"
            )

    def predict(
        self, documents: Sequence[Example], threshold: float | None = None, batch_size: int = 32, model=None
    ) -> list[list[Span]]:
        """Predict the class or value of each text with `classify`."""
        model = self.model if model is None else model
        texts = [document.text for document in documents]
        found = model.classify(texts, pairs_of(model, documents), threshold or 0.0, batch_size)
        return [[] if span is None else [span] for span in found]

    # --- scores -------------------------------------------------------------------------------------------------------

    def metric_names(self) -> list[str]:
        """The names of what `metrics` gives."""
        return list(self.value_metrics) if self.values else class_metric_names(self.labels)

    def metrics(self, examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> dict[str, float]:
        """Accuracy and macro F1, or correlations."""
        if self.values:
            return score_values(*self._both(examples, predicted), self.value_metrics)
        return score_classes(examples, predicted, self.labels)

    def counts(self, examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> np.ndarray:
        """`(documents, labels, 3)`: what is right, said and asked for. A value is right by 1 - its error in spreads of
        the training values, at least by 0, so that the sums' F1 is the mean nearness."""
        if not self.values:
            return class_counts(examples, predicted, self.labels)
        gold, said = map(np.array, self._both(examples, predicted))
        near = np.clip(1 - np.abs(gold - said) / self.model.config.value_spread, 0, 1)
        return np.stack([near, np.ones_like(near), np.ones_like(near)], axis=1)[:, None]

    def baseline(self, documents: Sequence[Example]) -> list[list[Span]]:
        """The most frequent class of the training texts, or their mean value."""
        training = self.examples("train")
        if self.values:
            label, score = self.labels[0], float(np.mean(self._golds(training)))
        else:
            label, score = majority(training), 1.0
        return [[Span(0, len(document.text), label, score)] for document in documents]

    def examine(
        self, examples: Sequence[Example], predicted: Sequence[Sequence[Span]], training: Sequence[Example] | None
    ) -> dict:
        """Figures, groups and errors."""
        if self.values:
            return examine_values(examples, *self._both(examples, predicted), self.value_metrics)
        return examine_classes(examples, predicted, self.labels)

    def scored(
        self,
        training: Sequence[Example],
        examples: Sequence[Example],
        predicted: Sequence[Sequence[Span]],
        found: Sequence[Sequence[Span]],
    ) -> dict:
        """Scores by class and length with intervals, and the baseline's."""
        if not self.values:
            return scored_classes(training, examples, predicted, found, self.labels)
        gold, said = self._both(examples, predicted)
        plainly = self._both(examples, found)[1]
        return scored_values(self._golds(training), examples, gold, said, plainly, self.value_metrics)

    def claims(self, examples: Sequence[Example]) -> ClassClaims | ValueClaims:
        """What the model says of each text; of values it does not say how sure it is."""
        return (ValueClaims if self.values else ClassClaims)(self.model, examples)

    # --- values -------------------------------------------------------------------------------------------------------

    def _value(self, span: Span, example: Example) -> float:
        return value_of(span, f"example {example.id!r}")

    def _golds(self, examples: Sequence[Example]) -> list[float]:
        return [self._value(example.spans[0], example) for example in examples]

    def _both(
        self, examples: Sequence[Example], predicted: Sequence[Sequence[Span]]
    ) -> tuple[list[float], list[float]]:
        """Gold values and those that were said."""
        check_labelled(examples, predicted)
        return self._golds(examples), [spans[0].score for spans in predicted]


def check_whole(example: Example, where: str) -> None:
    """Raises: ValueError where a labelled text has no label, several, or one over a part of it."""
    whole = (0, len(example.text))
    if example.spans is not None and (len(example.spans) != 1 or example.spans[0][:2] != whole):
        got = ", ".join(f"{span.label!r} from {span.start} to {span.end}" for span in example.spans[:3]) or "none"
        raise ValueError(
            f"{where}: expected one label over the whole text (0 to {whole[1]}), got {got}; mend it, or leave its "
            "spans out where it is unlabelled"
        )


def build_classifier(recipe: Recipe, corpus: Corpus):
    """The model that a recipe asks for: continued where `encoder` is one of ours, else new over the encoder.

    Raises: ValueError where there is but one class.
    """
    train = corpus.splits["train"]
    model = continued_model(recipe, KospanSequenceClassificationConfig, CONTINUED, FIXED)
    if model is not None:
        _check_problem(model.config, corpus, recipe.encoder)
        return model
    if not corpus.values and len(corpus.labels) < 2:
        raise ValueError(
            f"expected texts of two classes or more to train on, got only {corpus.labels[0]!r}; check the label "
            "column, or set problem_type: regression for numbers"
        )
    pairs = any(example.text_pair for example in train)
    if recipe.windowed_field != "text" and not pairs:
        raise ValueError(
            f"expected no windowed_field for single texts, got {recipe.windowed_field!r} although no training "
            "example has a text_pair; remove it, or add the pairs"
        )
    texts = [*dict.fromkeys(example.text for example in train), *(example.text_pair for example in train if pairs)]
    encoder_config, tokenizer = encoder_parts(recipe, texts)
    values = [value_of(example.spans[0], "train") for example in train] if corpus.values else [0.0]
    limit = encoder_limit(encoder_config)
    config = KospanSequenceClassificationConfig(
        encoder_config=encoder_config,
        unit=recipe.unit or "character",
        encoder_input=recipe.encoder_input,
        normalization=recipe.normalization,
        max_length=recipe.max_length or min(DEFAULT_WINDOW, limit or DEFAULT_WINDOW),
        stride=DEFAULT_STRIDE if recipe.stride is None else recipe.stride,
        problem_type="regression" if corpus.values else "single_label_classification",
        pairs=pairs,
        windowed_field=recipe.windowed_field,
        pooling=recipe.pooling,
        value_mean=float(np.mean(values)),
        value_spread=spread_of(values),
        dropout=recipe.dropout,
        multi_sample_dropout=recipe.multi_sample_dropout,
        id2label=dict(enumerate(corpus.labels)),
        **special_ids(tokenizer),
    )
    return new_model(recipe, KospanForSequenceClassification, config, tokenizer)


def _check_problem(config: KospanSequenceClassificationConfig, corpus: Corpus, name: str) -> None:
    """Raises: ValueError where a model of values would be trained on classes, or the other way round."""
    if (config.problem_type == "regression") != corpus.values:
        kinds = ("names of classes", "numbers")
        raise ValueError(
            f"expected labels that are {kinds[config.problem_type == 'regression']} as in the model {name} that is "
            f"trained on, got {kinds[corpus.values]}; set problem_type, or train a new model from an encoder"
        )
