"""The tagging task: spans by tags on units."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from kospan.data.corpus import Corpus
from kospan.data.registry import dataset_spec
from kospan.example import Example
from kospan.modeling import KospanForTokenClassification, KospanTokenClassificationConfig
from kospan.modeling.alignment import unit_spans
from kospan.modeling.encoders import encoder_limit
from kospan.modeling.heads import HEADS, check_head
from kospan.modeling.spans import Span
from kospan.modeling.tags import labels_of, spans_to_tags, tag_names
from kospan.recipe import Recipe
from kospan.tasks.building import continued_model, corpus_of, new_model, special_ids
from kospan.tasks.encoders import encoder_parts, load_config
from kospan.tasks.pretrained_task import PretrainedTask
from kospan.tasks.span_task import SpanTask
from kospan.tasks.token_classification.confidence import Claims
from kospan.tasks.token_classification.metrics import metric_names

DEFAULT_WINDOW, DEFAULT_STRIDE = 512, 64
# Where `encoder` is one of ours: what a training may set anew, and what the model is.
CONTINUED = ("dropout", "multi_sample_dropout", "dropout_merge", "lstm_dropout", "constrain")
FIXED = (
    *("unit", "encoder_input", "normalization", "word_shape_feature", "max_length", "stride"),
    *("scheme", "head", "head_options", "lstm_hidden_size", "lstm_layers"),
)


class TokenClassificationTask(SpanTask, PretrainedTask):
    """Named entities and the like.

    Args:
        corpus: The data; None over a saved model.
        model: A `KospanForTokenClassification` with its tokenizer, or a `StockModel`.
        unit: The data's unit, for a stock model.
    """

    model_type = KospanTokenClassificationConfig.model_type
    uses = PretrainedTask.uses | {
        *(
            "overlaps",
            "word_shape_feature",
            "scheme",
            "head",
            "head_options",
            "constrain",
            "crf_backend",
            "dropout_merge",
        ),
        *("lstm_hidden_size", "lstm_layers", "lstm_dropout", "rdrop_level", "token_column", "tag_column"),
    }
    continued = CONTINUED

    def __init__(self, corpus: Corpus | None, model, unit: str = "character"):
        self.corpus, self.model = corpus, model
        if hasattr(model.config, "tags"):
            self.tokenizer, self.unit = model.tokenizer, model.config.unit
            self.labels = labels_of(model.config.tags)
            self.tag_ids = {tag: at for at, tag in enumerate(model.config.tags)}
        else:
            # A stock model has no unit of its own.
            self.tokenizer, self.unit, self.labels = None, unit, model.labels
        self.misaligned, self.windowed, self.documents = 0, 0, 0
        for split, examples in (corpus.splits if corpus else {}).items():
            self.check(examples, split)

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> "TokenClassificationTask":
        """Data, tokenizer and model as the recipe asks."""
        cls.check_recipe(recipe)
        corpus = corpus_of(recipe)
        unit = recipe.unit or dataset_spec(recipe.dataset).unit
        return cls(corpus, build_tagger(recipe, corpus, unit))

    @classmethod
    def over(cls, model, dataset: str) -> "TokenClassificationTask":
        """The task over a saved model."""
        return cls(None, model, dataset_spec(dataset).unit)

    @classmethod
    def unused(cls, recipe: Recipe) -> dict[str, tuple[str, ...]]:
        """The settings that the head does not use, and the options that only other heads have."""
        head = HEADS.get(recipe.head)
        if head is None:
            return {}
        others = (name for other in HEADS.values() for name in other.options if name not in head.options)
        return head.unused(recipe.head_options) | {f"head_options.{name}": ("head",) for name in others}

    @classmethod
    def check_recipe(cls, recipe: Recipe) -> None:
        """Raises: ValueError where a setting has no effect, or the head or another value cannot be had."""
        super().check_recipe(recipe)
        check_head(
            KospanTokenClassificationConfig(
                encoder_input=recipe.encoder_input,
                normalization=recipe.normalization,
                scheme=recipe.scheme,
                head=recipe.head,
                head_options=recipe.head_options,
                lstm_hidden_size=recipe.lstm_hidden_size,
                dropout=recipe.dropout,
                multi_sample_dropout=recipe.multi_sample_dropout,
                dropout_merge=recipe.dropout_merge,
                constrain=recipe.constrain,
                id2label={0: "O", 1: "B-X", 2: "I-X"},
            )
        )

    @classmethod
    def metric_names_of(cls, recipe: Recipe, name: str) -> list[str]:
        """The metrics of a run; the data are read only where one of a single type is asked for."""
        unit, labels = recipe.unit or dataset_spec(recipe.dataset).unit, None
        # What is no folder may be a name on the Hub; only the run itself asks there.
        if recipe.encoder.startswith("package:") or Path(recipe.encoder).is_absolute():
            found = load_config(recipe.encoder, {})
            if found.model_type == cls.model_type:
                unit, labels = found.unit, labels_of(found.tags)
        if labels is None and name.removeprefix("eval_").startswith(("f1_", "support_")):
            labels = corpus_of(recipe).labels
        return metric_names(unit, labels or ())

    # --- training -----------------------------------------------------------------------------------------------------

    def examples(self, split: str) -> list[Example]:
        """The examples of a split."""
        return self.corpus.splits[split]

    def train_features(self, examples: list[Example]) -> list[dict]:
        """A dict per window: `input_ids`, `unit_positions`, `unit_places`, `labels`, `begins`, `ends`;
        `word_shape_feature` where the model is told."""
        aligner, config = self.model.aligner, self.model.config
        features = []
        for example, document in zip(examples, aligner.documents([example.document for example in examples])):
            found = unit_spans(document.units, list(example.spans))
            exact = {(document.units[first][0], document.units[last - 1][1], label) for first, last, label in found}
            self.misaligned += sum(span[:3] not in exact for span in example.spans)
            tags = [self.tag_ids[tag] for tag in spans_to_tags(found, len(document.units), config.scheme)]
            windows = aligner.windows(document)
            self.documents += 1
            self.windowed += len(windows) > 1
            for window in windows:
                last = window.first_unit + len(window.unit_positions)
                labels = tags[window.first_unit : last]
                features.append(
                    self.model.features(window) | {"labels": labels, "begins": window.begins, "ends": window.ends}
                )
        return features

    def windows(self, examples: Sequence[Example]) -> Iterator[dict]:
        """What the encoder reads of each window of each text, as `extract` cuts it."""
        aligner = self.model.aligner
        for example in examples:
            for window in aligner.windows(aligner.documents([example.document])[0]):
                yield {"input_ids": window.input_ids}

    def collate(self, features: list[dict]) -> dict[str, torch.Tensor]:
        """Training windows as one padded batch."""
        return self.model.collate(features)

    def remarks(self) -> list[str]:
        """Spans that were widened or dropped."""
        lines = []
        if self.misaligned:
            lines.append(
                f"widened spans       {self.misaligned:,} gold spans begin or end inside a unit and were widened to it"
            )
        if self.corpus.dropped:
            lines.append(f"dropped spans       {self.corpus.dropped:,} gold spans overlapped a longer one")
        return lines

    # --- use ----------------------------------------------------------------------------------------------------------

    def predict(
        self, documents: Sequence[Example], threshold: float | None = None, batch_size: int = 32, model=None
    ) -> list[list[Span]]:
        """Predict the spans of each text with `extract`."""
        model = self.model if model is None else model
        return model.extract([each.document for each in documents], threshold or 0.0, batch_size)

    def claims(self, examples: Sequence[Example]) -> Claims | None:
        """What the chain says of spans and tags; None for a stock model, which has none."""
        return Claims(self.model, examples) if hasattr(self.model, "head") else None


def build_tagger(recipe: Recipe, corpus: Corpus, unit: str):
    """The model that a recipe asks for: continued where `encoder` is one of ours, else new over the encoder."""
    model = continued_model(recipe, KospanTokenClassificationConfig, CONTINUED, FIXED)
    if model is not None:
        return model
    encoder_config, tokenizer = encoder_parts(recipe, [example.text for example in corpus.splits["train"]])
    tags = tag_names(list(corpus.labels), recipe.scheme)
    limit = encoder_limit(encoder_config)
    config = KospanTokenClassificationConfig(
        encoder_config=encoder_config,
        unit=unit,
        encoder_input=recipe.encoder_input,
        normalization=recipe.normalization,
        word_splitting="punctuation",
        word_shape_feature=recipe.word_shape_feature,
        max_length=recipe.max_length or min(DEFAULT_WINDOW, limit or DEFAULT_WINDOW),
        stride=DEFAULT_STRIDE if recipe.stride is None else recipe.stride,
        scheme=recipe.scheme,
        head=recipe.head,
        head_options=recipe.head_options,
        lstm_hidden_size=recipe.lstm_hidden_size,
        lstm_layers=recipe.lstm_layers,
        lstm_dropout=recipe.lstm_dropout,
        dropout=recipe.dropout,
        multi_sample_dropout=recipe.multi_sample_dropout,
        dropout_merge=recipe.dropout_merge,
        constrain=recipe.constrain,
        id2label=dict(enumerate(tags)),
        label2id={tag: at for at, tag in enumerate(tags)},
        **special_ids(tokenizer),
    )
    return new_model(recipe, KospanForTokenClassification, config, tokenizer)
