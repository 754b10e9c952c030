"""`KospanQuestionAnsweringPipeline`: answers to questions, in the form of transformers' question answering."""

from collections.abc import Iterator, Mapping

import transformers.pipelines

from .input_checks import as_list, as_text
from .pipeline_base import KospanPipeline

# transformers 5 has no pipeline for this task. For a loaded model it checks the task's name alone, and its error
# suggests a chat model; the suggestion for a kospan model is added to that message.
_ADVICE = " For a loaded kospan model call `model.pipeline()`; for its folder pass trust_remote_code=True."
_removed = getattr(transformers.pipelines, "REMOVED_TASKS", {})
if _ADVICE not in _removed.get("question-answering", _ADVICE):
    _removed["question-answering"] += _ADVICE


class KospanQuestionAnsweringPipeline(KospanPipeline):
    """`pipeline("question-answering", model=..., trust_remote_code=True)`: answers in the form of the stock pipeline.

    transformers 5 no longer has a pipeline for this task. This one calls `model.answer`, so that answers are those of
    evaluation. Settings, in the constructor or a call, override the model's config; the names of `model.answer` work,
    too:

    top_k: Maximum number of answers, 1 by default; `topk` is its old name.
    doc_stride: Overlap of neighbouring windows in subwords; no answer is longer.
    max_seq_len: Maximum positions of a window. The default overlap becomes at most half of it.
    max_answer_len: Maximum characters (units) of an answer.
    max_question_len: Maximum subwords of a question.
    handle_impossible_answer: Whether "no answer" is possible; it has start 0, end 0 and an empty answer.
    align_to_words: Whether answers are widened to whole words, False by default: a Korean answer often ends inside
        one. A widened answer keeps its score.
    padding: Accepted and ignored; windows are padded to the longest of a batch.
    threshold: Minimum score of an answer; there may be none.
    trim_particles: Whether a Korean particle at the end of an answer is removed.
    batch_size: Windows per batch, 32 by default; for a stream, also the questions taken at a time.

    Differences from the stock pipeline: `top_k` above 1 always gives a list; answers are characters, not words, by
    default; an empty text has the empty answer with score 0 instead of an error.

    >>> pipe = pipeline("question-answering", model="user/name", trust_remote_code=True)  # doctest: +SKIP
    >>> pipe(question="수도는 어디인가?", context="대한민국의 수도는 서울이다.")  # doctest: +SKIP
    {'score': 0.97, 'start': 10, 'end': 12, 'answer': '서울'}
    """

    task_name = "question-answering"
    default_input_names = "question,context"
    _wanted = '{"question": ..., "context": ...}, a list or a stream of them'
    _unwraps_one = True
    # Name in the stock pipeline -> name in `model.answer`.
    _settings = {
        "topk": "top_k",
        "doc_stride": "stride",
        "max_seq_len": "max_length",
        "max_answer_len": "max_answer_length",
        "max_question_len": "max_query_length",
        "handle_impossible_answer": "allow_no_answer",
    }
    _own = (*_settings.values(), "threshold", "trim_particles")

    def __call__(
        self, *inputs, question=None, context=None, num_workers: int | None = None, batch_size=None, **settings
    ) -> dict | list | Iterator:
        """Answer a question, or each of several.

        Args:
            question: In place of `inputs`: a question, or a sequence of questions.
            context: A text, or one for each question.
            num_workers: As in `KospanPipeline`.
            batch_size: As in the class; `**settings` takes the other settings.
            *inputs: `{"question": ..., "context": ...}`, a list or a stream of them (other keys are ignored); or a
                question and its text. Question and context of a dict may be lists.
            **settings: Settings of the pipeline.

        Returns:
            `{"score", "start", "end", "answer"}` for one question, also in a list, as in the stock pipeline; a list of
            them, best first, with `top_k` above 1; for several questions a list of either; for a stream an iterator
            that reads no further than necessary.

        Raises:
            TypeError or ValueError: If the input has another form, or a setting is unknown or out of range.
        """
        if inputs and (question is not None or context is not None):
            raise TypeError("expected one dict, a list of dicts, or question= and context=, got both; pass one of them")
        if len(inputs) == 2 and all(isinstance(as_text(text), str) for text in inputs):
            (question, context), inputs = inputs, ()
        if not inputs:
            if question is None or context is None:
                missing = "question" if question is None else "context"
                raise TypeError(f"expected question and context, got no {missing}; pass both")
            inputs = ({"question": question, "context": context},)
        given = list(inputs) if len(inputs) > 1 else inputs[0]
        return super().__call__(given, num_workers, batch_size, **settings)

    def items(self, inputs, /, **settings) -> tuple[list, bool] | None:
        """As in the base class; a dict may have several questions, with a text for each or one for all."""
        if not isinstance(inputs, Mapping) or not {"question", "context"} <= set(inputs):
            return super().items(inputs)
        questions, context = as_list(inputs["question"]), as_text(inputs["context"])
        if questions is None:
            return super().items(inputs)
        contexts = [context] * len(questions) if isinstance(context, str) else as_list(context)
        if contexts is None or len(questions) != len(contexts):
            got = type(context).__name__ if contexts is None else f"{len(contexts)} texts"
            raise ValueError(
                f"expected a text for each question, got {len(questions)} questions and {got}; pass lists of one "
                "length, or one text for all"
            )
        pairs = [{"question": question, "context": text} for question, text in zip(questions, contexts)]
        return super().items(pairs)

    def item(self, item, at: int) -> tuple[str, str]:
        """Question and text of an item; transformers 4 has a class for them, `SquadExample`."""
        if hasattr(item, "question_text") and hasattr(item, "context_text"):
            item = {"question": item.question_text, "context": item.context_text}
        if not isinstance(item, Mapping) or not {"question", "context"} <= set(item):
            got = f"the keys {', '.join(map(str, item))}" if isinstance(item, Mapping) else type(item).__name__
            raise ValueError(f'expected {{"question": ..., "context": ...}}, got {got} at index {at}; pass both keys')
        texts = [as_text(item[key]) for key in ("question", "context")]
        for key, text in zip(("question", "context"), texts):
            if not isinstance(text, str):
                raise TypeError(f"expected {key} to be a str, got {type(text).__name__} at index {at}; pass a str")
        return texts[0], texts[1]

    def positions(self, items: list, /, **settings) -> int:
        """As in the base class, with a character counted as a subword."""
        _, forward, _ = self._sanitize_parameters(**settings)
        limits, total = self._limits(forward), 0
        for question, text in items:
            # New positions of a window: without the question, a few special tokens and the overlap.
            new = limits.max_length - limits.stride - min(limits.max_query_length, len(question)) - 4
            total += limits.max_length * (1 + len(text) // max(1, new))
        return total

    def _is_item(self, inputs) -> bool:
        return isinstance(inputs, Mapping) or hasattr(inputs, "question_text")

    # --- methods of transformers' Pipeline ---------------------------------------------------------------------------

    def _sanitize_parameters(self, /, align_to_words=None, padding=None, **given):
        forward, formatting = {}, {}
        for name, value in given.items():
            ours = self._settings.get(name, name)
            if ours not in self._own:
                raise TypeError(
                    f"expected only the settings {', '.join([*self._settings, *self._own])}, batch_size, "
                    f"align_to_words and padding, got {name}; leave it out"
                )
            if value is None or (name == "topk" and given.get("top_k") is not None):
                continue
            if ours in forward and forward[ours] != value:
                raise ValueError(
                    f"expected one value for {name}, got {forward[ours]!r} by its other name too; leave one out"
                )
            forward[ours] = value
        with self._names_of(given):
            self.model.answer([], [], **forward)  # Without texts the model only checks the settings.
        if "max_length" in forward and "stride" not in forward:
            forward["stride"] = max(1, min(self.model.config.stride, forward["max_length"] // 2))
        if "top_k" in forward:
            formatting["top_k"] = forward["top_k"]
        if align_to_words is not None:
            if not isinstance(align_to_words, bool):
                raise TypeError(
                    f"expected align_to_words to be true or false, got {align_to_words!r}; false keeps characters"
                )
            formatting["align_to_words"] = align_to_words
        return {}, forward, formatting

    def preprocess(self, input_) -> dict:
        """A question and its text; the model tokenises them."""
        question, context = self.item(input_, 0)
        return {"question": question, "context": context}

    def _forward(self, input_tensors: dict, **forward) -> dict:
        found = self.model.answer(input_tensors["question"], input_tensors["context"], **forward)
        return {"context": input_tensors["context"], "answers": found}

    def postprocess(self, model_outputs: dict, top_k: int = 1, align_to_words: bool = False) -> dict | list[dict]:
        """Answers to one question in the form of the stock pipeline."""
        text, answers = model_outputs["context"], []
        for span in model_outputs["answers"]:
            start, end = _whole_words(text, span.start, span.end) if align_to_words else span[:2]
            answers.append({"score": float(span.score), "start": start, "end": end, "answer": text[start:end]})
        if top_k > 1:
            return answers
        return answers[0] if answers else {"score": 0.0, "start": 0, "end": 0, "answer": ""}

    # --- helpers ------------------------------------------------------------------------------------------------------

    def _results(self, items: list[tuple[str, str]], forward: dict, formatting: dict) -> list:
        questions, contexts = [question for question, _ in items], [context for _, context in items]
        with self.device_placement():
            found = self.model.answer(questions, contexts, **forward)
        return [
            self.postprocess({"context": text, "answers": spans}, **formatting) for text, spans in zip(contexts, found)
        ]

    def _limits(self, forward: dict):
        """The model's limits with those of a call."""
        names = self.model.limits()._fields
        return self.model.limits(**{name: value for name, value in forward.items() if name in names})


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """A span widened to whole words; an empty one stays."""
    while 0 < start < end and text[start - 1].isalnum() and text[start].isalnum():
        start -= 1
    while start < end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
        end += 1
    return start, end
