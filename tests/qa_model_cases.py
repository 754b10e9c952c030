"""Questions, model variants and batches for the tests of question-answering models."""

import pytest
import torch

from kospan.modeling import Span
from kospan.modeling.answers import AnswerDistribution, WindowScores

VARIANTS = {
    "plain": {},
    "subwords": {"encoder_input": "subwords"},
    "matches": {"encoder_input": "units", "exact_match_feature": True},
    "recurrent": {"encoder_input": "units", "lstm_hidden_size": 8, "lstm_layers": 2, "exact_match_feature": True},
    "words": {"unit": "word"},
    "no segments": {"encoder": {"type_vocab_size": 1}},
    "null": {"allow_no_answer": True, "calibration_temperature": 2.0},
    "multi-sample dropout": {"dropout": 0.3, "multi_sample_dropout": 3},
}

QUESTIONS = ["회장이 어디서 회의를 열었는가?", "언제 부산을 찾았나?", "누가 전했나", "비?", "금리는 얼마나 올랐는가?"]
HOSTILE = [
    "이재용\x00회장\x07이 \x7f서울\x85에서",
    "가족 👨\u200d👩\u200d👧\u200d👦이 부산\u200b에 👩🏽\u200d🚀 왔다",
    "e\u0301 한\u0301국 \ufeff서울",
    "\ufeff\u200b\u200d",
    "\n\n서울\r\n부산\t대구\u3000광주\u00a0울산",
]
by_input = pytest.mark.parametrize("encoder_input", ["units", "subwords"])


def close(one: list[Span], other: list[Span], tolerance: float = 1e-5) -> None:
    assert [span[:3] for span in one] == [span[:3] for span in other]
    assert [span.score for span in one] == pytest.approx([span.score for span in other], abs=tolerance)


def batch_of(model, texts: list[str]) -> dict:
    """A padded training batch of one window each; the last one lacks the answer."""
    documents, features = model.aligner.documents(texts), []
    for at, (question, document) in enumerate(zip(QUESTIONS, documents)):
        window = model.windows(question, document)[0]
        last = len(window.unit_positions)
        ends = [0, 0] if at == len(texts) - 1 else [min(at + 1, last), min(at + 3, last)]
        features.append(model.features(window, model.matches(question, document)) | {"labels": ends})
    return model.collate(features)


def one_by_one(model, question: str, context: str) -> AnswerDistribution:
    """Windows read one at a time, without padding; the distribution that `answer` must have chosen from."""
    document = model.aligner.documents([context])[0]
    matches, scores, config = model.matches(question, document), [], model.config
    for window in model.windows(question, document):
        with torch.no_grad():
            found = model(**model.collate([model.features(window, matches)])).emissions[0].numpy()
        scores.append(WindowScores(window.first_unit, found[1:, 0], found[1:, 1], found[0].sum()))
    blank = [not context[start:end].strip() for start, end in document.units]
    return AnswerDistribution(
        scores, document.unit_subwords, config.max_answer_length, config.stride, config.allow_no_answer, blank=blank
    )
