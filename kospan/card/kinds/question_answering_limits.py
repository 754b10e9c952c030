"""The limits of a reader as its own scores and settings show them, English and Korean."""

from kospan.card.kinds.question_answering_scores import group_rows, shown
from kospan.card.markdown import plain
from kospan.card.phrases import FEW, Pair, by_strength, windows
from kospan.card.run_record import RunRecord
from kospan.tasks.question_answering.question_words import OTHER

# What a table is about, English and Korean, and how a group of it is spoken of.
TABLES = {
    "question word": ("kinds of question", "{}", "with {}", "질문 유형", "{}"),
    "answer length": ("lengths of answer", "{} characters", "with an answer of {} characters", "답의 길이", "{}자"),
}
KOREAN = {OTHER: "기타", "17 and more": "17 이상"}


def weaknesses(left: RunRecord) -> list[Pair]:
    """Weak kinds of question and answer, those that cannot be judged, and answers that were never seen."""
    record, found = left.record["evaluation"], []
    overall = record["overall"]["exact_match"]
    for title, (what, one, some, korean, korean_one) in TABLES.items():
        weak, few, _ = by_strength(group_rows(record, title), overall, "exact_match", "questions")
        if weak:
            names = ", ".join(f"{one.format(plain(shown(row['group'])))}: {row['exact_match']:.4f}" for row in weak)
            korean_names = ", ".join(f"{korean_one.format(_korean(row))} {row['exact_match']:.4f}" for row in weak)
            found.append(
                (
                    f"Weak {what}, whose whole interval lies below the overall exact match of {overall:.4f} – {names}.",
                    f"특히 약한 {korean}(정확히 일치한 비율의 신뢰구간 위쪽 끝이 전체 값 {overall:.4f}보다 낮음): "
                    f"{korean_names}.",
                )
            )
        if few:
            names = ", ".join(f"{row['questions']} {some.format(plain(shown(row['group'])))}" for row in few)
            korean_names = ", ".join(f"{korean_one.format(_korean(row))}({row['questions']}개)" for row in few)
            found.append(
                (
                    f"Too few questions in the validation part to judge: {names}.",
                    f"검증 데이터에 질문이 적어 판단하기 어려운 {korean}: {korean_names}.",
                )
            )
    return [*found, *_behind(record), *_unseen(record)]


def _korean(row: dict) -> str:
    """A group's name as Korean readers understand it."""
    return plain(KOREAN.get(row["group"], row["group"]).replace(", ", "·"))


def _behind(record: dict) -> list[Pair]:
    """Where a method that learns nothing is better."""
    own, plainly = record["overall"], record["baseline"]
    if plainly["f1"] <= own["f1"]:
        return []
    return [
        (
            f"The nearest word, for which nothing is learnt, has a higher F1 ({plainly['f1']:.4f} against "
            f"{own['f1']:.4f}).",
            f"학습이 필요 없는 간단한 방법의 F1이 더 높습니다({own['f1']:.4f} < {plainly['f1']:.4f}).",
        )
    ]


def _unseen(record: dict) -> list[Pair]:
    """How often answers are right that were answers in the training data, and those that were none."""
    rows = {row["group"]: row for row in record["groups"].get("answer", [])}
    seen, unseen = rows.get("seen in training"), rows.get("not seen in training")
    if unseen is None or unseen["questions"] < FEW:
        return []
    known = korean = ""
    if seen is not None and seen["questions"] >= FEW:
        known = f", of {seen['questions']:,} whose answer was one there {seen['exact_match']:.1%}"
        korean = f", 학습 데이터에도 나온 답인 질문 {seen['questions']:,}개에서는 {seen['exact_match']:.1%}"
    return [
        (
            f"Of {unseen['questions']:,} questions whose answer was none in the training data "
            f"{unseen['exact_match']:.1%} are answered exactly{known}.",
            f"정확히 일치한 비율은 학습 데이터에 없던 답인 질문 {unseen['questions']:,}개에서 "
            f"{unseen['exact_match']:.1%}{korean}입니다.",
        )
    ]


def form(left: RunRecord) -> list[Pair]:
    """What no answer can be, what is cut, and whether "no answer" is known."""
    config = left.config
    unit = {"character": ("characters", "글자"), "word": ("words", "어절")}[config["unit"]]
    found = [
        (
            "An answer is one stretch of the text. What has to be put together from several places, counted or "
            "concluded (yes or no) cannot be answered.",
            "답은 글에 그대로 이어져 있는 한 부분입니다. 여러 곳을 합치거나 세거나 추론해야 하는 답과 예·아니요 답은 "
            "낼 수 없습니다.",
        ),
        (
            f"Answers longer than {config['max_answer_length']} {unit[0]}, or than {config['stride']} subwords (the "
            "overlap of two windows), cannot be found.",
            f"{unit[1]} {config['max_answer_length']}개보다 긴 답이나 토큰 {config['stride']}개(두 창이 겹치는 "
            "범위)보다 긴 답은 찾을 수 없습니다.",
        ),
        (
            f"A question longer than {config['max_query_length']} subwords is cut there; the rest of it is not read.",
            f"질문은 토큰 {config['max_query_length']}개까지만 읽고 나머지는 잘라 냅니다.",
        ),
        _null(left),
        windows(left, ("A text that together with its question is", "질문까지 합쳐 ")),
    ]
    if config.get("trim_particles"):
        found.append(
            (
                "A Korean particle at an answer's end is cut off by rule, which may cut an answer that ends alike.",
                "답 끝의 조사를 규칙으로 떼어 내므로, 조사와 비슷하게 끝나는 답이 잘릴 수 있습니다.",
            )
        )
    if config.get("threshold"):
        found.append(
            (
                f"Answers with a probability below {config['threshold']:g} are left out unless a call says otherwise "
                "(`threshold=0`): then nothing is said.",
                f"호출할 때 달리 정하지 않으면(`threshold=0`) 확률이 {config['threshold']:g}보다 낮은 답은 내지 "
                "않습니다.",
            )
        )
    return found


def _null(left: RunRecord) -> Pair:
    """Whether the model can say that there is no answer, and how well it does."""
    if not left.config.get("allow_no_answer"):
        return (
            "It does not know of questions without an answer: it gives its best guess for any text, also where the "
            "text does not hold the answer.",
            "답이 없는 질문을 알지 못합니다. 글에 답이 없어도 가장 그럴듯한 부분을 답으로 내놓습니다.",
        )
    right = left.results.get("exact_match_unanswerable")
    if right is None:
        return (
            "It may say that the text holds no answer (a span from 0 to 0); how often it is right there was not "
            "tested.",
            "글에 답이 없다고 말할 수 있지만(0에서 0까지의 위치) 얼마나 맞는지는 시험하지 않았습니다.",
        )
    missed = left.results.get("exact_match_answerable")
    return (
        f"It may say that the text holds no answer (a span from 0 to 0): right for {right:.1%} of the questions "
        f"without one; of those with one {missed:.1%} are answered exactly.",
        f"글에 답이 없다고 말할 수 있습니다(0에서 0까지의 위치). 답이 없는 질문의 {right:.1%}에서 맞고, 답이 있는 "
        f"질문은 {missed:.1%}를 정확히 맞힙니다.",
    )
