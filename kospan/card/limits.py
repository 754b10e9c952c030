"""Limits and biases of a model, English and Korean, as its own scores and settings show them."""

from kospan.card.kinds.registry import kind_of
from kospan.card.phrases import LANGUAGES, Pair
from kospan.card.run_record import RunRecord


def limits(left: RunRecord) -> list[Pair]:
    """All that is known, what weighs most first."""
    kind = kind_of(left)
    shown_by_scores = kind.weaknesses(left) if left.record is not None else []
    return [*_data(left), *shown_by_scores, *kind.form(left), *_use(left)]


def is_smoke(left: RunRecord) -> bool:
    """Whether it was trained on the shipped sample, whose scores say nothing about real text."""
    return left.setting("dataset") == "sample"


def _data(left: RunRecord) -> list[Pair]:
    about, found = left.about, []
    if is_smoke(left):
        found.append(
            (
                "Trained on a small sample that was written to show that everything works. Its scores are smoke "
                "metrics: they say nothing about real text. Do not use it for work.",
                "작동을 확인하려고 직접 쓴 작은 예시 데이터로 학습했습니다. 점수는 동작 확인용일 뿐 실제 글에서의 "
                "성능을 뜻하지 않으므로 실무에 쓰지 마세요.",
            )
        )
    if about.language is not None:
        english, korean = LANGUAGES[about.language]
        found.append(
            (
                f"Trained and scored on {english} alone: {about.texts[0]}. Other languages and other kinds of text "
                "were not tested; expect lower scores there.",
                f"{korean} 글로만 학습하고 시험했습니다({about.texts[1]}). 다른 언어나 다른 종류의 글에서는 시험하지 "
                "않았고, 점수가 더 낮을 수 있습니다.",
            )
        )
    else:
        found.append(
            (
                "Trained and scored on one collection of texts; language, period and kind of text are those of its "
                "training data, and others were not tested.",
                "한 가지 글 모음으로만 학습하고 시험했습니다. 언어와 시기, 글의 종류는 학습 데이터를 따르며, 다른 "
                "글에서는 시험하지 않았습니다.",
            )
        )
    if about.restricted:
        found.append(
            (
                f"The training data are under terms that bind: {about.terms[0]}. Whether they reach the weights is "
                "not settled; clear it before you use the model.",
                f"학습 데이터에 이용 제한이 있습니다({about.terms[1]}). 이 제한이 가중치에도 미치는지는 정해진 바 "
                "없으니 쓰기 전에 확인하세요.",
            )
        )
    return found


def _use(left: RunRecord) -> list[Pair]:
    found = []
    chosen = left.record is not None and left.record["training"]["best_step"] is not None
    if chosen:
        found.append(
            (
                "The weights are those of the step with the best score on the validation part, the part that is "
                "reported: the metrics are a little too good. It is one seed; another one gives others.",
                "검증 점수가 가장 높은 시점의 가중치를 골랐고 같은 데이터의 점수를 싣기 때문에, 점수가 실제보다 조금 "
                "높을 수 있습니다. 시드 하나의 결과이며 시드가 바뀌면 점수도 달라집니다.",
            )
        )
    else:
        found.append(
            (
                "The metrics are of one seed; another one gives others.",
                "시드 하나의 결과이며 시드가 바뀌면 점수도 달라집니다.",
            )
        )
    if left.config.get("calibration_temperature", 1.0) == 1.0:
        found.append(kind_of(left).UNCALIBRATED)
    found.append(kind_of(left).PEOPLE)
    return found
