"""What the page says, in Korean and in English. Every key stands in both languages."""

from question_answering_texts import READING
from text_classification_texts import CLASSIFYING

LANGUAGES = {"ko": "한국어", "en": "English"}
DEFAULT = "ko"

# The six types of KLUE-NER; a label that is not here is shown by its bare name.
LABEL_NAMES = {
    "DT": {"ko": "날짜", "en": "date"},
    "LC": {"ko": "장소", "en": "place"},
    "OG": {"ko": "기관", "en": "organisation"},
    "PS": {"ko": "사람", "en": "person"},
    "QT": {"ko": "수량", "en": "quantity"},
    "TI": {"ko": "시간", "en": "time"},
}

# A model over words reads English or the like, one over characters Korean.
EXAMPLES = {
    "character": [
        "푸른유통은 내년 3월 춘천에 물류 창고 네 곳을 더 짓는다. 정하윤 교수는 다음 주 금요일 오후 3시에 대구에서 "
        "강연한다.",
        "임재하 이사는 지난 3월 5일 오후 3시에 대구에서 기자 85명과 만났다.",
        "핸드볼연맹은 26일 대진표를 발표했다.",
        "국제무역은행은 콜롬비아에 5억 유로를 빌려주기로 했다.",
        "아침 6시 반에 꼭 깨워 줘야 해.",
    ],
    "word": [
        "Ada Lovelace met Charles Babbage in London on 5 June 1833.",
        "The University of Oxford opened a new library near Broad Street last Monday.",
        "Seoul and Busan will host the festival together.",
    ],
}

TEXTS = {
    "ko": {
        "title": "글에서 개체명 찾기",
        "lead": "글을 넣으면 이름, 장소, 날짜 같은 표현을 찾아 색으로 칠해 보여 줍니다.",
        "model": "모델",
        "labels": "종류 {count}개",
        "language": "언어",
        "tab_text": "글",
        "tab_file": "파일",
        "text": "글",
        "text_hint": "여기에 글을 쓰거나 붙여 넣으세요. Shift+Enter로도 찾습니다.",
        "find": "찾기",
        "clear": "지우기",
        "examples": "예문 – 누르면 바로 찾습니다",
        "threshold": "신뢰도 문턱",
        "threshold_hint": "신뢰도가 이보다 낮은 표현은 감춥니다. 모델을 다시 돌리지 않습니다.",
        "found": "찾은 표현",
        "nothing": "찾은 표현이 없습니다.",
        "hidden": "문턱보다 낮아 감춘 표현 {count}개",
        "confidence": "신뢰도 {percent}",
        "view_table": "표",
        "view_json": "JSON",
        "view_python": "Python",
        "view_inside": "들여다보기",
        "start": "시작",
        "end": "끝",
        "label": "종류",
        "span_text": "표현",
        "score": "신뢰도",
        "json": "JSON Lines의 한 줄과 같은 꼴",
        "python": "같은 결과를 내는 코드",
        "entity": "표현",
        "sentence": "문장 {number}",
        "layer": "층",
        "mean": "평균",
        "inside_note": "고른 표현이 든 문장만 모델이 따로 읽은 값입니다.",
        "inside_cut": "문장이 길어 표현 둘레 {limit}자만 읽었습니다.",
        "inside_empty": "먼저 글에서 표현을 찾으세요.",
        "marginals": "글자마다 태그의 확률",
        "marginals_note": "세로는 태그, 가로는 글자입니다. 어느 글자에서도 1%에 못 미치는 태그는 뺐습니다.",
        "attention": "‘{text}’이(가) 문장에서 보는 곳",
        "attention_note": "색이 짙을수록 주의(attention)가 큽니다. {layer}, 헤드 {heads}개의 평균. "
        "특수 토큰에 간 몫은 {special}입니다.",
        "attention_mean": "층 {count}개의 평균",
        "attention_one": "{number}번째 층",
        "attention_none": "이 모델의 인코더에는 어텐션 층이 없어서 보여 줄 주의(attention)가 없습니다.",
        "attention_window": "모델이 문장을 창 {count}개로 나누어 읽어서, 그중 하나만 보입니다.",
        "attention_whole": "표현이 없어 문장 전체의 평균을 보입니다.",
        "file": "파일",
        "file_find": "파일에서 찾기",
        "file_limits": ".txt는 한 줄에 글 하나, .jsonl은 한 줄에 {form} 하나를 씁니다. "
        "파일 하나는 {megabytes}MB, {lines}줄, 한 줄은 {characters}자까지입니다. UTF-8과 CP949를 읽습니다.",
        "result_file": "결과 (JSON Lines)",
        "file_progress": "글 {done} / {total}",
        "file_done": "글 {documents}개에서 표현 {spans}개를 찾았습니다. 처음 몇 개는 아래와 같습니다.",
        "file_waiting": "결과가 여기에 나타납니다.",
        "too_long": "글이 너무 깁니다: {got}자입니다. {most}자까지 읽을 수 있으니 줄이거나 파일로 나누어 주세요.",
        "busy": "지금은 이용하는 분이 많아 받을 자리가 없습니다. 잠시 뒤에 다시 해 주세요.",
        "threshold_wrong": "threshold에는 0부터 1까지의 수를 주세요.",
        "failed": "모델이 이 글을 처리하지 못했습니다. 글을 조금 바꾸어 다시 해 주세요.",
        "no_file": "먼저 파일을 골라 주세요.",
        "file_kind": "이런 파일은 읽지 못합니다. 이름이 {endings}로 끝나는 파일을 올려 주세요.",
        "file_large": "파일이 너무 큽니다: {got}MB입니다. {most}MB까지 받을 수 있으니 나누어 주세요.",
        "file_encoding": "파일의 글자를 읽지 못했습니다. UTF-8로 저장해서 다시 올려 주세요.",
        "file_empty": "파일에 글이 없습니다. 한 줄에 글 하나씩 써 주세요.",
        "file_many": "줄이 너무 많습니다: {got}줄입니다. {most}줄까지 받을 수 있으니 나누어 주세요.",
        "line_long": "{line}번째 줄이 너무 깁니다: {got}자입니다. {most}자까지 읽을 수 있습니다.",
        "line_json": "{line}번째 줄은 JSON이 아닙니다. 한 줄에 {form} 하나씩 써 주세요.",
        "line_text": '{line}번째 줄에 글자열 "{name}"이(가) 없습니다. {form} 꼴로 써 주세요.',
    },
    "en": {
        "title": "Find entities in text",
        "lead": "Give it a text, and names, places, dates and the like are found and coloured.",
        "model": "model",
        "labels": "{count} types",
        "language": "Language",
        "tab_text": "Text",
        "tab_file": "File",
        "text": "Text",
        "text_hint": "Write or paste a text here. Shift+Enter works too.",
        "find": "Find",
        "clear": "Clear",
        "examples": "Examples – a click finds at once",
        "threshold": "Confidence threshold",
        "threshold_hint": "Hides what has a lower confidence. The model does not run again.",
        "found": "Found",
        "nothing": "Nothing was found.",
        "hidden": "{count} hidden below the threshold",
        "confidence": "confidence {percent}",
        "view_table": "Table",
        "view_json": "JSON",
        "view_python": "Python",
        "view_inside": "Look inside",
        "start": "start",
        "end": "end",
        "label": "type",
        "span_text": "text",
        "score": "confidence",
        "json": "The same form as a line of JSON Lines",
        "python": "Code that gives the same result",
        "entity": "Entity",
        "sentence": "sentence {number}",
        "layer": "Layer",
        "mean": "mean",
        "inside_note": "Values for the sentence of the chosen entity, read by itself.",
        "inside_cut": "The sentence is long, so only {limit} characters around the entity were read.",
        "inside_empty": "Find entities in a text first.",
        "marginals": "Probability of the tags at each character",
        "marginals_note": "Tags go down, characters go across. Tags that never reach 1% are left out.",
        "attention": "Where “{text}” looks in its sentence",
        "attention_note": "The deeper the colour, the more attention. {layer}, mean of {heads} heads. "
        "Special tokens receive {special}.",
        "attention_mean": "Mean of {count} layers",
        "attention_one": "Layer {number}",
        "attention_none": "This model's encoder has no attention layers, so there is no attention to show.",
        "attention_window": "The model reads the sentence in {count} windows; one of them is shown.",
        "attention_whole": "There is no entity, so the mean over the sentence is shown.",
        "file": "File",
        "file_find": "Find in file",
        "file_limits": "A .txt file holds a document per line, a .jsonl file one {form} per line. "
        "A file may have {megabytes} MB and {lines} lines, a line {characters} characters. UTF-8 and CP949 are read.",
        "result_file": "Result (JSON Lines)",
        "file_progress": "document {done} of {total}",
        "file_done": "Found {spans} entities in {documents} documents. The first few are shown below.",
        "file_waiting": "The result appears here.",
        "too_long": "The text is too long: {got} characters. At most {most} can be read; shorten it, or send a file.",
        "busy": "Too many visitors are waiting right now. Please try again in a moment.",
        "threshold_wrong": "threshold must be a number from 0 to 1.",
        "failed": "The model could not process this text. Please change it a little and try again.",
        "no_file": "Please choose a file first.",
        "file_kind": "This kind of file cannot be read. Please upload one whose name ends in {endings}.",
        "file_large": "The file is too large: {got} MB. At most {most} MB are accepted; please split it.",
        "file_encoding": "The file's characters cannot be read. Please save it as UTF-8 and upload it again.",
        "file_empty": "There is no text in the file. Please write a document per line.",
        "file_many": "The file has too many lines: {got}. At most {most} are accepted; please split it.",
        "line_long": "Line {line} is too long: {got} characters. At most {most} can be read.",
        "line_json": "Line {line} is not JSON. Please write one {form} per line.",
        "line_text": 'Line {line} has no string "{name}". Please write it as {form}.',
    },
}
TEXTS = {language: said | READING[language] | CLASSIFYING[language] for language, said in TEXTS.items()}


def say(language: str, key: str, **values) -> str:
    """A string of the page.

    Args:
        language: "ko" or "en"; any other gives the default language.
        key: Key of the string.
        values: What stands in its braces; whole numbers get their thousands separated.

    >>> say("en", "labels", count=1200)
    '1,200 types'
    """
    shown = {name: f"{value:,}" if isinstance(value, int) else value for name, value in values.items()}
    return TEXTS.get(language, TEXTS[DEFAULT])[key].format(**shown)


def label_name(label: str, language: str) -> str:
    """A label as people read it.

    >>> label_name("PS", "ko"), label_name("creative-work", "ko")
    ('PS 사람', 'creative-work')
    """
    names = LABEL_NAMES.get(label)
    return f"{label} {names.get(language, names[DEFAULT])}" if names else label


class InputError(ValueError):
    """What cannot be done, and why; said in the language of whoever asks.

    >>> InputError("too_long", got=20000, most=10000).message("en")
    'The text is too long: 20,000 characters. At most 10,000 can be read; shorten it, or send a file.'
    """

    def __init__(self, key: str, **values):
        super().__init__(key)
        self.key, self.values = key, values

    def message(self, language: str) -> str:
        """The reason, in a language."""
        return say(language, self.key, **self.values)
