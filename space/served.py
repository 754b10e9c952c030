"""The model behind the page: one thread runs it, a bounded number of calls waits."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from installed import is_installed
from texts import InputError

from kospan.modeling.tags import labels_of

WAITING = 48
# Files at a time: each is processed in many calls, and more files would only wait longer.
FILES = 4


class Line:
    """A bounded queue in front of one worker; a call that finds it full is refused.

    Args:
        places: Calls that wait or run at a time.
    """

    def __init__(self, places: int):
        self._places = threading.BoundedSemaphore(places)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="model")

    def call(self, function, *arguments, patient: bool = False):
        """Run a function in the worker and return its result.

        Args:
            function: The function.
            patient: Wait for a place instead of being refused: for a job that is already running.
            *arguments: Its arguments.

        Raises:
            InputError: If the queue is full, or the function failed; the reason goes to the log only.
        """
        if not self._places.acquire(blocking=patient):
            raise InputError("busy")
        try:
            return self._worker.submit(function, *arguments).result()
        except Exception as error:
            logging.getLogger(__name__).exception("the model failed")
            raise InputError("failed") from error
        finally:
            self._places.release()


class Served:
    """A model with its queue, and the strings of the page's head.

    Args:
        model: A kospan model; its config and the methods named below are used.
        name: Name on the Hub, or folder.
        places: Calls that wait or run at a time.
    """

    title: str  # keys of strings
    lead: str

    def __init__(self, model, name: str, places: int = WAITING):
        self.model, self.name, self.is_installed = model, name, is_installed(name)
        self.line = Line(places)
        self.files = threading.BoundedSemaphore(FILES)

    @property
    def facts(self) -> list[tuple[str, dict]]:
        """Facts beside the model's name: keys of strings and their values."""
        return []

    @property
    def loading(self) -> str:
        """Python lines that open the model as `model`."""
        if self.is_installed:
            return f"import kospan\n\nmodel = kospan.load({self.name!r})\n"
        return (
            "from transformers import AutoModel\n\n"
            f"model = AutoModel.from_pretrained({self.name!r}, trust_remote_code=True)\n"
        )


class ServedTokenClassification(Served):
    """A token classifier: `extract` and `inspect` are used."""

    title, lead = "token_classification_title", "token_classification_lead"
    has_inspect = True

    @property
    def facts(self) -> list[tuple[str, dict]]:
        """The number of labels."""
        return [("labels", {"count": len(self.labels)})]

    @property
    def labels(self) -> list[str]:
        """The labels that the model predicts, sorted."""
        return sorted(labels_of(self.model.config.tags))

    def extract(self, texts: list[str], patient: bool = False) -> list[list[tuple[int, int, str, float]]]:
        """Spans of each text as plain tuples `(start, end, label, score)`."""
        found = self.line.call(self.model.extract, texts, patient=patient)
        return [[(int(start), int(end), label, float(score)) for start, end, label, score in spans] for spans in found]

    @property
    def layers(self) -> int:
        """Layers of the encoder whose attention `inspect` gives."""
        return getattr(self.model.config.encoder_config, "num_hidden_layers", 0)

    def inspect(self, text: str):
        """The result of `model.inspect`."""
        return self.line.call(self.model.inspect, text)


class ServedGenerativeNER(ServedTokenClassification):
    """A generative NER model: only `extract` is used; it has no tag marginals."""

    has_inspect, layers = False, 0

    @property
    def loading(self) -> str:
        """Python lines that open the model by the code beside its weights: AutoModel opens a stock language model."""
        return (
            "from transformers.dynamic_module_utils import get_class_from_dynamic_module\n\n"
            'KospanGenerativeNER = get_class_from_dynamic_module("modeling_generative_ner.KospanGenerativeNER", '
            f"{self.name!r})\n"
            f"model = KospanGenerativeNER.from_pretrained({self.name!r})\n"
        )

    @property
    def labels(self) -> list[str]:
        """The labels that the model generates, sorted."""
        return sorted(self.model.config.labels)


class Answered(NamedTuple):
    """The answers to a question, in plain types.

    Args:
        answers: `(start, end, label, score)`, best first; "no answer" is the range from 0 to 0.
        starts: Probability that the answer starts at each character `(characters)`.
        ends: Probability that each character is the answer's last `(characters)`.
        null: Probability of "no answer"; 0 if the model does not predict it.
    """

    answers: list[tuple[int, int, str, float]]
    starts: np.ndarray
    ends: np.ndarray
    null: float


class ServedQuestionAnswering(Served):
    """A question answering model: `answer` is used."""

    title, lead = "question_answering_title", "question_answering_lead"

    @property
    def facts(self) -> list[tuple[str, dict]]:
        """Whether it detects questions without an answer."""
        return [("detects_no_answer", {})] if self.model.config.allow_no_answer else []

    def answer(
        self, questions: list[str], texts: list[str], top_k: int, threshold: float = 0.0, patient: bool = False
    ) -> list[Answered]:
        """The answers to each question in its text, with the probabilities they were chosen by."""

        def run():
            return self.model.answer(questions, texts, top_k=top_k, threshold=threshold, return_probabilities=True)

        return [
            Answered(
                [(int(start), int(end), label, float(score)) for start, end, label, score in result.answers],
                result.starts,
                result.ends,
                float(result.null),
            )
            for result in self.line.call(run, patient=patient)
        ]


class ServedTextClassification(Served):
    """A text classifier: `classify` and `inspect` are used."""

    title, lead = "text_classification_title", "text_classification_lead"

    @property
    def pairs(self) -> bool:
        """Whether it takes pairs of texts."""
        return self.model.config.pairs

    @property
    def second_windowed(self) -> bool:
        """Whether the second text of a pair is split into windows."""
        return self.pairs and self.model.config.windowed_field == "text_pair"

    def fits(self, text: str, pair: str) -> bool:
        """Whether the text that is not split into windows leaves room for the other one."""
        try:
            self.model.passages_of([text], [pair])
        except ValueError:
            return False
        return True

    @property
    def values(self) -> bool:
        """Whether it predicts values instead of classes."""
        return self.model.config.problem_type == "regression"

    @property
    def facts(self) -> list[tuple[str, dict]]:
        """The number of classes, and whether it takes pairs."""
        first = ("predicts_value", {}) if self.values else ("classes", {"count": len(self.model.config.classes)})
        return [first, *([("takes_pairs", {})] if self.pairs else [])]

    def classify(
        self, texts: list[str], pairs: list[str] | None, patient: bool = False
    ) -> list[list[tuple[int, int, str, float]]]:
        """The label of each text as a plain tuple `(start, end, label, score)`."""
        found = self.line.call(self.model.classify, texts, pairs, patient=patient)
        return [[(int(start), int(end), label, float(score))] for start, end, label, score in found]

    def inspect(
        self, text: str, pair: str | None
    ) -> tuple[dict[str, float], list[tuple[int, int, int, dict[str, float]]]]:
        """The scores of all classes, the highest first, and those of each window of a long text."""
        found = self.line.call(self.model.inspect, text, pair)
        return found.scores, found.passages
