"""The card of a reader: which questions it answers from what, and how it is called."""

from collections.abc import Sequence

from kospan.card.kinds.question_answering_limits import form, weaknesses  # noqa: F401  (part of what a kind is)
from kospan.card.kinds.question_answering_scores import (  # noqa: F401  (as above)
    HEADLINE,
    METRICS,
    RULES,
    counted,
    held_out,
    measured,
    metric,
    rules_in_use,
    score_parts,
    stands_above,
)
from kospan.card.phrases import quoted, texts_in
from kospan.card.run_record import RunRecord
from kospan.card.sentences import QUESTIONS
from kospan.modeling.spans import Span

NOUN = "an encoder"
PIPELINE, TASK_NAME, TAG = "question-answering", "extractive question answering", "extractive-question-answering"
ITEMS, CLAIM = "questions", "answer"
TOP = 3  # So many answers to a question are shown.
UNCALIBRATED = (
    "An answer's score is its probability among all stretches of the text. It has not been calibrated: do not read "
    "0.9 as right nine times in ten.",
    "답의 점수는 글의 모든 구간 가운데 그 답일 확률이며 보정하지 않았습니다. 0.9라고 해서 열 번 중 아홉 번 맞는다는 "
    "뜻은 아닙니다.",
)
PEOPLE = (
    "It repeats what the text says and knows nothing else: from a text that is wrong or biased it takes a wrong or "
    "biased answer. How its errors differ between groups of people was not examined. Do not decide about people by "
    "it alone.",
    "글에 적힌 말을 그대로 찾아 줄 뿐 다른 지식은 없으므로, 글이 틀렸거나 치우쳐 있으면 답도 그렇습니다. 사람 집단에 "
    "따라 오류가 어떻게 다른지는 살펴보지 않았으니, 이 모델만으로 사람에 관한 결정을 내리지 마세요.",
)
SOURCES = {
    "korquad": "Seungyoung Lim, Myungji Kim, Jooyoul Lee. KorQuAD1.0: Korean QA Dataset for Machine Reading "
    "Comprehension. 2019. arXiv:1909.07005.",
    "korquad2": "Youngmin Kim, Seungyoung Lim, Hyunjeong Lee, Soyoon Park, Myungji Kim. KorQuAD 2.0: Korean QA Dataset "
    "for Web Document Machine Comprehension. Journal of KIISE 47(6), 2020.",
    "squad": "Pranav Rajpurkar, Jian Zhang, Konstantin Lopyrev, Percy Liang. SQuAD: 100,000+ Questions for Machine "
    "Comprehension of Text. EMNLP 2016. arXiv:1606.05250.",
    "squad_v2": "Pranav Rajpurkar, Robin Jia, Percy Liang. Know What You Don't Know: Unanswerable Questions for SQuAD. "
    "ACL 2018. arXiv:1806.03822.",
    "klue_mrc": "Sungjoon Park et al. KLUE: Korean Language Understanding Evaluation. NeurIPS Datasets and Benchmarks "
    "2021. arXiv:2105.09680.",
}
ENDS = (
    "Jacob Devlin, Ming-Wei Chang, Kenton Lee, Kristina Toutanova. BERT: Pre-training of Deep Bidirectional "
    "Transformers for Language Understanding. NAACL 2019. arXiv:1810.04805."
)
MATCHES = (
    "Danqi Chen, Adam Fisch, Jason Weston, Antoine Bordes. Reading Wikipedia to Answer Open-Domain Questions. ACL "
    "2017. arXiv:1704.00051."
)


def examples(dataset: str, language: str) -> list[dict[str, str]]:
    """Two questions with their texts; no set's own, as their licences differ."""
    return [{"question": question, "text": text} for question, text in QUESTIONS[language]]


def widget(dataset: str, language: str) -> list[dict[str, str]]:
    """The same; the widget calls the question "text"."""
    return [{"text": question, "context": text} for question, text in QUESTIONS[language]]


def show(model, items: Sequence[dict]) -> list[list[Span]]:
    """The best answers to each question; "no answer" is a span from 0 to 0."""
    return model.answer([item["question"] for item in items], [item["text"] for item in items], top_k=TOP)


def adjusted(task) -> dict[str, int]:
    """Answers that were widened to whole units, those that were trimmed, and those that stand whole in no window."""
    return {
        "widened": task.misaligned,
        "trimmed": task.corpus.trimmed,
        "dropped": task.corpus.dropped,
        "unheld": task.unheld,
    }


def summary_parts(left: RunRecord) -> dict[str, str]:
    """The first sentence, and the same in Korean with the scores."""
    texts, korean_texts = texts_in(left)
    null = left.config.get("allow_no_answer")
    held = held_out(left)[1]
    found = {
        "summary": (
            f"This model answers questions about {texts}: given a question and a text, it finds the stretch of the "
            "text that answers the question, with its exact character offsets and its probability."
            + (" It can also say that the text holds no answer." if null else "")
        ),
        "korean_summary": (
            f"질문과 {korean_texts}을 함께 주면 글에서 답을 찾아, 글자 단위의 정확한 위치와 확률을 함께 알려 주는 "
            f"모델입니다.{' 글에 답이 없다고 판단할 수도 있습니다.' if null else ''}"
        ),
        "korean_scores": f"검증 데이터({held})의 점수는 아래 [Scores](#scores)에 있습니다.",
        "korean_found": "답입니다",
    }
    if left.record is not None:
        record = left.record["evaluation"]
        row, plainly = record["overall"], record["baseline"]
        low, high = row["exact_match interval"]
        found["korean_scores"] = (
            f"검증 데이터({held})의 질문 {row['questions']:,}개에서 **정답과 정확히 일치한 비율(EM)은 "
            f"{row['exact_match']:.4f}**(95% 신뢰구간 {low:.4f}–{high:.4f}), **F1은 {row['f1']:.4f}**(95% 신뢰구간 "
            f"{row['f1 interval'][0]:.4f}–{row['f1 interval'][1]:.4f})입니다. 가장 확률이 높은 답을 "
            f"{RULES[rules_in_use(left)].title} 공식 규칙으로 채점했습니다. 학습 없이 질문의 낱말이 몰려 있는 곳에서 "
            f"가장 가까운 낱말을 고르기만 하면 EM은 {plainly['exact_match']:.4f}, F1은 {plainly['f1']:.4f}입니다."
        )
    return found


def labels_table(left: RunRecord) -> None:
    """Every span is an answer."""
    return None


def use_parts(left: RunRecord, path: str) -> dict[str, str | None]:
    """The snippets, and what they print where the run has stored it."""
    stored = left.record["examples"] if left.record is not None else []
    asked = stored or examples(left.setting("dataset"), left.language or "ko")
    null = ' or "(no answer)"' if left.config.get("allow_no_answer") else ""
    printed = [
        f"{each['text'][start:end] or '(no answer)'} {start} {end} {score:.2f}"
        for each in stored
        for start, end, _, score in each["spans"]
    ]
    usage = [
        "from transformers import AutoModel",
        "",
        f"model = AutoModel.from_pretrained({quoted(path)}, trust_remote_code=True)",
        "questions = [",
        *(f"    {quoted(each['question'])}," for each in asked),
        "]",
        "texts = [",
        *(f"    {quoted(each['text'])}," for each in asked),
        "]",
        f"for text, answers in zip(texts, model.answer(questions, texts, top_k={TOP})):",
        "    for span in answers:",
        f'        print(text[span.start : span.end]{null}, span.start, span.end, f"{{span.score:.2f}}")',
    ]
    last = asked[-1]
    pipeline = [
        "from transformers import pipeline",
        "",
        f'pipe = pipeline("{PIPELINE}", model={quoted(path)}, trust_remote_code=True)',
        "found = pipe(",
        f"    question={quoted(last['question'])},",
        f"    context={quoted(last['text'])},",
        ")",
        'print(found["answer"], found["start"], found["end"])',
    ]
    threshold = left.config.get("threshold")
    unsure = (
        f" Answers with a probability below {threshold:g} are left out; `threshold=0` shows them." if threshold else ""
    )
    output = None
    if stored:
        # Where nothing is sure enough, the pipeline gives an empty answer from 0 to 0.
        start, end = (last["spans"] or [[0, 0]])[0][:2]
        output = f"{last['text'][start:end]} {start} {end}"
    return {
        "usage": "\n".join(usage),
        "usage_output": "\n".join(printed) or None,
        "printed": (
            "What is printed is what this model finds there, right or wrong, best first; question and text were "
            f"written without looking at it.{unsure}"
        ),
        "call": (
            "`answer` takes a question and its text, or a list of questions with a list of texts (or one text for "
            "all). `span.score`\nis the probability of the answer among all stretches of the text; answers of one "
            "question do not overlap, `top_k=1` gives\nthe best one alone, and `threshold=0.5` leaves out what lies "
            "below. Long text is read through\noverlapping windows; nothing of it is cut off."
        ),
        "same": (
            "The pipeline gives the best answer in the form that transformers 4 had for it; transformers 5 has none "
            "of its own:"
        ),
        "pipeline": "\n".join(pipeline),
        "pipeline_output": output,
    }


def head_in_words(left: RunRecord) -> str:
    """Two scores per unit, and the softmax over answers."""
    return (
        f"a start and an end score per {left.config['unit']}; an answer's probability is its share in one softmax "
        "over all answers of all windows of a text"
    )


def regularised(left: RunRecord) -> dict[str, str]:
    """What R-Drop and multi-sample dropout work on."""
    return {
        "rdrop": "the distributions of starts and of ends in each window",
        "projection": "start and end scores",
        "merged": "one loss on the mean of their scores",
    }


def techniques(left: RunRecord) -> list[str]:
    """What the model is told of the question."""
    if not left.config.get("exact_match_feature"):
        return []
    return [
        f"**Match feature**: an embedding tells the model of each {left.config['unit']} of the text how long a "
        "stretch around it stands in the question too."
    ]


def references(left: RunRecord) -> dict[str, str]:
    """The rules of the scores, the head and the match feature."""
    rules = rules_in_use(left)
    found = {RULES[rules].title: SOURCES[rules], "start and end scores over windows": ENDS}
    return found | ({"match feature": MATCHES} if left.config.get("exact_match_feature") else {})
