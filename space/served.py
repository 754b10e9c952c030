"""The model behind the page: one thread runs it, a bounded number of calls wait in line."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from texts import InputError

from kospan.modeling.tags import labels_of

WAITING = 48
# A file is read in many calls; more files at a time would only make each of them wait longer.
FILES = 4


class Line:
    """A line in front of one worker. Whoever finds it full is refused instead of waiting without end.

    Args:
        places: Calls that may wait or run at a time.
    """

    def __init__(self, places: int):
        self._places = threading.BoundedSemaphore(places)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="model")

    def call(self, function, *arguments, patient: bool = False):
        """What `function(*arguments)` returns.

        Args:
            function: The function.
            patient: Wait for a place instead of being refused: for a job that has been let in already.
            *arguments: Its arguments.

        Raises: InputError where the line is full, or the function failed; why it failed goes to the log alone.
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
    """A model and the line in front of it; and what the page's head says of it.

    Args:
        model: A model of ours; its config and what the class below uses.
        name: As people load it: a name on the Hub, or a folder.
        places: Calls that may wait or run at a time.
    """

    title: str  # a key of the page's texts, as is the lead under it
    lead: str

    def __init__(self, model, name: str, places: int = WAITING):
        self.model, self.name = model, name
        self.line = Line(places)
        self.files = threading.BoundedSemaphore(FILES)

    @property
    def facts(self) -> list[tuple[str, dict]]:
        """What is said beside the model's name: keys of the page's texts and their values."""
        return []

    @property
    def loading(self) -> str:
        """Python lines that open the model as `model`."""
        return (
            "from transformers import AutoModel\n\n"
            f"model = AutoModel.from_pretrained({self.name!r}, trust_remote_code=True)\n"
        )


class ServedTokenClassification(Served):
    """A tagger: `.extract` and `.inspect` are used."""

    title, lead = "title", "lead"
    looks_inside = True  # whether there is an `.inspect`

    @property
    def facts(self) -> list[tuple[str, dict]]:
        """How many types it knows."""
        return [("labels", {"count": len(self.labels)})]

    @property
    def labels(self) -> list[str]:
        """The labels that the model may give, sorted."""
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
        """What `model.inspect` gives."""
        return self.line.call(self.model.inspect, text)


class ServedGenerativeNER(ServedTokenClassification):
    """A writer: `.extract` alone is used; what it writes has no units to look at."""

    looks_inside, layers = False, 0

    @property
    def loading(self) -> str:
        """As above, by the code that lies beside the weights: to AutoModel a writer is a stock language model."""
        return (
            "from transformers.dynamic_module_utils import get_class_from_dynamic_module\n\n"
            'KospanGenerativeNER = get_class_from_dynamic_module("modeling_generative_ner.KospanGenerativeNER", '
            f"{self.name!r})\n"
            f"model = KospanGenerativeNER.from_pretrained({self.name!r})\n"
        )

    @property
    def labels(self) -> list[str]:
        """The labels that the model may write, sorted."""
        return sorted(self.model.config.labels)


class Read(NamedTuple):
    """What a reader says of a question, in plain types.

    Args:
        answers: `(start, end, label, score)`, best first; "no answer" stretches from 0 to 0.
        starts: Probability that the answer begins at each character `(characters)`.
        ends: Probability that each character is the answer's last `(characters)`.
        null: Probability of "no answer"; 0 where the model does not know of it.
    """

    answers: list[tuple[int, int, str, float]]
    starts: np.ndarray
    ends: np.ndarray
    null: float


class ServedQuestionAnswering(Served):
    """A reader: `.answer` is used."""

    title, lead = "reader_title", "reader_lead"

    @property
    def facts(self) -> list[tuple[str, dict]]:
        """Whether it knows of questions without an answer."""
        return [("knows_none", {})] if self.model.config.allow_no_answer else []

    def answer(
        self, questions: list[str], texts: list[str], top_k: int, threshold: float = 0.0, patient: bool = False
    ) -> list[Read]:
        """The answers to each question in its text, with the probabilities they were chosen by."""

        def read():
            return self.model.answer(questions, texts, top_k=top_k, threshold=threshold, return_probabilities=True)

        return [
            Read(
                [(int(start), int(end), label, float(score)) for start, end, label, score in reading.answers],
                reading.starts,
                reading.ends,
                float(reading.null),
            )
            for reading in self.line.call(read, patient=patient)
        ]


class ServedTextClassification(Served):
    """A classifier: `.classify` and `.inspect` are used."""

    title, lead = "classifier_title", "classifier_lead"

    @property
    def pairs(self) -> bool:
        """Whether two texts are read together."""
        return self.model.config.pairs

    @property
    def second_windowed(self) -> bool:
        """Whether windows run over the second text of a pair."""
        return self.pairs and self.model.config.windowed_field == "text_pair"

    def fits(self, text: str, pair: str) -> bool:
        """Whether the field that each window holds in full leaves room for the other one."""
        try:
            self.model.passages_of([text], [pair])
        except ValueError:
            return False
        return True

    @property
    def values(self) -> bool:
        """Whether values are given in place of classes."""
        return self.model.config.problem_type == "regression"

    @property
    def facts(self) -> list[tuple[str, dict]]:
        """How many classes it knows, and whether it reads pairs."""
        told = ("gives_value", {}) if self.values else ("classes", {"count": len(self.model.config.classes)})
        return [told, *([("reads_pairs", {})] if self.pairs else [])]

    def classify(
        self, texts: list[str], pairs: list[str] | None, patient: bool = False
    ) -> list[list[tuple[int, int, str, float]]]:
        """The label of each text as a plain tuple `(start, end, label, score)`."""
        found = self.line.call(self.model.classify, texts, pairs, patient=patient)
        return [[(int(start), int(end), label, float(score))] for start, end, label, score in found]

    def inspect(
        self, text: str, pair: str | None
    ) -> tuple[dict[str, float], list[tuple[int, int, int, dict[str, float]]]]:
        """The scores of all classes, the highest first, and those of each part of a long text."""
        found = self.line.call(self.model.inspect, text, pair)
        return found.scores, found.passages
