"""What several parts of a card say in the same words, whatever kind of model it is about."""

from collections.abc import Mapping, Sequence

from kospan.card.markdown import code, decimal
from kospan.card.run_record import RunRecord

Pair = tuple[str, str]  # English and Korean
LANGUAGES = {"ko": ("Korean", "한국어"), "en": ("English", "영어")}
# Fewer gold spans, or questions, than this say little about a group.
FEW = 30


def number(value) -> float:
    """A setting as a number: flags are stored as they were typed.

    >>> number("3e-5"), number(None)
    (3e-05, 0.0)
    """
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        raise ValueError(
            f"expected a number in recipe.yaml, got {value!r}; take the recipe from the run again"
        ) from None


def quoted(text: str) -> str:
    """A string as Python source in double quotes.

    >>> print(quoted('a "b"'))
    "a \\"b\\""
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def texts_in(left: RunRecord) -> Pair:
    """The texts with their language, as far as it is known."""
    if not left.about.language:
        return "text", "글"
    english, korean = LANGUAGES[left.about.language]
    return f"{english} text", f"{korean} 글"


def held_out(left: RunRecord, whole: str = "document") -> Pair:
    """Where the validation texts come from, and which part of that they are.

    Args:
        left: What the run has left.
        whole: What is held out as a whole; Korean has one word for all of it.
    """
    english, korean = _source_of_validation(left, whole)
    origin, asked = left.origin("validation"), left.setting("max_eval_samples")
    if origin and origin["hub"] and not origin["cut"] and origin["examples"] != origin["hub"]["records"]:
        used, of = f"{origin['examples']:,}", f"{origin['hub']['records']:,}"
        english, korean = f"{english}, {used} of its {of} records", f"{korean} {of}건 가운데 {used}건"
    if asked:
        count = f"{int(asked):,}"
        english, korean = f"the first {count} of: {english}", f"{korean}의 앞부분 {count}건"
    return english, korean


def _source_of_validation(left: RunRecord, whole: str) -> Pair:
    training, validation = left.setting("train_file"), left.setting("validation_file")
    if validation:
        return f"the file {code(validation)}", f"파일 {code(validation)}"
    if training:
        return (
            f"every eighth {whole} of {code(training)}, which was not trained on",
            f"{code(training)}에서 여덟 건마다 하나씩 떼어 낸 학습에 쓰지 않은 문서",
        )
    cut = (
        f"every eighth {whole} of the set's training split, which was not trained on",
        "데이터의 학습 분할에서 여덟 건마다 하나씩 떼어 낸 학습에 쓰지 않은 문서",
    )
    split = ("the set's validation split", "데이터의 검증 분할")
    origin = left.origin("validation")
    if origin is None and str(left.setting("dataset")).startswith("hub"):
        return f"{split[0]}, or {cut[0]} where it has none", f"{split[1]}(없으면 {cut[1]})"
    return cut if origin and origin["cut"] else split


def interval(row: Mapping, name: str = "f1") -> str:
    """The 95 % interval of a metric in a row."""
    low, high = row[f"{name} interval"]
    return f"{low:.4f} – {high:.4f}"


def error_rows(counts: Mapping[str, int], meanings: Mapping[str, str], right: str) -> list[list[str]]:
    """Rows of a table of outcomes, each with its share of the errors.

    Args:
        counts: Outcome -> how many.
        meanings: Outcome -> what it is.
        right: The outcome that is no error.
    """
    wrong = sum(count for kind, count in counts.items() if kind != right)
    return [
        [kind, meanings.get(kind, ""), f"{count:,}", "" if kind == right or not wrong else f"{count / wrong:.1%}"]
        for kind, count in counts.items()
    ]


def check_same_run(left: RunRecord, name: str, recorded: float) -> None:
    """Raises: ValueError where eval_results.json tells another metric than the record: they are of two runs."""
    stored = left.results.get(name)
    if stored is not None and abs(stored - recorded) > 1e-9:
        title = "F1" if name == "f1" else name.replace("_", " ")
        raise ValueError(
            f"expected training_record.json and eval_results.json of one run, got {title} {recorded:.6f} and "
            f"{stored:.6f}; take both from the same run"
        )


def by_strength(
    rows: Sequence[Mapping], overall: float, name: str, count: str
) -> tuple[list[Mapping], list[Mapping], list[Mapping]]:
    """Groups whose interval lies below the overall metric, weakest first; those with few to count; those with enough.

    Args:
        rows: A row for each group.
        overall: The metric of all.
        name: The metric's name in a row.
        count: The name of what has to be there often enough.

    >>> rows = [{"group": "PS", "gold": 50, "f1": 0.5, "f1 interval": [0.4, 0.6]}, {"group": "LC", "gold": 2}]
    >>> [[row["group"] for row in part] for part in by_strength(rows, 0.7, "f1", "gold")]
    [['PS'], ['LC'], ['PS']]
    """
    judged = [row for row in rows if row[count] >= FEW]
    weak = [row for row in judged if row[f"{name} interval"][1] < overall]
    return sorted(weak, key=lambda row: row[name]), [row for row in rows if 0 < row[count] < FEW], judged


def windows(left: RunRecord, subject: Pair) -> Pair:
    """What reading through windows means.

    Args:
        subject: What may be longer than a window; in Korean what stands before that.
    """
    config = left.config
    return (
        f"{subject[0]} longer than {config['max_length']} subwords is read in windows that overlap by "
        f"{config['stride']}: "
        "the encoder never sees more at once, so what stands further away has hardly any influence.",
        f"{subject[1]}토큰 {config['max_length']}개보다 긴 글은 {config['stride']}개씩 겹치는 창으로 나누어 "
        "읽습니다. 한 "
        "번에 볼 수 있는 범위가 그만큼이므로 더 멀리 있는 문맥은 거의 반영되지 않습니다.",
    )


def plain_rows(pairs: Sequence[tuple[str, float | None]]) -> list[list[str]]:
    """Names and metrics as rows of a table."""
    return [[name, decimal(value)] for name, value in pairs]
