"""The card of a tagger: which types of entities it finds, and how it is called."""

from collections.abc import Sequence

from kospan.card.kinds.token_classification_scores import (  # noqa: F401  (part of what a kind is)
    HEADLINE,
    METRICS,
    counted,
    metric,
    score_parts,
    stands_above,
    weaknesses,
)
from kospan.card.markdown import code, listed, plain, table
from kospan.card.phrases import Pair, held_out, quoted, texts_in, windows
from kospan.card.run_record import RunRecord
from kospan.card.sentences import sentences
from kospan.modeling.spans import Span

NOUN = "an encoder"
PIPELINE, TASK_NAME, TAG = "token-classification", "span extraction", "named-entity-recognition"
ITEMS, CLAIM = "texts", "span"
NAMED = 6  # So many types stand in a card's first sentence at most.
UNCALIBRATED = (
    "A span's score is its probability under the model. It has not been calibrated: do not read 0.9 as right nine "
    "times in ten.",
    "개체의 점수는 모델이 매긴 확률이며 보정하지 않았습니다. 0.9라고 해서 열 번 중 아홉 번 맞는다는 뜻은 아닙니다.",
)
PEOPLE = (
    "Names that are frequent in the training data are found more reliably than rare, foreign or new ones. How this "
    "differs between groups of people was not examined. Do not decide about people by it alone.",
    "학습 데이터에 자주 나온 이름은 드물거나 낯선 이름, 새로 생긴 이름보다 잘 찾습니다. 사람 집단에 따라 어떻게 "
    "다른지는 살펴보지 않았으니, 이 모델만으로 사람에 관한 결정을 내리지 마세요.",
)
CRF = (
    "John Lafferty, Andrew McCallum, Fernando Pereira. Conditional Random Fields: Probabilistic Models for "
    "Segmenting and Labeling Sequence Data. ICML 2001."
)
POSITIONAL = (
    "Mo Sun, Siheng Xiong, Yuankai Cai, Bowen Zuo. Positional Attention for Efficient BERT-Based Named Entity "
    "Recognition. arXiv 2505.01868, 2025."
)
# How a word model reads its input.
RAW_TEXT = (
    "A string is raw text: brackets, quotation marks, punctuation at a word's edges and endings such as `'s` are words "
    "of their own; abbreviations such as `U.S.` and numbers such as `3.5` stay whole. A list of words is not split: "
    '`model.extract([["Seoul", "."]])`, with offsets into the words joined by spaces.',
    "문자열은 원문 텍스트로 읽습니다. 괄호, 따옴표, 단어 앞뒤의 문장 부호와 `'s` 같은 어미는 별도의 단어로 나누고, "
    "`U.S.` 같은 약어와 `3.5` 같은 숫자는 나누지 않습니다. 단어의 리스트는 나누지 않으며"
    '(`model.extract([["Seoul", "."]])`), 오프셋은 단어를 공백으로 이은 텍스트를 기준으로 합니다.',
)


def measured(left: RunRecord) -> dict[str, str]:
    """The unit that tags stand on."""
    return {"unit": left.config["unit"]}


def examples(dataset: str, language: str) -> list[dict[str, str]]:
    """Two sentences."""
    return [{"text": text} for text in sentences(dataset, language)]


widget = examples


def show(model, items: Sequence[dict]) -> list[list[Span]]:
    """The entities of each text."""
    return model.extract([item["text"] for item in items])


def adjusted(task) -> dict[str, int]:
    """Spans that were widened to whole units, trimmed, and overlapping ones that were dropped."""
    return {"widened": task.misaligned, "trimmed": task.corpus.trimmed, "dropped": task.corpus.dropped}


def summary_parts(left: RunRecord) -> dict[str, str]:
    """The first sentence, and the same in Korean with the scores."""
    about, labels = left.about, left.labels
    english = [plain(about.meanings[label][0] if label in about.meanings else label) for label in labels]
    korean = [plain(about.meanings[label][1] if label in about.meanings else label) for label in labels]
    more = len(labels) - NAMED
    kinds = listed(english) if more <= 0 else f"{', '.join(english[:NAMED])} and {more} more"
    korean_kinds = ", ".join(korean[:NAMED]) + (" 등" if more > 0 else "")
    texts, korean_texts = texts_in(left)
    count = f"{len(labels)} type{'s' if len(labels) > 1 else ''}"
    held = held_out(left)[1]
    found = {
        "summary": (
            f"This model finds {count} of named entities in {texts} ({kinds}), and gives each with its exact "
            "character offsets and its probability."
        ),
        "korean_summary": (
            f"{korean_texts}에서 개체명 {len(labels)}종({korean_kinds})을 찾아 글자 단위의 정확한 위치와 확률을 함께 "
            "알려 주는 모델입니다."
        ),
        "korean_scores": f"검증 데이터({held})의 점수는 아래 [Scores](#scores)에 있습니다.",
        "korean_found": "찾은 표현입니다",
    }
    if left.record is not None:
        record = left.record["evaluation"]
        row, plainly = record["overall"], record["baseline"]["overall"]
        low, high = row["f1 interval"]
        found["korean_scores"] = (
            f"검증 데이터({held}) {record['documents']:,}건(정답 개체 {row['gold']:,}개)에서 정밀도는 "
            f"{row['precision']:.4f}, 재현율은 {row['recall']:.4f}, **F1은 {row['f1']:.4f}**(95% 신뢰구간 {low:.4f}–"
            f"{high:.4f})입니다. 위치와 종류가 모두 정확히 맞은 개체만 정답으로 세고, 모든 종류를 합산(micro)한 "
            f"값입니다. 학습 데이터의 개체를 외운 사전과 간단한 규칙만으로는 F1이 {plainly['f1']:.4f}입니다."
        )
    return found


def labels_table(left: RunRecord) -> str:
    """The types, what they mean where that is known, and how many there are."""
    counts = left.record["evaluation"]["labels"] if left.record is not None else None
    known = left.about.meanings
    meanings = any(label in known for label in left.labels)
    header = ["label", *(["meaning", "뜻"] if meanings else [])]
    rows = []
    for label in left.labels:
        row = [code(label), *(map(plain, known.get(label, ("", ""))) if meanings else ())]
        if counts is not None:
            row += [f"{counts[label][split]:,}" for split in ("training", "validation")]
        rows.append(row)
    return table([*header, *(["spans in training", "in validation"] if counts is not None else [])], rows, len(header))


def use_parts(left: RunRecord, path: str) -> dict[str, str | None]:
    """The snippets, and what they print where the run has stored it."""
    stored = left.record["examples"] if left.record is not None else []
    texts = [each["text"] for each in stored] or sentences(left.setting("dataset"), left.language or "ko")
    printed = [
        [f"{each['text'][start:end]} {label} {start} {end}" for start, end, label, _ in each["spans"]]
        for each in stored
    ]
    usage = [
        "from transformers import AutoModel",
        "",
        f"model = AutoModel.from_pretrained({quoted(path)}, trust_remote_code=True)",
        "texts = [",
        *(f"    {quoted(text)}," for text in texts),
        "]",
        "for text, spans in zip(texts, model.extract(texts)):",
        "    for span in spans:",
        "        print(text[span.start : span.end], span.label, span.start, span.end)",
    ]
    pipeline = [
        "from transformers import pipeline",
        "",
        f'pipe = pipeline("{PIPELINE}", model={quoted(path)}, trust_remote_code=True)',
        f"for entity in pipe({quoted(texts[-1])}):",
        '    print(entity["word"], entity["entity_group"], entity["start"], entity["end"])',
    ]
    return {
        "usage": "\n".join(usage),
        "usage_output": "\n".join(line for lines in printed for line in lines) or None,
        "printed": (
            "What is printed is what this model finds there, right or wrong; the sentences were chosen without "
            "looking at it."
        ),
        "call": (
            "`extract` takes a string or a list of strings; `span.score` is the probability of the span under the "
            "model, and\n`threshold=0.5` leaves out what lies below. Long text is read through overlapping windows; "
            "nothing is cut off."
        ),
        "same": "The pipeline of transformers gives the same spans in its usual form:",
        "pipeline": "\n".join(pipeline),
        "pipeline_output": ("\n".join(printed[-1]) if printed else "") or None,
    }


def head_in_words(left: RunRecord) -> str:
    """The head and its tags."""
    config = left.config
    words = {"crf": "a linear-chain CRF", "linear": "a linear layer over tags"}
    if config["head"] == "positional":
        head = f"attention by position behind learned gates, and {words[decoder_of(config)]}"
    else:
        head = words.get(config["head"], config["head"])
    return f"{head} over {config['scheme']} tags, one tag per {config['unit']}"


def decoder_of(config: dict) -> str:
    """What decodes, for a head that leaves the choice."""
    own = (config.get("head_options") or {}).get("decoder", "linear")
    return own if config["head"] == "positional" else config["head"]


def regularised(left: RunRecord) -> dict[str, str]:
    """What R-Drop and multi-sample dropout work on."""
    return {
        "rdrop": {
            "token": "the tag distributions of each unit",
            "marginal": "the CRF's marginals of each unit",
            "sequence": "the two chains over whole tag sequences (exact)",
        }[left.setting("rdrop_level")],
        "projection": "tags",
        "merged": {"mean_logits": "one loss on the mean of their scores", "mean_loss": "the mean of their losses"}[
            left.setting("dropout_merge")
        ],
    }


def techniques(left: RunRecord) -> list[str]:
    """Bans on tags that cannot follow each other, and gold labels that had no business there."""
    found = []
    if left.setting("constrain") == "both":
        found.append("**Constrained training**: tag transitions that no span has are banned in the likelihood too.")
    if (left.config.get("head_options") or {}).get("oracle"):
        found.append("**Leakage on purpose**: gold labels acted as gates in training, which no use of the model has.")
    return found


def references(left: RunRecord) -> dict[str, str]:
    """The CRF, and the paper that gates and attention by position are after."""
    found = {"CRF": CRF} if decoder_of(left.config) == "crf" else {}
    return found | ({"positional attention": POSITIONAL} if left.config["head"] == "positional" else {})


def form(left: RunRecord) -> list[Pair]:
    """Spans are flat, and read through windows."""
    unit = {"character": ("character", "글자"), "word": ("word", "어절")}[left.config["unit"]]
    splits = left.config["unit"] == "word" and left.config.get("word_splitting") == "punctuation"
    return [
        (
            f"Spans never overlap or nest, and begin and end at a {unit[0]}'s edge.",
            f"찾은 개체는 겹치거나 포함 관계에 놓이지 않으며, {unit[1]} 경계에서 시작하고 끝납니다.",
        ),
        *([RAW_TEXT] if splits else []),
        windows(left, ("Text", "")),
    ]
