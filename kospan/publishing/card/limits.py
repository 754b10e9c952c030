"""Limits and biases of a model, English and Korean, as its own scores and settings show them."""

from kospan.publishing.card.left import Left
from kospan.publishing.card.markdown import plain

# Fewer gold spans than this say little about a type.
FEW = 30
LANGUAGES = {"ko": ("Korean", "한국어"), "en": ("English", "영어")}
Pair = tuple[str, str]


def limits(left: Left) -> list[Pair]:
    """All that is known, what weighs most first."""
    return [*_data(left), *_scores(left), *_form(left), *_use(left)]


def is_smoke(left: Left) -> bool:
    """Whether it was trained on the shipped sample, whose scores say nothing about real text."""
    return left.setting("dataset") == "sample"


def by_strength(left: Left) -> tuple[list[dict], list[dict], list[dict]]:
    """Types whose interval lies below the overall F1, weakest first; types with few gold spans; types with none."""
    record = left.record["evaluation"]
    overall, rows = record["overall"]["f1"], record["types"]
    judged = [row for row in rows if row["gold"] >= FEW]
    weak = [row for row in judged if row["f1 interval"][1] < overall]
    few = [row for row in rows if 0 < row["gold"] < FEW]
    return sorted(weak, key=lambda row: row["f1"]), few, [row for row in rows if not row["gold"]]


def _named(rows: list[dict]) -> str:
    return ", ".join(f"{plain(row['group'])} (F1 {row['f1']:.4f})" for row in rows)


def _data(left: Left) -> list[Pair]:
    about, found = left.about, []
    if is_smoke(left):
        found.append(
            (
                "Trained on a small sample that was written to show that everything works. Its scores are smoke "
                "figures: they say nothing about real text. Do not use it for work.",
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
                f"{korean} 글로만 학습하고 시험했습니다({about.texts[1]}). 다른 언어나 다른 종류의 글에서는 "
                "시험하지 않았고, 점수가 더 낮을 수 있습니다.",
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
                f"The training data are under terms that bind: {about.terms[0]}. Whether they reach the weights is not "
                "settled; clear it before you use the model.",
                f"학습 데이터에 이용 제한이 있습니다({about.terms[1]}). 이 제한이 가중치에도 미치는지는 정해진 바 "
                "없으니 쓰기 전에 확인하세요.",
            )
        )
    return found


def _scores(left: Left) -> list[Pair]:
    if left.record is None:
        return []
    record, found = left.record["evaluation"], []
    weak, few, none = by_strength(left)
    judged = [row for row in record["types"] if row["gold"] >= FEW]
    if weak:
        found.append(
            (
                f"Weak types, whose whole interval lies below the overall F1 of {record['overall']['f1']:.4f}: "
                f"{_named(weak)}.",
                f"특히 약한 종류(F1 신뢰구간의 위쪽 끝이 전체 F1 {record['overall']['f1']:.4f}보다 낮음): "
                f"{_named(weak)}.",
            )
        )
    elif len(judged) > 1:
        lowest = min(judged, key=lambda row: row["f1"])
        found.append(
            (
                f"The weakest type is {_named([lowest])}; its interval reaches the overall F1.",
                f"가장 약한 종류는 {_named([lowest])}이며, 신뢰구간은 전체 F1에 걸칩니다.",
            )
        )
    if few:
        names = ", ".join(f"{plain(row['group'])} ({row['gold']})" for row in few)
        found.append(
            (
                f"Too few gold spans in the validation part to judge: {names}.",
                f"검증 데이터에 정답이 적어 판단하기 어려운 종류: {names}.",
            )
        )
    if none:
        names = ", ".join(plain(row["group"]) for row in none)
        found.append((f"Never tested, for want of gold spans: {names}.", f"정답이 없어 시험하지 못한 종류: {names}."))
    plainly = {row["group"]: row for row in record["baseline"]["types"]}
    behind = [row for row in record["types"] if row["gold"] and row["f1"] < plainly[row["group"]]["f1"]]
    if behind:
        names = ", ".join(
            f"{plain(row['group'])} ({row['f1']:.4f} against {plainly[row['group']]['f1']:.4f})" for row in behind
        )
        korean = ", ".join(
            f"{plain(row['group'])}({row['f1']:.4f} < {plainly[row['group']]['f1']:.4f})" for row in behind
        )
        found.append(
            (
                f"A dictionary with patterns has a higher F1 for {names}.",
                f"단순한 사전과 규칙의 F1이 더 높은 종류: {korean}.",
            )
        )
    surfaces = {row["group"]: row for row in record["surfaces"]}
    seen, unseen = surfaces["seen with this type"], surfaces["unseen"]
    if unseen["gold"] >= FEW:
        known = f"; of {seen['gold']:,} known ones {seen['recall']:.1%}" if seen["gold"] >= FEW else ""
        also_seen = f", 학습 데이터에 있던 표현 {seen['gold']:,}건에서는 {seen['recall']:.1%}" if known else ""
        found.append(
            (
                f"Of {unseen['gold']:,} entities whose surface never stood in the training data it finds "
                f"{unseen['recall']:.1%}{known}.",
                f"재현율은 학습 데이터에 없던 표현 {unseen['gold']:,}건에서 {unseen['recall']:.1%}{also_seen}입니다.",
            )
        )
    return found


def _form(left: Left) -> list[Pair]:
    config = left.config
    unit = {"character": ("character", "글자"), "word": ("word", "어절")}[config["unit"]]
    found = [
        (
            f"Spans never overlap or nest, and begin and end at a {unit[0]}'s edge.",
            f"찾은 개체는 겹치거나 포함 관계에 놓이지 않으며, {unit[1]} 경계에서 시작하고 끝납니다.",
        ),
        (
            f"Text longer than {config['window']} pieces is read in windows that overlap by {config['stride']}: the "
            "encoder never sees more at once, so what stands further away has hardly any influence.",
            f"토큰 {config['window']}개보다 긴 글은 {config['stride']}개씩 겹치는 창으로 나누어 읽습니다. 한 번에 볼 "
            "수 있는 범위가 그만큼이므로 더 멀리 있는 문맥은 거의 반영되지 않습니다.",
        ),
    ]
    return found


def _use(left: Left) -> list[Pair]:
    found = []
    chosen = left.record is not None and left.record["training"]["best_step"] is not None
    if chosen:
        found.append(
            (
                "The weights are those of the step with the best score on the validation part, the part that is "
                "reported: the figures are a little too good. It is one seed; another one gives others.",
                "검증 점수가 가장 높은 시점의 가중치를 골랐고 같은 데이터의 점수를 싣기 때문에, 점수가 실제보다 조금 "
                "높을 수 있습니다. 시드 하나의 결과이며 시드가 바뀌면 점수도 달라집니다.",
            )
        )
    else:
        found.append(
            (
                "The figures are of one seed; another one gives others.",
                "시드 하나의 결과이며 시드가 바뀌면 점수도 달라집니다.",
            )
        )
    if left.config.get("calibration_temperature", 1.0) == 1.0:
        found.append(
            (
                "A span's score is its probability under the model. It has not been calibrated: do not read 0.9 as "
                "right nine times in ten.",
                "개체의 점수는 모델이 매긴 확률이며 보정하지 않았습니다. 0.9라고 해서 열 번 중 아홉 번 맞는다는 뜻은 "
                "아닙니다.",
            )
        )
    found.append(
        (
            "Names that are frequent in the training data are found more reliably than rare, foreign or new ones. How "
            "this differs between groups of people was not examined. Do not decide about people by it alone.",
            "학습 데이터에 자주 나온 이름은 드물거나 낯선 이름, 새로 생긴 이름보다 잘 찾습니다. 사람 집단에 따라 "
            "어떻게 다른지는 살펴보지 않았으니, 이 모델만으로 사람에 관한 결정을 내리지 마세요.",
        )
    )
    return found
