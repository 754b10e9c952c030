"""What is known about the data sets: language, kind of text, licence, and what their labels mean."""

import re
from typing import NamedTuple


class About(NamedTuple):
    """What a data set says about itself.

    Args:
        title: Its name as people write it.
        korean: The same in Korean; empty where it is no other.
        language: Code of the language, "ko" or "en"; None where it is not known.
        licence: Identifier as the Hub uses it; "other" has terms of its own, "unknown" states none; None where the
            data are somebody's own.
        terms: The terms in words, English and Korean.
        texts: What kind of text it is, English and Korean.
        hub: Its name on the Hub; None where it is not there.
        config: The configuration on the Hub.
        link: Where the terms of an "other" licence stand.
        restricted: Whether its terms forbid what an open licence allows.
        meanings: Label -> what it marks, English and Korean.
    """

    title: str
    korean: str = ""
    language: str | None = None
    licence: str | None = None
    terms: tuple[str, str] = ("", "")
    texts: tuple[str, str] = ("", "")
    hub: str | None = None
    config: str | None = None
    link: str | None = None
    restricted: bool = False
    meanings: dict[str, tuple[str, str]] = {}


_KLUE_LABELS = {
    "PS": ("person", "사람"),
    "LC": ("place", "장소"),
    "OG": ("organisation", "기관"),
    "DT": ("date", "날짜"),
    "TI": ("time", "시간"),
    "QT": ("quantity", "수량"),
}
_CONLL_LABELS = {
    "PER": ("person", "사람"),
    "LOC": ("place", "장소"),
    "ORG": ("organisation", "기관"),
    "MISC": ("other names", "기타 고유명"),
}
_CONLL2003 = About(
    "CoNLL-2003 (English)",
    "CoNLL-2003 (영어)",
    "en",
    "other",
    (
        "restricted: the Reuters text is under an agreement of its own, and the annotation does not free it",
        "제한적 이용(로이터 원문에 별도 계약이 적용됨)",
    ),
    ("newswire of 1996 and 1997", "1996~1997년 영어 뉴스"),
    hub="eriktks/conll2003",
    link="https://www.clips.uantwerpen.be/conll2003/ner/",
    restricted=True,
    meanings=_CONLL_LABELS,
)
_ANSWER = {"answer": ("answer to the question", "질문의 답")}
_BY_ND = ("CC BY-ND 2.0 KR: no derivative may be shared", "CC BY-ND 2.0 KR(변경 금지)")
_BY_ND_LINK = "https://creativecommons.org/licenses/by-nd/2.0/kr/"
_BY_SA = ("CC BY-SA 4.0", "CC BY-SA 4.0")
ABOUT: dict[str, About] = {
    "sample": About(
        "kospan's sample",
        "kospan 예시 데이터",
        "ko",
        "apache-2.0",
        ("Apache-2.0 or CC BY 4.0", "Apache-2.0 또는 CC BY 4.0"),
        ("short sentences written for the purpose", "이 용도로 직접 쓴 짧은 문장"),
        meanings=_KLUE_LABELS,
    ),
    "klue_ner": About(
        "KLUE-NER",
        "KLUE 개체명 인식 데이터(KLUE-NER)",
        "ko",
        "cc-by-sa-4.0",
        ("CC BY-SA 4.0", "CC BY-SA 4.0"),
        ("news articles and film reviews", "뉴스 기사와 영화 평"),
        hub="klue/klue",
        config="ner",
        meanings=_KLUE_LABELS,
    ),
    "conll2003": _CONLL2003,
    "conll2003_documents": _CONLL2003,
    "wnut17": About(
        "WNUT-17 emerging entities",
        "WNUT-17 신규 개체명 데이터",
        "en",
        "cc-by-4.0",
        ("CC BY 4.0", "CC BY 4.0"),
        ("posts and comments from social media", "소셜 미디어의 글과 댓글"),
        hub="leondz/wnut_17",
        meanings={
            "person": ("person", "사람"),
            "location": ("place", "장소"),
            "corporation": ("company", "기업"),
            "group": ("group, such as a band or a team", "밴드·팀 등의 집단"),
            "product": ("product", "제품"),
            "creative-work": ("song, film, book", "노래·영화·책 등의 작품"),
        },
    ),
    "gmb": About(
        "Groningen Meaning Bank (Kaggle form)",
        "Groningen Meaning Bank(Kaggle 배포본)",
        "en",
        "unknown",
        ("not stated by the copy that was read", "사용한 사본에 라이선스가 밝혀져 있지 않음"),
        ("news", "영어 뉴스"),
        restricted=True,
        meanings={
            "geo": ("place", "장소"),
            "gpe": ("country, people", "나라·민족"),
            "per": ("person", "사람"),
            "org": ("organisation", "기관"),
            "tim": ("time", "시간"),
            "art": ("artefact", "인공물"),
            "nat": ("natural phenomenon", "자연 현상"),
            "eve": ("event", "사건"),
        },
    ),
    "kmou": About(
        "KMOU NER corpus",
        "한국해양대 개체명 말뭉치",
        "ko",
        "other",
        ("non-commercial use only (MIT for that)", "비상업적 용도로만 사용 가능"),
        ("Korean sentences of several sources", "여러 출처의 한국어 문장"),
        link="https://github.com/kmounlp/NER",
        restricted=True,
        meanings={
            "PER": ("person", "사람"),
            "LOC": ("place", "장소"),
            "ORG": ("organisation", "기관"),
            "POH": ("other names", "기타 고유명"),
            "DAT": ("date", "날짜"),
            "TIM": ("time", "시각"),
            "DUR": ("duration", "기간"),
            "MNY": ("money", "금액"),
            "PNT": ("percentage", "비율"),
            "NOH": ("other numbers", "기타 수량"),
        },
    ),
    "korquad": About(
        "KorQuAD 1.0",
        "KorQuAD 1.0 한국어 질의응답 데이터",
        "ko",
        "other",
        _BY_ND,
        ("questions about paragraphs of Korean Wikipedia", "한국어 위키백과 문단에 대한 질문"),
        hub="KorQuAD/squad_kor_v1",
        link=_BY_ND_LINK,
        restricted=True,
        meanings=_ANSWER,
    ),
    "korquad2": About(
        "KorQuAD 2.x",
        "KorQuAD 2.x 한국어 웹 문서 질의응답 데이터",
        "ko",
        "other",
        _BY_ND,
        ("questions about whole pages of Korean Wikipedia", "한국어 위키백과 문서 전체에 대한 질문"),
        link=_BY_ND_LINK,
        restricted=True,
        meanings=_ANSWER,
    ),
    "tydiqa_korean": About(
        "TyDi QA (Korean)",
        "TyDi QA 한국어 질의응답 데이터",
        "ko",
        "apache-2.0",
        ("Apache 2.0", "Apache 2.0"),
        ("questions about passages of Korean Wikipedia", "한국어 위키백과 단락에 대한 질문"),
        hub="google-research-datasets/tydiqa",
        meanings=_ANSWER,
    ),
    "squad": About(
        "SQuAD 1.1",
        "SQuAD 1.1 영어 질의응답 데이터",
        "en",
        "cc-by-sa-4.0",
        _BY_SA,
        ("questions about paragraphs of English Wikipedia", "영어 위키백과 문단에 대한 질문"),
        hub="rajpurkar/squad",
        meanings=_ANSWER,
    ),
    "squad_v2": About(
        "SQuAD 2.0",
        "SQuAD 2.0 영어 질의응답 데이터",
        "en",
        "cc-by-sa-4.0",
        _BY_SA,
        (
            "questions about paragraphs of English Wikipedia, some without an answer",
            "영어 위키백과 문단에 대한 질문(답이 없는 질문 포함)",
        ),
        hub="rajpurkar/squad_v2",
        meanings=_ANSWER,
    ),
    "klue_mrc": About(
        "KLUE-MRC",
        "KLUE 기계 독해 데이터(KLUE-MRC)",
        "ko",
        "cc-by-sa-4.0",
        _BY_SA,
        (
            "questions about Wikipedia articles and news, some without an answer",
            "위키백과와 뉴스 기사에 대한 질문(답이 없는 질문 포함)",
        ),
        hub="klue/klue",
        config="mrc",
        meanings=_ANSWER,
    ),
    "klue_ynat": About(
        "KLUE-YNAT",
        "KLUE 뉴스 제목 주제 분류 데이터(KLUE-YNAT)",
        "ko",
        "cc-by-sa-4.0",
        _BY_SA,
        ("headlines of Yonhap News", "연합뉴스 기사 제목"),
        hub="klue/klue",
        config="ynat",
        meanings={
            "IT과학": ("information technology and science", "IT·과학"),
            "경제": ("economy", "경제"),
            "사회": ("society", "사회"),
            "생활문화": ("life and culture", "생활·문화"),
            "세계": ("world", "세계"),
            "스포츠": ("sports", "스포츠"),
            "정치": ("politics", "정치"),
        },
    ),
    "klue_nli": About(
        "KLUE-NLI",
        "KLUE 자연어 추론 데이터(KLUE-NLI)",
        "ko",
        "cc-by-sa-4.0",
        _BY_SA,
        ("pairs of a premise and a hypothesis", "전제와 가설의 쌍"),
        hub="klue/klue",
        config="nli",
        meanings={
            "entailment": ("the hypothesis follows from the premise", "전제에서 가설이 따라 나옴"),
            "neutral": ("the premise leaves it open", "전제만으로는 알 수 없음"),
            "contradiction": ("the premise excludes it", "전제와 모순됨"),
        },
    ),
    "klue_sts": About(
        "KLUE-STS",
        "KLUE 문장 유사도 데이터(KLUE-STS)",
        "ko",
        "cc-by-sa-4.0",
        _BY_SA,
        ("pairs of sentences", "문장의 쌍"),
        hub="klue/klue",
        config="sts",
        meanings={"value": ("how alike the two mean, from 0 to 5", "두 문장의 뜻이 비슷한 정도(0~5)")},
    ),
    "korsts": About(
        "KorSTS",
        "KorSTS 문장 유사도 데이터",
        "ko",
        "cc-by-sa-4.0",
        _BY_SA,
        ("pairs of sentences, translated from English", "영어에서 번역한 문장의 쌍"),
        link="https://github.com/kakaobrain/KorNLUDatasets",
        meanings={"value": ("how alike the two mean, from 0 to 5", "두 문장의 뜻이 비슷한 정도(0~5)")},
    ),
    "korean_hate_speech": About(
        "Korean hate speech (kocohub/korean-hate-speech)",
        "한국어 혐오 표현 데이터(kocohub/korean-hate-speech)",
        "ko",
        "cc-by-sa-4.0",
        _BY_SA,
        ("comments on entertainment news, many of them offensive", "연예 뉴스 댓글(모욕적인 표현이 많음)"),
        link="https://github.com/kocohub/korean-hate-speech",
        meanings={
            "none": ("neither", "해당 없음"),
            "offensive": ("offensive, but no hate speech", "혐오 표현은 아니지만 모욕적임"),
            "hate": ("hate speech", "혐오 표현"),
        },
    ),
    "ko_fake_news": About(
        "Korean fake news (2alive3s/Fake_news)",
        "한국어 가짜 뉴스 데이터(2alive3s/Fake_news)",
        "ko",
        "unknown",
        ("not stated by the repository", "저장소에 라이선스가 밝혀져 있지 않음"),
        (
            "news articles with their titles, some of them altered, so that some of what they say is false",
            "제목이 있는 뉴스 기사(일부는 고쳐 써서 사실과 다른 내용이 있음)",
        ),
        link="https://github.com/2alive3s/Fake_news",
        restricted=True,
        meanings={
            "0": ("not stated by the source", "출처에 밝혀져 있지 않음"),
            "1": ("not stated by the source", "출처에 밝혀져 있지 않음"),
        },
    ),
}
_OWN = {name: About("own data", "직접 마련한 데이터") for name in ("jsonl", "conll", "conll_iob1", "labelled")}
_HUB_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)?")


def about(dataset: str, on_hub: bool = False) -> About:
    """What is known about a data set; of somebody's own data nothing is guessed.

    Args:
        dataset: As `kospan.data.registry.reader_for` takes it.
        on_hub: `hub:NAME` is a name on the Hub and not a folder.

    >>> about("klue_ner").licence, about("jsonl").licence, about("hub:user/set:ner", on_hub=True).hub
    ('cc-by-sa-4.0', None, 'user/set')
    """
    if dataset in ABOUT:
        return ABOUT[dataset]
    if dataset in _OWN:
        return _OWN[dataset]
    _, _, name = dataset.partition(":")
    name, _, config = name.partition(":")
    if on_hub and _HUB_NAME.fullmatch(name):
        return About(name, hub=name, config=config or None)
    return About("own data", "직접 마련한 데이터")
