"""Data and model of question answering: the answer to a question, as a span of a text."""

from collections.abc import Iterator, Sequence

from kospan.data.corpus import Corpus
from kospan.example import Example
from kospan.modeling import KospanForQuestionAnswering, KospanQuestionAnsweringConfig
from kospan.modeling.alignment import unit_spans
from kospan.modeling.spans import Span
from kospan.recipe import Recipe
from kospan.tasks.base import EncoderTask
from kospan.tasks.building import continued_model, corpus_of, new_model
from kospan.tasks.question_answering.metrics import rules_of, score_answers
from kospan.tasks.unused_settings import check_recipe


class QuestionAnsweringTask(EncoderTask):
    """Answers to questions.

    Args:
        corpus: The data; gold spans are alternatives. None over a saved model.
        model: A `KospanForQuestionAnswering` with its tokenizer.
        rules: The rules that the metrics follow, see `kospan.tasks.question_answering.metrics`.
    """

    def __init__(self, corpus: Corpus | None, model, rules: str = "korquad"):
        self.rules = rules
        self.misaligned = self.unheld = 0
        # Validation questions that the reader of the data left out; they count 0.
        self.left_out = corpus.issues["validation"].left_out if corpus and "validation" in corpus.issues else 0
        super().__init__(corpus, model, model.tokenizer, [model.config.id2label[0]], model.config.unit)

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> "QuestionAnsweringTask":
        """Read the data and build the model of a recipe."""
        check_recipe(recipe, cls.spec)
        corpus = corpus_of(recipe)
        return cls(corpus, build_model(recipe, corpus), rules_of(recipe.dataset))

    @classmethod
    def over(cls, model, dataset: str) -> "QuestionAnsweringTask":
        """Wrap a saved model."""
        return cls(None, model, rules_of(dataset))

    def train_features(self, examples: Sequence[Example]) -> list[dict]:
        """Return per window the model's input, `labels` (the positions of the answer's ends, or 0 and 0) and `ids`."""
        model, features, documents = self.model, [], self._documents(examples)
        for example in examples:
            document = documents[example.text]
            answer = None
            if example.spans:
                # The first answer is trained; the alternatives are for scores.
                spans = unit_spans(document.units, [example.spans[0]])
                answer = spans[0][:2] if spans else None
                exact = answer and (document.units[answer[0]][0], document.units[answer[1] - 1][1])
                self.misaligned += exact != example.spans[0][:2]
            windows, matches = model.windows(example.question, document), model.matches(example.question, document)
            held = False
            for window in windows:
                last = window.first_unit + len(window.unit_positions)
                inside = answer is not None and window.first_unit <= answer[0] and answer[1] <= last
                held |= inside
                ends = [answer[0] - window.first_unit + 1, answer[1] - window.first_unit] if inside else [0, 0]
                features.append(model.features(window, matches) | {"labels": ends, "ids": [example.id]})
            self.documents += 1
            self.windowed += len(windows) > 1
            self.unheld += bool(example.spans) and not held
        return features

    def windows(self, examples: Sequence[Example]) -> Iterator[dict]:
        """Yield the encoder's input for each window of each question with its text, as `answer` splits it."""
        model, documents = self.model, self._documents(examples)
        for example in examples:
            for window in model.windows(example.question, documents[example.text]):
                features = model.features(window, ())
                yield {key: features[key] for key in ("input_ids", "token_type_ids") if key in features}

    def _documents(self, examples: Sequence[Example]) -> dict:
        """Align each text once, whatever the number of its questions."""
        texts = list(dict.fromkeys(example.text for example in examples))
        return dict(zip(texts, self.model.aligner.documents(texts)))

    def predict(
        self, documents: Sequence[Example], threshold: float | None = None, batch_size: int = 32, model=None
    ) -> list[list[Span]]:
        """Predict the best answer to each question with `answer`; "no answer" is no span."""
        model = self.model if model is None else model
        options = {} if threshold is None else {"threshold": threshold}
        questions, texts = [each.question for each in documents], [each.text for each in documents]
        answers = model.answer(questions, texts, batch_size=batch_size, **options)
        return [[span for span in spans if span.end] for spans in answers]

    def metrics(self, examples: Sequence[Example], predictions: Sequence[Sequence[Span]]) -> dict[str, float]:
        """Return exact match and F1 by the official rules of the data set."""
        return score_answers(examples, predictions, self.rules, self.left_out)


def build_model(recipe: Recipe, corpus: Corpus) -> KospanForQuestionAnswering:
    """Build the model of a recipe: the trained one in `encoder`, or a new one over it."""
    model = continued_model(recipe, KospanQuestionAnsweringConfig)
    if model is not None:
        return model
    train = corpus.splits["train"]
    return new_model(
        recipe,
        KospanForQuestionAnswering,
        [*dict.fromkeys(example.text for example in train), *(example.question for example in train)],
        word_splitting="punctuation",
        id2label=dict(enumerate(corpus.labels)),
    )
