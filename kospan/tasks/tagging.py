"""The tagging task: spans by tags on units."""

import random
from functools import cached_property

import torch

from kospan.data.corpus import Corpus, load_corpus
from kospan.data.registry import reader_for
from kospan.evaluation.spans import figure_names, score_spans
from kospan.example import Example
from kospan.recipe import Recipe
from kospan.tasks.encoders import (
    check_encoder_options,
    encoder_parts,
    load_config,
    load_ours,
    locate,
    start_without_positions,
    whole_weights,
)
from kospan.training.consistency import TagDivergence
from modeling import SpanTagger, SpanTaggerConfig
from modeling.alignment import unit_spans
from modeling.modeling_span import encoder_limit
from modeling.spans import Span
from modeling.tags import labels_of, spans_to_tags, tag_names

DEFAULT_WINDOW = 512
# Where `encoder` is one of ours: what a training may set anew, and what the model is.
CONTINUED = ("dropout", "dropout_samples", "dropout_merge", "recurrent_dropout", "constrain")
FIXED = (
    *("unit", "encoder_input", "normalization", "unit_shapes", "window", "stride"),
    *("scheme", "head", "head_options", "recurrent_size", "recurrent_layers"),
)


class TaggingTask:
    """Named entities and the like.

    Args:
        corpus: The data.
        model: A `SpanTagger` with its tokenizer.
    """

    def __init__(self, corpus: Corpus, model):
        self.corpus, self.model = corpus, model
        self.tokenizer = model.tokenizer
        self.tag_ids = {tag: at for at, tag in enumerate(model.config.tags)}
        self.labels = labels_of(model.config.tags)
        self.misaligned, self.windowed, self.documents = 0, 0, 0
        for split, examples in corpus.splits.items():
            for example in examples:
                check_labels(example, self.labels, split)

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> "TaggingTask":
        """Data, tokenizer and model as the recipe asks."""
        corpus = load_corpus(
            recipe.dataset, recipe.train_file, recipe.validation_file, recipe.overlaps, recipe.calibration_split
        )
        unit = recipe.unit or reader_for(recipe.dataset).unit
        return cls(corpus, build_tagger(recipe, corpus, unit))

    def examples(self, split: str) -> list[Example]:
        """The examples of a split."""
        return self.corpus.splits[split]

    # --- features -----------------------------------------------------------------------------------------------------

    def train_features(self, examples: list[Example]) -> list[dict]:
        """A dict per window: `input_ids`, `unit_positions`, `unit_places`, `labels`, `begins`, `ends`; `unit_shapes`
        where the model is told."""
        aligner, config = self.model.aligner, self.model.config
        features = []
        for example, document in zip(examples, aligner.documents([example.text for example in examples])):
            found = unit_spans(document.units, list(example.spans))
            exact = {(document.units[first][0], document.units[last - 1][1], label) for first, last, label in found}
            self.misaligned += sum(span[:3] not in exact for span in example.spans)
            tags = [self.tag_ids[tag] for tag in spans_to_tags(found, len(document.units), config.scheme)]
            windows = aligner.windows(document)
            self.documents += 1
            self.windowed += len(windows) > 1
            for window in windows:
                last = window.first_unit + len(window.unit_positions)
                features.append(
                    {
                        "input_ids": window.input_ids,
                        "unit_positions": window.unit_positions,
                        "unit_places": window.unit_places,
                        **({"unit_shapes": window.unit_shapes} if config.unit_shapes else {}),
                        "labels": tags[window.first_unit : last],
                        "begins": window.begins,
                        "ends": window.ends,
                    }
                )
        return features

    def collate(self, features: list[dict]) -> dict[str, torch.Tensor]:
        """Training windows as one padded batch."""
        fillers = {
            "input_ids": self.tokenizer.pad_token_id or 0,
            "unit_positions": -100,
            "unit_places": -100,
            "unit_shapes": -100,
            "labels": -100,
        }
        batch = {}
        for key, filler in fillers.items():
            if key not in features[0]:
                continue
            width = max(len(feature[key]) for feature in features)
            batch[key] = torch.tensor([feature[key] + [filler] * (width - len(feature[key])) for feature in features])
        lengths = torch.tensor([len(feature["input_ids"]) for feature in features])
        batch["attention_mask"] = (torch.arange(batch["input_ids"].shape[1]) < lengths.unsqueeze(1)).long()
        for key in ("begins", "ends"):
            batch[key] = torch.tensor([feature[key] for feature in features])
        return batch

    # --- prediction ---------------------------------------------------------------------------------------------------

    @cached_property
    def _label_ids(self) -> dict[str, int]:
        return {label: at for at, label in enumerate(self.labels)}

    def predict(self, model, documents: list[Example]) -> torch.Tensor:
        """float32 `(documents, spans, 4)`: start, end, label id, score, by the very method that users call."""
        found = model.extract([document.text for document in documents])
        width = max(1, max(len(spans) for spans in found))
        rows = torch.full((len(documents), width, 4), -100.0)
        for row, spans in enumerate(found):
            for at, span in enumerate(spans):
                rows[row, at] = torch.tensor([span.start, span.end, self._label_ids[span.label], span.score])
        return rows

    def spans(self, rows) -> list[list[Span]]:
        """What `predict` gave, as spans again."""
        return [
            [
                Span(int(start), int(end), self.labels[int(label)], float(score))
                for start, end, label, score in row
                if label >= 0
            ]
            for row in rows
        ]

    def divergence(self, alpha: float, level: str) -> TagDivergence:
        """R-Drop's callable."""
        return TagDivergence(alpha, level)

    def figures(self) -> list[str]:
        """The names of what `metrics` gives."""
        return figure_names(self.model.config.unit, self.labels)

    def metrics(self, examples: list[Example], predicted: list[list[Span]]) -> dict[str, float]:
        """Span figures as the README defines them."""
        return score_spans(examples, predicted, self.model.config.unit, self.labels)


def check_labels(example: Example, labels: list[str], split: str = "data") -> None:
    """Raises: ValueError where an example holds a label that the model does not know."""
    for span in example.spans or ():
        if span.label not in labels:
            raise ValueError(
                f"example {example.id!r} ({split}): expected labels that the model knows ({', '.join(labels)}), got "
                f"{span.label!r}; rename the label in the data, or train a model on data that holds it"
            )


def check_continued(recipe: Recipe, config: SpanTaggerConfig) -> None:
    """What a recipe asks of a model of ours that it trains on: what the model is stays as it is.

    Raises: ValueError where a setting that makes the model is neither the default nor what the model has.
    """
    SpanTaggerConfig(**{key: getattr(recipe, key) for key in CONTINUED})
    default = Recipe()
    asked = {key: (getattr(recipe, key), getattr(config, key)) for key in FIXED}
    asked = {key: pair for key, pair in asked.items() if pair[0] != getattr(default, key)}
    # The vocabulary is the model's own, however it was counted.
    options = {key: value for key, value in recipe.encoder_options.items() if key != "min_count"}
    for key, value in check_encoder_options(options, config.encoder_config).items():
        asked[f"encoder_options[{key!r}]"] = value, getattr(config.encoder_config, key)
    for key, (value, own) in asked.items():
        if value != own:
            raise ValueError(
                f"expected {key} to be {own!r} as in the model {recipe.encoder} that is trained on, got {value!r}; "
                "take it out, or train a new model from an encoder"
            )


def build_tagger(recipe: Recipe, corpus: Corpus, unit: str):
    """The model that a recipe asks for: continued where `encoder` is one of ours, else new over the encoder."""
    if recipe.encoder != "scratch":
        found = load_config(recipe.encoder, {})
        if found.model_type == SpanTaggerConfig.model_type:
            check_continued(recipe, found)
            # What a recipe leaves as usual stays as the model has it.
            taken = {key: getattr(recipe, key) for key in CONTINUED if getattr(recipe, key) != getattr(Recipe(), key)}
            # Training changes the scores that the temperature was fitted to.
            model = load_ours(locate(recipe.encoder), calibration_temperature=1.0, **taken)
            if recipe.freeze_encoder:
                model.freeze_encoder()
            return model
    encoder_config, tokenizer = encoder_parts(recipe, [example.text for example in corpus.splits["train"]])
    tags = tag_names(list(corpus.labels), recipe.scheme)
    limit = encoder_limit(encoder_config)
    config = SpanTaggerConfig(
        encoder_config=encoder_config,
        unit=unit,
        encoder_input=recipe.encoder_input,
        normalization=recipe.normalization,
        unit_shapes=recipe.unit_shapes,
        window=recipe.window or min(DEFAULT_WINDOW, limit or DEFAULT_WINDOW),
        stride=recipe.stride,
        scheme=recipe.scheme,
        head=recipe.head,
        head_options=recipe.head_options,
        recurrent_size=recipe.recurrent_size,
        recurrent_layers=recipe.recurrent_layers,
        recurrent_dropout=recipe.recurrent_dropout,
        dropout=recipe.dropout,
        dropout_samples=recipe.dropout_samples,
        dropout_merge=recipe.dropout_merge,
        constrain=recipe.constrain,
        id2label=dict(enumerate(tags)),
        label2id={tag: at for at, tag in enumerate(tags)},
        # As the tokenizer has them: the Trainer would say so in a warning.
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(int(recipe.trainer.get("seed", 42)))
    random.seed(int(recipe.trainer.get("seed", 42)))
    if recipe.encoder == "scratch":
        model = SpanTagger(config)
        model.tokenizer = tokenizer
        start_without_positions(model.encoder)
    else:
        with whole_weights(recipe.encoder):
            model = SpanTagger.from_encoder(locate(recipe.encoder), config, tokenizer)
    if recipe.freeze_encoder:
        model.freeze_encoder()
    # Says at once whether tokenizer, window and stride fit together.
    assert model.aligner
    return model
