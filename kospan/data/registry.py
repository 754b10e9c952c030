"""The data sets by name: a new one is a reader and an entry of `DATASETS`."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from importlib.resources import as_file, files

from kospan.data.columns import read_conll, read_conll_documents, read_conll_iob1, read_klue_file
from kospan.data.gmb import read_gmb
from kospan.data.hub import read_hub
from kospan.data.jsonl import jsonl_items
from kospan.data.kmou import read_kmou
from kospan.data.korean_texts import read_ko_fake_news, read_korean_hate_speech, read_korsts
from kospan.data.korquad2 import read_korquad2
from kospan.data.labelled import labelled_items
from kospan.data.records import DEFAULTS, FORMAT_OPTIONS, STRICT, Item, RawDataset, ReadOptions, ReadSession
from kospan.data.squad import read_squad
from kospan.data.tydiqa import korean_splits, read_tydiqa

Texts = tuple[str, str]  # English and Korean


@dataclass(frozen=True)
class DatasetSpec:
    """Reader and facts of a data set. At least one of `read_file` and `read_set` is set.

    Args:
        unit: Unit that carries a tag in the source: "character" or "word".
        read_file: Function from a path to the items of that file, in their order.
        read_set: Function that reads the whole data set, for sets that need no file from the user.
        options: Names of `FORMAT_OPTIONS` that apply.
        title: Name of the data set.
        korean: Name in Korean; empty if it is the same.
        texts: Kind of text, in English and Korean.
        language: Language code, "ko" or "en"; None if unknown.
        licence: Identifier as the Hub uses it; "other" for terms of its own, "unknown" if none is stated, None for the
            user's own data.
        terms: The terms in words, in English and Korean; empty if `licence` says it all.
        link: Page of the terms of an "other" licence.
        restricted: Whether the terms forbid what an open licence allows.
        hub: Name on the Hub; None if it is not there.
        config: Configuration on the Hub.
        meanings: Label -> its meaning, in English and Korean.
        format_tested: Whether the reader has been tested on the format alone, because no file was at hand.
    """

    unit: str
    read_file: Callable[[str, ReadSession], Iterable[Item]] | None = None
    read_set: Callable[[ReadSession], RawDataset] | None = None
    options: tuple[str, ...] = ()
    title: str = "own data"
    korean: str = ""
    texts: Texts = ("", "")
    language: str | None = None
    licence: str | None = None
    terms: Texts = ("", "")
    link: str | None = None
    restricted: bool = False
    hub: str | None = None
    config: str | None = None
    meanings: dict[str, Texts] = field(default_factory=dict)
    format_tested: bool = False

    def __post_init__(self):
        if not any(self.terms) and self.licence in _TERMS:
            object.__setattr__(self, "terms", (_TERMS[self.licence],) * 2)


def read_sample(session: ReadSession = STRICT) -> RawDataset:
    """Read the shipped sample."""
    splits = {}
    for split in ("train", "validation"):
        with as_file(files("kospan.data") / "sample" / f"{split}.jsonl") as path:
            splits[split] = list(jsonl_items(path, session))
    return RawDataset(splits)


def read_from_hub(name: str, file: str, session: ReadSession = STRICT) -> RawDataset:
    """Read a data set from the Hub.

    Args:
        name: Name as `read_hub` takes it.
        file: Description of the files that can be read instead, for the error.
        session: Session as `read_hub` takes it.

    Raises:
        OSError: If the set cannot be fetched.
    """
    try:
        return read_hub(name, "", session)
    except OSError as error:
        raise OSError(f"{error}; or pass {file} with --train_file") from error


def read_tydiqa_from_hub(session: ReadSession = STRICT) -> RawDataset:
    """Read TyDi QA's gold passages in Korean from the Hub.

    Raises:
        OSError: If the set cannot be fetched.
    """
    name = "google-research-datasets/tydiqa:secondary_task"
    return korean_splits(read_from_hub(name, "the task's own JSON", session))


def _questions(title: str, hub: str, read_name: str | None = None, **facts) -> DatasetSpec:
    """Entry of a set of questions in the format of SQuAD, read from a file or from the Hub."""
    read_set = partial(read_from_hub, read_name or hub, "the set's own JSON")
    return DatasetSpec("character", read_squad, read_set, title=title, hub=hub, meanings=_ANSWER, **facts)


def _klue_texts(config: str, title: str, korean: str, texts: Texts, meanings: dict[str, Texts]) -> DatasetSpec:
    """Entry of a KLUE task of labelled texts, read from the Hub or from a file with the columns text and label."""
    return DatasetSpec(
        "character",
        labelled_items,
        partial(read_from_hub, f"klue/klue:{config}", "a file with text, text_pair and label"),
        _TABLE,
        title=title,
        korean=korean,
        texts=texts,
        language="ko",
        licence="cc-by-sa-4.0",
        hub="klue/klue",
        config=config,
        meanings=meanings,
        format_tested=True,
    )


# Options of CSV and TSV files, and of columns of tokens and tags.
_TABLE, _COLUMNS = ("quoting",), ("token_column", "tag_column")
# Separator between two tokens of a set that `datasets` reads, by the prefix of its name.
HUB_PREFIXES = {"hub:": " ", "hub-characters:": ""}
_HUB_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)?")
_TERMS = {"cc-by-sa-4.0": "CC BY-SA 4.0", "cc-by-4.0": "CC BY 4.0", "apache-2.0": "Apache 2.0"}
_ANSWER = {"answer": ("answer to the question", "질문의 답")}
_SIMILARITY = {"value": ("similarity in meaning, from 0 to 5", "두 문장의 의미 유사도(0~5)")}
_KLUE_LABELS = {
    "PS": ("person", "사람"),
    "LC": ("place", "장소"),
    "OG": ("organisation", "기관"),
    "DT": ("date", "날짜"),
    "TI": ("time", "시간"),
    "QT": ("quantity", "수량"),
}
_BY_ND = {
    "licence": "other",
    "terms": ("CC BY-ND 2.0 KR: no derivatives may be shared", "CC BY-ND 2.0 KR(변경 금지)"),
    "link": "https://creativecommons.org/licenses/by-nd/2.0/kr/",
    "restricted": True,
}
_OWN_COLUMNS = DatasetSpec("word", options=_COLUMNS, korean="직접 마련한 데이터")
_CONLL2003 = DatasetSpec(
    "word",
    read_conll_iob1,
    options=_COLUMNS,
    title="CoNLL-2003 (English)",
    korean="CoNLL-2003 (영어)",
    texts=("newswire of 1996 and 1997", "1996~1997년 영어 뉴스"),
    language="en",
    licence="other",
    terms=(
        "restricted: the Reuters text is under an agreement of its own, and the annotation does not free it",
        "제한적 이용(로이터 원문에 별도 계약이 적용됨)",
    ),
    link="https://www.clips.uantwerpen.be/conll2003/ner/",
    restricted=True,
    hub="eriktks/conll2003",
    meanings={
        "PER": ("person", "사람"),
        "LOC": ("place", "장소"),
        "ORG": ("organisation", "기관"),
        "MISC": ("other names", "기타 고유명"),
    },
)

DATASETS: dict[str, DatasetSpec] = {
    "sample": DatasetSpec(
        "character",
        read_set=read_sample,
        title="kospan's sample",
        korean="kospan 예시 데이터",
        texts=("short sentences written for the purpose", "예시용으로 직접 쓴 짧은 문장"),
        language="ko",
        licence="apache-2.0",
        terms=("Apache-2.0 or CC BY 4.0", "Apache-2.0 또는 CC BY 4.0"),
        meanings=_KLUE_LABELS,
    ),
    "jsonl": DatasetSpec("character", jsonl_items, korean="직접 마련한 데이터"),
    "klue_ner": DatasetSpec(
        "character",
        read_klue_file,
        partial(read_from_hub, "klue:ner", "KLUE's own TSV"),
        title="KLUE-NER",
        korean="KLUE 개체명 인식 데이터(KLUE-NER)",
        texts=("news articles and film reviews", "뉴스 기사와 영화 리뷰"),
        language="ko",
        licence="cc-by-sa-4.0",
        hub="klue/klue",
        config="ner",
        meanings=_KLUE_LABELS,
    ),
    "conll": replace(_OWN_COLUMNS, read_file=read_conll),
    "conll_iob1": replace(_OWN_COLUMNS, read_file=read_conll_iob1),
    "conll2003": _CONLL2003,
    "conll2003_documents": replace(_CONLL2003, read_file=read_conll_documents),
    "wnut17": DatasetSpec(
        "word",
        read_conll,
        options=_COLUMNS,
        title="WNUT-17 emerging entities",
        korean="WNUT-17 신규 개체명 데이터",
        texts=("posts and comments from social media", "소셜 미디어의 글과 댓글"),
        language="en",
        licence="cc-by-4.0",
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
    "gmb": DatasetSpec(
        "word",
        read_gmb,
        title="Groningen Meaning Bank (Kaggle form)",
        korean="Groningen Meaning Bank(Kaggle 배포본)",
        texts=("news", "영어 뉴스"),
        language="en",
        licence="unknown",
        terms=("not stated by the copy that was read", "사용한 사본에 라이선스가 밝혀져 있지 않음"),
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
    "kmou": DatasetSpec(
        "character",
        read_kmou,
        title="KMOU NER corpus",
        korean="한국해양대 개체명 말뭉치",
        texts=("Korean sentences of several sources", "여러 출처의 한국어 문장"),
        language="ko",
        licence="other",
        terms=("non-commercial use only (MIT for that)", "비상업적 용도로만 사용 가능"),
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
    "korquad": _questions(
        "KorQuAD 1.0",
        "KorQuAD/squad_kor_v1",
        korean="KorQuAD 1.0 한국어 질의응답 데이터",
        texts=("questions about paragraphs of Korean Wikipedia", "한국어 위키백과 문단에 대한 질문"),
        language="ko",
        **_BY_ND,
    ),
    "korquad2": DatasetSpec(
        "character",
        read_korquad2,
        title="KorQuAD 2.x",
        korean="KorQuAD 2.x 한국어 웹 문서 질의응답 데이터",
        texts=("questions about whole pages of Korean Wikipedia", "한국어 위키백과 문서 전체에 대한 질문"),
        language="ko",
        meanings=_ANSWER,
        format_tested=True,
        **_BY_ND,
    ),
    "tydiqa_korean": DatasetSpec(
        "character",
        read_tydiqa,
        read_tydiqa_from_hub,
        title="TyDi QA (Korean)",
        korean="TyDi QA 한국어 질의응답 데이터",
        texts=("questions about passages of Korean Wikipedia", "한국어 위키백과 단락에 대한 질문"),
        language="ko",
        licence="apache-2.0",
        hub="google-research-datasets/tydiqa",
        meanings=_ANSWER,
        format_tested=True,
    ),
    "squad": _questions(
        "SQuAD 1.1",
        "rajpurkar/squad",
        korean="SQuAD 1.1 영어 질의응답 데이터",
        texts=("questions about paragraphs of English Wikipedia", "영어 위키백과 문단에 대한 질문"),
        language="en",
        licence="cc-by-sa-4.0",
        format_tested=True,
    ),
    "squad_v2": _questions(
        "SQuAD 2.0",
        "rajpurkar/squad_v2",
        korean="SQuAD 2.0 영어 질의응답 데이터",
        texts=(
            "questions about paragraphs of English Wikipedia, some without an answer",
            "영어 위키백과 문단에 대한 질문(답이 없는 질문 포함)",
        ),
        language="en",
        licence="cc-by-sa-4.0",
        format_tested=True,
    ),
    "klue_mrc": _questions(
        "KLUE-MRC",
        "klue/klue",
        "klue/klue:mrc",
        korean="KLUE 기계 독해 데이터(KLUE-MRC)",
        texts=(
            "questions about Wikipedia articles and news, some without an answer",
            "위키백과와 뉴스 기사에 대한 질문(답이 없는 질문 포함)",
        ),
        language="ko",
        licence="cc-by-sa-4.0",
        config="mrc",
        format_tested=True,
    ),
    "labelled": DatasetSpec("character", labelled_items, options=_TABLE, korean="직접 마련한 데이터"),
    "klue_ynat": _klue_texts(
        "ynat",
        "KLUE-YNAT",
        "KLUE 뉴스 제목 주제 분류 데이터(KLUE-YNAT)",
        ("headlines of Yonhap News", "연합뉴스 기사 제목"),
        {
            "IT과학": ("information technology and science", "IT·과학"),
            "경제": ("economy", "경제"),
            "사회": ("society", "사회"),
            "생활문화": ("life and culture", "생활·문화"),
            "세계": ("world", "세계"),
            "스포츠": ("sports", "스포츠"),
            "정치": ("politics", "정치"),
        },
    ),
    "klue_nli": _klue_texts(
        "nli",
        "KLUE-NLI",
        "KLUE 자연어 추론 데이터(KLUE-NLI)",
        ("pairs of a premise and a hypothesis", "전제와 가설의 쌍"),
        {
            "entailment": ("the hypothesis follows from the premise", "전제로부터 가설이 도출됨"),
            "neutral": ("the premise does not decide", "전제만으로는 알 수 없음"),
            "contradiction": ("the premise excludes the hypothesis", "전제와 모순됨"),
        },
    ),
    "klue_sts": _klue_texts(
        "sts", "KLUE-STS", "KLUE 문장 유사도 데이터(KLUE-STS)", ("pairs of sentences", "문장 쌍"), _SIMILARITY
    ),
    "korsts": DatasetSpec(
        "character",
        read_korsts,
        options=_TABLE,
        title="KorSTS",
        korean="KorSTS 문장 유사도 데이터",
        texts=("pairs of sentences, translated from English", "영어에서 번역한 문장 쌍"),
        language="ko",
        licence="cc-by-sa-4.0",
        link="https://github.com/kakaobrain/KorNLUDatasets",
        meanings=_SIMILARITY,
    ),
    "korean_hate_speech": DatasetSpec(
        "character",
        read_korean_hate_speech,
        options=_TABLE,
        title="Korean hate speech (kocohub/korean-hate-speech)",
        korean="한국어 혐오 표현 데이터(kocohub/korean-hate-speech)",
        texts=("comments on entertainment news, many of them offensive", "연예 뉴스 댓글(모욕적인 표현이 많음)"),
        language="ko",
        licence="cc-by-sa-4.0",
        link="https://github.com/kocohub/korean-hate-speech",
        meanings={
            "none": ("neither", "해당 없음"),
            "offensive": ("offensive, but no hate speech", "혐오 표현은 아니지만 모욕적임"),
            "hate": ("hate speech", "혐오 표현"),
        },
    ),
    "ko_fake_news": DatasetSpec(
        "character",
        read_ko_fake_news,
        options=_TABLE,
        title="Korean fake news (2alive3s/Fake_news)",
        korean="한국어 가짜 뉴스 데이터(2alive3s/Fake_news)",
        texts=(
            "news articles with their titles, some of them altered so that they contain false statements",
            "제목이 있는 뉴스 기사(일부는 고쳐 써서 사실과 다른 내용이 있음)",
        ),
        language="ko",
        licence="unknown",
        terms=("not stated by the repository", "저장소에 라이선스가 밝혀져 있지 않음"),
        link="https://github.com/2alive3s/Fake_news",
        restricted=True,
        meanings={label: ("not stated by the source", "출처에 밝혀져 있지 않음") for label in ("0", "1")},
    ),
}


def dataset_spec(dataset: str, on_hub: bool = False) -> DatasetSpec:
    """Return the entry of a data set; about the user's own data nothing is assumed.

    Args:
        dataset: A name of `DATASETS`; or `hub:NAME`, `hub:NAME:CONFIG` or `hub:PATH` for a set of words that the
            `datasets` library reads, `hub-characters:` in the same way if its tokens are characters.
        on_hub: Whether `hub:NAME` is known to be a name on the Hub and not a folder.

    Raises:
        ValueError: If there is no such data set; the message names the nearest one.

    >>> dataset_spec("conll2003").unit, dataset_spec("klue_ner").licence, dataset_spec("jsonl").licence
    ('word', 'cc-by-sa-4.0', None)
    >>> dataset_spec("hub:user/set:ner", on_hub=True).hub
    'user/set'
    """
    if dataset in DATASETS:
        return DATASETS[dataset]
    for prefix, joiner in HUB_PREFIXES.items():
        if dataset.startswith(prefix) and dataset != prefix:
            name = dataset.removeprefix(prefix)
            read_set = partial(read_hub, name, joiner)
            spec = replace(_OWN_COLUMNS, unit="word" if joiner else "character", read_set=read_set)
            name, _, config = name.partition(":")
            if on_hub and _HUB_NAME.fullmatch(name):
                return replace(spec, title=name, korean="", hub=name, config=config or None)
            return spec
    known = [*DATASETS, *(f"{prefix}NAME" for prefix in HUB_PREFIXES)]
    near = get_close_matches(dataset.lower().replace("-", "_"), known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else "choose one of them"
    raise ValueError(f"expected a data set's name ({', '.join(known)}), got {dataset!r}; {hint}")


def dataset_rows(language: str = "en") -> list[dict[str, str]]:
    """Return the rows of the documentation's table of data sets.

    Args:
        language: Language of the texts, "en" or "ko".

    Returns:
        For each data set its `name`, `title`, `texts`, `unit`, `source` (file, Hub or package), `licence` and `note`.

    >>> dataset_rows()[0]["name"], dataset_rows()[2]["source"]
    ('sample', 'Hub or file')
    """
    column = ("en", "ko").index(language)
    file, either, package, own, note = (
        ("file", "Hub or file", "package", "your own", "tested on the format only"),
        ("파일", "Hub 또는 파일", "패키지", "사용자 데이터", "형식만 시험함"),
    )[column]
    rows = []
    for name, spec in DATASETS.items():
        source = file if spec.read_set is None else either if spec.read_file else package
        rows.append(
            {
                "name": name,
                "title": (spec.korean or spec.title) if column else spec.title,
                "texts": spec.texts[column],
                "unit": {"character": ("character", "글자"), "word": ("word", "단어")}[spec.unit][column],
                "source": source,
                "licence": spec.terms[column] or own,
                "note": note if spec.format_tested else "",
            }
        )
    return rows


def check_options(dataset: str, options: ReadOptions) -> None:
    """Check that no option is set that the data set's reader does not use.

    Raises:
        ValueError: If there is one.

    >>> check_options("conll", ReadOptions(token_column="1"))
    """
    taken = dataset_spec(dataset).options
    for name in FORMAT_OPTIONS:
        value = getattr(options, name)
        if value != getattr(DEFAULTS, name) and name not in taken:
            kinds = "columns (conll) and hub:NAME" if name in _COLUMNS else "CSV and TSV files (labelled)"
            raise ValueError(
                f"expected no {name} with the data set {dataset!r}, got {value!r}, which is for {kinds}; remove it"
            )
