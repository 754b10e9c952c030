"""The card of a writer: a language model that writes the entities out, whole or as an adapter of its base model."""

from typing import Any

from kospan.card.kinds import token_classification
from kospan.card.kinds.token_classification import (  # noqa: F401  (part of what a kind is)
    CLAIM,
    HEADLINE,
    ITEMS,
    PEOPLE,
    TASK_NAME,
    counted,
    examples,
    labels_table,
    measured,
    metric,
    show,
    stands_above,
    weaknesses,
    widget,
)
from kospan.card.phrases import Pair, held_out, quoted  # noqa: F401  (as above)
from kospan.card.run_record import RunRecord

NOUN = "a language model"
PIPELINE, TAG = "text-generation", "named-entity-recognition"
METRICS = token_classification.METRICS | {
    "exact_reply": ("accuracy", "share of replies that are the gold reply, letter by letter", {}),
    "unparsed": ("share", "share of texts with a reply in which nothing of the grammar was found", {}),
    "dropped": ("count", "brackets in replies that were none", {}),
    "unmatched": ("count", "surfaces in replies without a free occurrence in the text", {}),
    "merged_difference": ("difference", "largest difference of a logit by which merging moved the model", {}),
}
UNCALIBRATED = (
    "A span's score is the probability with which the model writes its bracket after what it has written before. It "
    "has not been calibrated: do not read 0.9 as right nine times in ten.",
    "개체의 점수는 모델이 앞에 쓴 내용에 이어 그 괄호를 쓸 확률이며 보정하지 않았습니다. 0.9라고 해서 열 번 중 아홉 "
    "번 맞는다는 뜻은 아닙니다.",
)


def adjusted(task) -> dict[str, int]:
    """Spans that were trimmed, overlapping ones that were dropped, and replies too long to be learnt."""
    return {"trimmed": task.corpus.trimmed, "dropped": task.corpus.dropped, "too_long": task.too_long}


def use_parts(left: RunRecord, path: str) -> dict[str, str | None]:
    """The snippet, by the code that lies beside the weights, and what it prints where the run has stored it."""
    parts = token_classification.use_parts(left, path)
    loading = [
        "from transformers.dynamic_module_utils import get_class_from_dynamic_module",
        "",
        'KospanGenerativeNER = get_class_from_dynamic_module("modeling_generative_ner.KospanGenerativeNER", '
        f"{quoted(path)})",
        f"model = KospanGenerativeNER.from_pretrained({quoted(path)})",
    ]
    lines = parts["usage"].splitlines()
    needs = "torch and transformers are all that is needed."
    if is_adapter(left):
        needs = (
            "torch, transformers and peft are all that is needed; the base model is fetched from where "
            "`adapter_config.json` says\n(`from_pretrained(..., base=FOLDER)` takes it from elsewhere)."
        )
    return parts | {
        "usage": "\n".join([*loading, *lines[3:]]),
        "needs": f"{needs} The first two lines run the Python files beside the weights; read\nthem first if you do "
        "not know who made them.",
        "call": (
            "`extract` takes a string or a list of strings; `span.score` is the probability with which its bracket was "
            "written, and\n`threshold=0.5` leaves out what lies below. Long text is asked about in overlapping "
            "windows; nothing is cut off."
        ),
        "pipeline": None,
        "pipeline_output": None,
    }


def is_adapter(left: RunRecord) -> bool:
    """Whether the weights are an adapter's alone."""
    return left.is_adapter


def summary_parts(left: RunRecord) -> dict[str, str]:
    """As of a tagger; of merged weights it says whose scores they are."""
    parts = token_classification.summary_parts(left)
    moved = left.results.get("merged_difference")
    if moved is not None:
        parts["korean_scores"] += (
            f" 이 점수는 어댑터를 가중치에 합치기 전에 잰 것이며, 합친 모델의 로짓은 그때와 최대 {moved:.1e}만큼 "
            "다릅니다."
        )
    return parts


def score_parts(left: RunRecord) -> dict[str, Any]:
    """As of a tagger; of merged weights it says whose scores they are."""
    parts = token_classification.score_parts(left)
    moved = left.results.get("merged_difference")
    if moved is not None:
        parts["scores_intro"] += (
            " All metrics here were measured with the adapter, before it was merged into the weights; on a few "
            f"sentences the merged model's logits are at most {moved:.1e} away from what they were then."
        )
    return parts


def head_in_words(left: RunRecord) -> str:
    """How spans are written."""
    how = (
        "replies of its grammar alone can be written"
        if left.config["constrained_decoding"]
        else "what it writes is free"
    )
    return f"a prompt whose reply is `[TYPE: surface] ...`, or `[]` where nothing is found; {how}"


def regularised(left: RunRecord) -> dict[str, str]:
    """None of it is in use."""
    return {"rdrop": "", "projection": "", "merged": ""}


def techniques(left: RunRecord) -> list[str]:
    """What the prompt shows."""
    pool, shown = len(left.config["examples"]), left.config.get("shown")
    if shown is not None:
        return [
            f"**Examples in the prompt**: of {pool:,} sentences of the training data, which lie in `kospan.json`, "
            f"the {shown:,} most like the text, with their replies."
        ]
    return [f"**Examples in the prompt**: {pool}, with their replies."] if pool else []


def references(left: RunRecord) -> dict[str, str]:
    """None of its own."""
    return {}


def form(left: RunRecord) -> list[Pair]:
    """Spans are flat, and the n-th time a surface is written it means the n-th place."""
    most = left.config["max_new_tokens"]
    return [
        (
            "Spans never overlap or nest. A surface that is written once means its first occurrence in the text, the "
            "second time its second: which of several equal ones was meant is not told.",
            "찾은 개체는 겹치지 않습니다. 같은 표현이 글에 여러 번 나오면 모델이 쓴 순서대로 앞에서부터 자리를 "
            "정하므로 어느 자리를 뜻했는지는 알 수 없습니다.",
        ),
        (
            f"A reply ends after {most:,} subwords: of a window with more entities than fit the rest is not found.",
            f"답은 토큰 {most:,}개에서 끝나므로, 한 창에 개체가 그보다 많으면 나머지는 찾지 못합니다.",
        ),
        *_date(left),
    ]


def _date(left: RunRecord) -> list[Pair]:
    """The date in every prompt, where the chat template inserts one."""
    date = left.config.get("date")
    if date is None:
        return []
    return [
        (
            f"The chat template inserts the current date into the prompt; here it is always {date}, the date of "
            "training (`kospan.json`), so that results do not depend on the day.",
            "대화 템플릿이 프롬프트에 오늘 날짜를 넣지만, 날짜에 따라 결과가 달라지지 않도록 항상 학습한 날짜 "
            f"{date}(`kospan.json`)를 씁니다.",
        )
    ]
