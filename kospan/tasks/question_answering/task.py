"""The reading task: the answer to a question, as a span of a text."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from kospan.data.corpus import Corpus
from kospan.example import Example
from kospan.modeling import KospanForQuestionAnswering, KospanQuestionAnsweringConfig
from kospan.modeling.alignment import unit_spans
from kospan.modeling.encoders import encoder_limit
from kospan.modeling.spans import Span
from kospan.recipe import Recipe
from kospan.tasks.building import continued_model, corpus_of, new_model, special_ids
from kospan.tasks.encoders import encoder_parts
from kospan.tasks.pretrained_task import PretrainedTask
from kospan.tasks.question_answering.baseline import nearest_answers
from kospan.tasks.question_answering.breakdown import examine_answers, metrics_per_question, scored_answers
from kospan.tasks.question_answering.confidence import AnswerClaims
from kospan.tasks.question_answering.metrics import metric_names, rules_of, score_answers

DEFAULT_WINDOW, DEFAULT_STRIDE = 384, 128
# Where `encoder` is one of ours: what a training may set anew, and what the model is.
CONTINUED = (
    "dropout",
    "multi_sample_dropout",
    "lstm_dropout",
    "max_query_length",
    "max_answer_length",
    "allow_no_answer",
)
FIXED = (
    *("unit", "encoder_input", "normalization", "exact_match_feature", "max_length", "stride"),
    *("lstm_hidden_size", "lstm_layers"),
)


class QuestionAnsweringTask(PretrainedTask):
    """Answers to questions.

    Args:
        corpus: The data; gold spans are alternatives. None over a saved model.
        model: A `KospanForQuestionAnswering` with its tokenizer.
        rules: Whose rules the metrics follow, see `kospan.tasks.question_answering.metrics`.
    """

    model_type = KospanQuestionAnsweringConfig.model_type
    uses = PretrainedTask.uses | {
        *("exact_match_feature", "max_query_length", "max_answer_length", "allow_no_answer"),
        *("lstm_hidden_size", "lstm_layers", "lstm_dropout"),
    }
    continued = CONTINUED
    baseline_name = "word nearest to the question's"
    whole_texts = False

    def __init__(self, corpus: Corpus | None, model, rules: str = "korquad"):
        self.corpus, self.model, self.rules = corpus, model, rules
        self.tokenizer, self.unit = model.tokenizer, model.config.unit
        self.labels = [model.config.id2label[0]]
        self.misaligned, self.windowed, self.documents, self.unheld = 0, 0, 0, 0
        # Validation questions that the data's reader left out, which count 0.
        self.left_out = corpus.issues["validation"].left_out if corpus and "validation" in corpus.issues else 0
        for split, examples in (corpus.splits if corpus else {}).items():
            self.check(examples, split)

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> "QuestionAnsweringTask":
        """Data, tokenizer and model as the recipe asks."""
        cls.check_recipe(recipe)
        corpus = corpus_of(recipe)
        return cls(corpus, build_reader(recipe, corpus), rules_of(recipe.dataset))

    @classmethod
    def over(cls, model, dataset: str) -> "QuestionAnsweringTask":
        """The task over a saved model."""
        return cls(None, model, rules_of(dataset))

    @classmethod
    def check_recipe(cls, recipe: Recipe) -> None:
        """Raises: ValueError where a setting has no effect, or a value cannot be had."""
        super().check_recipe(recipe)
        KospanQuestionAnsweringConfig(**{key: getattr(recipe, key) for key in CONTINUED})

    @classmethod
    def metric_names_of(cls, recipe: Recipe, name: str) -> list[str]:
        """The metrics of a run."""
        # Whether some questions have no answer, or are left out, only the data know; then there are more.
        return metric_names(rules_of(recipe.dataset), "answerable" in name, "left_out" in name)

    # --- training -----------------------------------------------------------------------------------------------------

    def examples(self, split: str) -> list[Example]:
        """The examples of a split."""
        return self.corpus.splits[split]

    def train_features(self, examples: list[Example]) -> list[dict]:
        """A dict per window: what the model reads, and `labels`, the places of the answer's ends or twice 0."""
        model, features = self.model, []
        texts = list(dict.fromkeys(example.text for example in examples))
        apart = dict(zip(texts, model.aligner.documents(texts)))
        for example in examples:
            document = apart[example.text]
            answer = None
            if example.spans:
                # One answer trains, the first; alternatives are for scores.
                found = unit_spans(document.units, [example.spans[0]])
                answer = found[0][:2] if found else None
                exact = answer and (document.units[answer[0]][0], document.units[answer[1] - 1][1])
                self.misaligned += exact != example.spans[0][:2]
            windows, matches = model.windows(example.question, document), model.matches(example.question, document)
            held = False
            for window in windows:
                last = window.first_unit + len(window.unit_positions)
                inside = answer is not None and window.first_unit <= answer[0] and answer[1] <= last
                held |= inside
                ends = [answer[0] - window.first_unit + 1, answer[1] - window.first_unit] if inside else [0, 0]
                features.append(model.features(window, matches) | {"labels": ends})
            self.documents += 1
            self.windowed += len(windows) > 1
            self.unheld += bool(example.spans) and not held
        return features

    def windows(self, examples: Sequence[Example]) -> Iterator[dict]:
        """What the encoder reads of each window of each text behind its question, as `answer` cuts it."""
        model = self.model
        texts = list(dict.fromkeys(example.text for example in examples))
        apart = dict(zip(texts, model.aligner.documents(texts)))
        for example in examples:
            for window in model.windows(example.question, apart[example.text]):
                features = model.features(window, ())
                yield {key: features[key] for key in ("input_ids", "token_type_ids") if key in features}

    def collate(self, features: list[dict]) -> dict[str, torch.Tensor]:
        """Training windows as one padded batch."""
        return self.model.collate(features)

    def remarks(self) -> list[str]:
        """Answers that were widened, and those that no window holds."""
        lines = []
        if self.misaligned:
            lines.append(f"widened answers     {self.misaligned:,} begin or end inside a unit and were widened to it")
        if self.unheld:
            lines.append(
                f"answers not held    {self.unheld:,} stand in no window whole, so nothing trains on them; a longer "
                "window or stride holds more"
            )
        return lines

    # --- use ----------------------------------------------------------------------------------------------------------

    def check(self, examples: Sequence[Example], place: str) -> None:
        """Raises: ValueError where an example asks nothing."""
        for example in examples:
            if not example.question.strip():
                raise ValueError(
                    f"example {example.id!r} ({place}): expected a question beside its text, got "
                    f"{example.question!r}; a reader takes JSON Lines with the key 'question', or a set of questions"
                )

    def predict(
        self, documents: Sequence[Example], threshold: float | None = None, batch_size: int = 32, model=None
    ) -> list[list[Span]]:
        """Predict the best answer to each question with `answer`; "no answer" is no span."""
        model = self.model if model is None else model
        asked = {} if threshold is None else {"threshold": threshold}
        questions, texts = [each.question for each in documents], [each.text for each in documents]
        found = model.answer(questions, texts, batch_size=batch_size, **asked)
        return [[span for span in spans if span.end] for spans in found]

    # --- scores -------------------------------------------------------------------------------------------------------

    def metric_names(self) -> list[str]:
        """The names of what `metrics` gives."""
        unanswerable = not all(example.spans for example in self.examples("validation"))
        return metric_names(self.rules, unanswerable, bool(self.left_out))

    def metrics(self, examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> dict[str, float]:
        """Exact match and F1 by the official rules."""
        return score_answers(examples, predicted, self.rules, self.left_out)

    def counts(self, examples: Sequence[Example], predicted: Sequence[Sequence[Span]]) -> np.ndarray:
        """`(documents, 1, 3)`: F1 of each question, and twice its share of all questions with those that were left out,
        so that the sums' F1 is the mean over questions."""
        names, values = metrics_per_question(examples, predicted, self.rules)
        scores = values[:, names.index("f1")]
        share = np.full_like(scores, (len(scores) + self.left_out) / max(1, len(scores)))
        return np.stack([scores, share, share], axis=1)[:, None]

    def baseline(self, documents: Sequence[Example]) -> list[list[Span]]:
        """The words nearest to where a question's words crowd; nothing is learnt."""
        return nearest_answers(documents, self.labels[0])

    def examine(
        self, examples: Sequence[Example], predicted: Sequence[Sequence[Span]], training: Sequence[Example] | None
    ) -> dict:
        """Figures, groups and errors of answers."""
        return examine_answers(examples, predicted, self.rules, training, left_out=self.left_out)

    def scored(
        self,
        training: Sequence[Example],
        examples: Sequence[Example],
        predicted: Sequence[Sequence[Span]],
        found: Sequence[Sequence[Span]],
    ) -> dict:
        """Scores by question word and answer length with intervals, and those of the nearest words."""
        return scored_answers(examples, predicted, found, self.rules, training, self.left_out)

    def claims(self, examples: Sequence[Example]) -> AnswerClaims:
        """What the reader says of each question's best answer."""
        return AnswerClaims(self.model, examples, self.rules)


def build_reader(recipe: Recipe, corpus: Corpus):
    """The model that a recipe asks for: continued where `encoder` is one of ours, else new over the encoder."""
    model = continued_model(recipe, KospanQuestionAnsweringConfig, CONTINUED, FIXED)
    if model is not None:
        return model
    train = corpus.splits["train"]
    texts = [*dict.fromkeys(example.text for example in train), *(example.question for example in train)]
    encoder_config, tokenizer = encoder_parts(recipe, texts)
    limit = encoder_limit(encoder_config)
    config = KospanQuestionAnsweringConfig(
        encoder_config=encoder_config,
        unit=recipe.unit or "character",
        encoder_input=recipe.encoder_input,
        normalization=recipe.normalization,
        word_splitting="punctuation",
        max_length=recipe.max_length or min(DEFAULT_WINDOW, limit or DEFAULT_WINDOW),
        stride=DEFAULT_STRIDE if recipe.stride is None else recipe.stride,
        max_query_length=recipe.max_query_length,
        max_answer_length=recipe.max_answer_length,
        allow_no_answer=recipe.allow_no_answer,
        exact_match_feature=recipe.exact_match_feature,
        lstm_hidden_size=recipe.lstm_hidden_size,
        lstm_layers=recipe.lstm_layers,
        lstm_dropout=recipe.lstm_dropout,
        dropout=recipe.dropout,
        multi_sample_dropout=recipe.multi_sample_dropout,
        id2label=dict(enumerate(corpus.labels)),
        **special_ids(tokenizer),
    )
    return new_model(recipe, KospanForQuestionAnswering, config, tokenizer)
