"""The words of a guarantee, in English and Korean, as config, model card, report and demo show them."""

from collections.abc import Mapping

_WORDS = {
    "en": {
        "document": "at least {level} of the gold spans of a document are found",
        "corpus": "at least {level} of all gold spans are found",
        "label": ", for each label by itself",
        "expectation": "Guaranteed recall: {share}{label}, on average over documents exchangeable with the calibration "
        "data, for this label set; not for each document, not under shift.",
        "confidence": "Guaranteed recall: with probability {confidence} over the choice of the calibration data, "
        "{share}{label}, on average over documents drawn independently from the distribution of the calibration data, "
        "for this label set; not for each document, not under shift.",
        "joint": ", for all labels at once",
        "most": " It covers only documents with at most {most} gold spans{of}.",
    },
    "ko": {
        "document": "문서에 있는 정답 개체의 {level} 이상(문서별 비율의 평균)을 찾습니다",
        "corpus": "전체 정답 개체의 {level} 이상을 찾습니다",
        "label": "레이블마다 따로 ",
        "expectation": "재현율 보장: {label}{share}. 보정 데이터와 교환 가능한(exchangeable) 문서들의 "
        "평균에 대한 보장이며, 이 레이블 집합에만 해당합니다. 문서 하나하나를 보장하지 않고, 데이터의 분포가 달라지면 "
        "성립하지 않습니다.",
        "confidence": "재현율 보장: (보정 데이터를 뽑는 우연에 대해) {confidence}의 확률로 {label}{share}. "
        "보정 데이터와 같은 분포에서 독립적으로 나온 문서들의 평균에 대한 보장이며, 이 레이블 집합에만 해당합니다. "
        "문서 하나하나를 보장하지 않고, 데이터의 분포가 달라지면 성립하지 않습니다.",
        "joint": "모든 레이블에 대해 동시에 ",
        "most": " 정답 개체{of}가 {most}개 이하인 문서만 해당합니다.",
    },
}


def wording(guarantee: Mapping, language: str) -> str:
    """State a guarantee in a sentence that says for which documents it holds, and for which not.

    Args:
        guarantee: Facts of a guarantee: `level`, `confidence`, `recall_of`, `per_label`, `joint`, `most_spans`.
        language: "en" or "ko".

    >>> facts = {"level": 0.95, "confidence": None, "recall_of": "corpus", "per_label": False, "joint": False}
    >>> wording(facts | {"most_spans": None}, "en")[:65]
    'Guaranteed recall: at least 95 % of all gold spans are found, on '
    """
    words, confidence = _WORDS[language], guarantee["confidence"]
    space = " " if language == "en" else ""
    level = f"{100 * guarantee['level']:.10g}{space}%"
    label = words["joint"] if guarantee["joint"] else words["label"] if guarantee["per_label"] else ""
    text = words["expectation" if confidence is None else "confidence"].format(
        share=words[guarantee["recall_of"]].format(level=level),
        label=label,
        confidence=None if confidence is None else f"{100 * confidence:.10g}{space}%",
    )
    for name, most in (guarantee["most_spans"] or {}).items():
        of = "" if name == "all" else f" of {name}" if language == "en" else f"({name})"
        text += words["most"].format(most=most, of=of)
    return text
