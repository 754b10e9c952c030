"""The card of a classifier: which classes, or what value, it gives to texts, and how it is called."""

from collections.abc import Sequence

from kospan.card.kinds.text_classification_scores import (  # noqa: F401  (part of what a kind is)
    HEADLINE,
    METRICS,
    classes_of,
    counted,
    gives_values,
    held_out,
    measured,
    metric,
    score_parts,
    stands_above,
    weaknesses,
)
from kospan.card.markdown import code, listed, plain, table
from kospan.card.phrases import Pair, quoted, texts_in, windows
from kospan.card.run_record import RunRecord
from kospan.card.sentences import PAIRS
from kospan.modeling.spans import Span

NOUN = "an encoder"
PIPELINE, TASK_NAME, TAG = "text-classification", "text classification", "text-classification"
ITEMS, CLAIM = "texts", "class"
# So many classes are named in the first sentence.
NAMED = 8
UNCALIBRATED = (
    "The scores have not been calibrated: do not read a probability of 0.9 as right nine times in ten.",
    "점수는 보정하지 않았습니다. 확률이 0.9라고 해서 열 번 중 아홉 번 맞는다는 뜻은 아닙니다.",
)
PEOPLE = (
    "It repeats what the labels of its training data say, with their mistakes and biases; every text gets one of its "
    "classes, also one that is of none. How its errors differ between groups of people was not examined. Do not "
    "decide about people, or about what is true, by it alone.",
    "학습 데이터의 라벨을 따르므로 그 오류와 치우침도 그대로 이어받으며, 어느 분류에도 들지 않는 글에도 분류 하나를 "
    "붙입니다. 사람 집단에 따라 오류가 어떻게 다른지는 살펴보지 않았으니, 이 모델만으로 사람이나 사실 여부에 관한 "
    "결정을 내리지 마세요.",
)
KLUE = (
    "Sungjoon Park et al. KLUE: Korean Language Understanding Evaluation. NeurIPS Datasets and Benchmarks 2021. "
    "arXiv:2105.09680."
)


def examples(dataset: str, language: str) -> list[dict[str, str]]:
    """Two texts, each with a second one that is read with it where the model reads pairs."""
    return [{"text": text, "text_pair": pair} for text, pair in PAIRS[language]]


def widget(dataset: str, language: str) -> list[dict[str, str]]:
    """The texts alone: the widget knows no pairs."""
    return [{"text": text} for text, _ in PAIRS[language]]


def show(model, items: Sequence[dict]) -> list[list[Span]]:
    """The class or value of each text."""
    pairs = [item["text_pair"] for item in items] if model.config.pairs else None
    return [[span] for span in model.classify([item["text"] for item in items], pairs)]


def adjusted(task) -> dict[str, int]:
    """Nothing has to be changed."""
    return {"dropped": task.corpus.dropped}


def summary_parts(left: RunRecord) -> dict[str, str]:
    """The first sentence, and the same in Korean with the scores."""
    about, labels = left.about, classes_of(left)
    texts, korean_texts = texts_in(left)
    pairs = left.config["pairs"]
    what = f"pairs of {texts}s" if pairs else texts
    korean_what = f"{korean_texts} 두 편의 쌍" if pairs else korean_texts
    held = held_out(left)[1]
    if gives_values(left):
        meaning = about.meanings.get(labels[0], ("", ""))
        found = {
            "summary": f"This model gives {what} a real value{f' ({plain(meaning[0])})' if meaning[0] else ''}.",
            "korean_summary": (
                f"{korean_what}에 실숫값{f'({plain(meaning[1])})' if meaning[1] else ''}을 매기는 모델입니다."
            ),
            "korean_found": "입력한 글 전체이고, `span.score`가 모델이 매긴 값입니다",
        }
    else:
        more = len(labels) - NAMED
        kinds = listed([code(label) for label in labels])
        if more > 0:
            kinds = f"{', '.join(code(label) for label in labels[:NAMED])} and {more} more"
        korean_kinds = ", ".join(code(label) for label in labels[:NAMED]) + (" 등" if more > 0 else "")
        found = {
            "summary": f"This model sorts {what} into {len(labels)} classes ({kinds}), with the probability of each.",
            "korean_summary": (
                f"{korean_what}을 {len(labels)}가지({korean_kinds})로 분류하고 그 확률을 함께 알려 주는 모델입니다."
            ),
            "korean_found": "입력한 글 전체이고, `span.label`이 분류, `span.score`가 그 확률입니다",
        }
    found["korean_scores"] = f"검증 데이터({held})의 점수는 아래 [Scores](#scores)에 있습니다."
    if left.record is not None:
        found["korean_scores"] = _korean_scores(left, held)
    return found


def _korean_scores(left: RunRecord, held: str) -> str:
    record = left.record["evaluation"]
    row, plainly = record["overall"], record["baseline"]

    def with_interval(name: str) -> str:
        low, high = row[f"{name} interval"]
        return f"{row[name]:.4f}**(95% 신뢰구간 {low:.4f}–{high:.4f})"

    if gives_values(left):
        alike = f", 3점을 기준으로 한 F1은 {row['klue_sts_f1']:.4f}" if "klue_sts_f1" in row else ""
        return (
            f"검증 데이터({held}) {record['documents']:,}건에서 **피어슨 상관은 {with_interval('pearson')}, 스피어만 "
            f"상관은 {row['spearman']:.4f}, 평균 절대 오차는 {row['mae']:.4f}{alike}입니다. 학습 데이터의 평균값만 "
            f"답하면 평균 절대 오차는 {plainly['mae']:.4f}입니다."
        )
    return (
        f"검증 데이터({held}) {record['documents']:,}건에서 **정확도는 {with_interval('accuracy')}, **분류별 F1의 "
        f"평균(macro F1)은 {with_interval('macro_f1')}입니다. 가장 흔한 분류로만 답하면 정확도는 "
        f"{plainly['accuracy']:.4f}, macro F1은 {plainly['macro_f1']:.4f}입니다."
    )


def labels_table(left: RunRecord) -> str | None:
    """The classes, what they mean where that is known, and how many there are; nothing of a value."""
    if gives_values(left):
        return None
    labels, known = classes_of(left), left.about.meanings
    counts = left.record["evaluation"]["labels"] if left.record is not None else None
    meanings = any(label in known for label in labels)
    header = ["label", *(["meaning", "뜻"] if meanings else [])]
    rows = []
    for label in labels:
        row = [code(label), *(map(plain, known.get(label, ("", ""))) if meanings else ())]
        if counts is not None:
            row += [f"{counts[label][split]:,}" for split in ("training", "validation")]
        rows.append(row)
    return table([*header, *(["texts in training", "in validation"] if counts is not None else [])], rows, len(header))


def use_parts(left: RunRecord, path: str) -> dict[str, str | None]:
    """The snippets, and what they print where the run has stored it."""
    stored = left.record["examples"] if left.record is not None else []
    asked = stored or examples(left.setting("dataset"), left.language or "ko")
    pairs = left.config["pairs"]
    usage = [
        "from transformers import AutoModel",
        "",
        f"model = AutoModel.from_pretrained({quoted(path)}, trust_remote_code=True)",
        "texts = [",
        *(f"    {quoted(each['text'])}," for each in asked),
        "]",
    ]
    if pairs:
        usage += ["text_pairs = [", *(f"    {quoted(each['text_pair'])}," for each in asked), "]"]
    usage += [
        f"for span in model.classify(texts{', text_pairs' if pairs else ''}):",
        '    print(span.label, f"{span.score:.2f}")',
    ]
    last = asked[-1]
    given = (
        ["pipe(", f'    {{"text": {quoted(last["text"])}, "text_pair": {quoted(last["text_pair"])}}}', ")"]
        if pairs
        else [f"pipe({quoted(last['text'])})[0]"]
    )
    pipeline = [
        "from transformers import pipeline",
        "",
        f'pipe = pipeline("{PIPELINE}", model={quoted(path)}, trust_remote_code=True)',
        f"found = {given[0]}",
        *given[1:],
        'print(found["label"], f"{found[\'score\']:.2f}")',
    ]
    printed = [f"{label} {score:.2f}" for each in stored for _, _, label, score in each["spans"]]
    score = "is its value" if gives_values(left) else "is its probability"
    return {
        "usage": "\n".join(usage),
        "usage_output": "\n".join(printed) or None,
        "printed": "What is printed is what this model says there, right or wrong; the texts were chosen without it.",
        "call": (
            f"`classify` takes a text or a list of texts{', and the second text of each pair' if pairs else ''}, and "
            f"gives a span over each whole text; `span.score`\n{score}. {_long_text(left)}"
        ),
        "same": "The pipeline of transformers gives the same in its usual form; `top_k=None` gives all classes:",
        "pipeline": "\n".join(pipeline),
        "pipeline_output": printed[-1] if printed else None,
    }


def _long_text(left: RunRecord) -> str:
    """How a text is read that does not fit into one window."""
    if not left.config["pairs"]:
        return (
            "Long text is read through overlapping windows, whose logits are averaged, weighted by their subwords;\n"
            "nothing is cut off."
        )
    windowed = left.config["windowed_field"]
    fixed = "text_pair" if windowed == "text" else "text"
    return (
        f"The order is that of `tokenizer(text, text_pair)`. Windows run over a long `{windowed}`;\neach holds the "
        f"`{fixed}` in full, and one that leaves no room is an error. The windows' logits are averaged, weighted by "
        "their subwords."
    )


def head_in_words(left: RunRecord) -> str:
    """What is projected to what."""
    state = {"cls": "the first position's state", "mean": "the mean of all positions' states"}[left.config["pooling"]]
    onto = "one value" if gives_values(left) else f"{len(classes_of(left))} classes"
    return f"a linear layer from {state} to {onto}"


def regularised(left: RunRecord) -> dict[str, str]:
    """What R-Drop and multi-sample dropout work on."""
    return {
        "rdrop": "the two class distributions"
        if not gives_values(left)
        else "the two values (their squared difference)",
        "projection": "scores",
        "merged": "one loss on the mean of their scores",
    }


def techniques(left: RunRecord) -> list[str]:
    """None that only this kind knows."""
    return []


def references(left: RunRecord) -> dict[str, str]:
    """The benchmark of the data."""
    return {"KLUE": KLUE} if str(left.setting("dataset")).startswith("klue_") else {}


def form(left: RunRecord) -> list[Pair]:
    """One label for a text, and windows."""
    found = []
    if not gives_values(left):
        found.append(
            (
                "Every text gets exactly one of the classes it was trained on; texts of several classes or of none "
                "are not told apart.",
                "모든 글에 학습한 분류 가운데 하나만 붙입니다. 여러 분류에 들거나 어디에도 들지 않는 글은 구별하지 "
                "못합니다.",
            )
        )
    subject = ("A pair of texts that is", "두 글을 합쳐 ") if left.config["pairs"] else ("Text", "")
    return [*found, windows(left, subject)]
