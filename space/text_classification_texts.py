"""What the page of a classifier says, in both languages, and what it offers to classify."""

# A model over words reads English or the like, one over characters Korean. All of it is invented. A model of
# single texts reads `text` alone.
TEXTS_TO_CLASSIFY = {
    "character": [
        {
            "text": "푸른유통은 춘천에 물류 창고 네 곳을 더 짓기로 했다.",
            "text_pair": "푸른유통은 내년에 창고를 더 짓는다.",
        },
        {
            "text": "연구선 해오름호는 높은 파도 때문에 하루 만에 항구로 돌아왔다.",
            "text_pair": "해오름호는 사흘 동안 바다에 머물렀다.",
        },
        {
            "text": "달빛도서관은 이번 여름부터 평일에 밤 10시까지 문을 연다.",
            "text_pair": "도서관을 찾는 사람이 크게 늘었다.",
        },
    ],
    "word": [
        {
            "text": "The harbour office of Marrow Bay will build a second pier next spring .",
            "text_pair": "A new pier is planned .",
        },
        {
            "text": "The research ship Morning Star came back after one day .",
            "text_pair": "The ship stayed at sea for a week .",
        },
        {
            "text": "Since this summer the Moonlight Library is open until ten in the evening .",
            "text_pair": "More people visit the library .",
        },
    ],
}

CLASSIFYING = {
    "ko": {
        "classifier_title": "글 분류하기",
        "classifier_lead": "글을 넣으면 어느 분류에 드는지, 또는 어떤 값인지를 확률과 함께 보여 줍니다.",
        "classes": "분류 {count}개",
        "gives_value": "값을 매김",
        "reads_pairs": "글 두 편을 함께 읽음",
        "tab_classify": "글",
        "first_text": "첫째 글",
        "second_text": "둘째 글",
        "second_text_hint": "함께 읽을 둘째 글을 넣으세요. 가설이나 비교할 문장 같은 것입니다.",
        "classify": "분류하기",
        "classify_examples": "예문 – 누르면 바로 분류합니다",
        "class": "분류",
        "value": "값",
        "part": "부분",
        "parts_note": "긴 글은 겹치는 창으로 나누어 읽고, 창마다의 점수를 토큰 수로 가중 평균합니다. 창 하나만 읽으면 "
        "이렇게 나옵니다.",
        "characters_of": "{first}–{last}번째 글자",
        "characters_of_second": "둘째 글의 {first}–{last}번째 글자",
        "classify_find": "파일의 글 분류하기",
        "classify_limits": "한 줄에 글 하나({form}이면 .jsonl). 파일 하나는 {megabytes}MB, {lines}줄, 글 하나는 "
        "{characters}자까지입니다. UTF-8과 CP949를 읽습니다.",
        "classify_progress": "글 {done} / {total}",
        "classify_done": "글 {documents}개를 분류했습니다({spans}개에 라벨). 처음 몇 개는 아래와 같습니다.",
        "second_empty": "둘째 글이 비어 있습니다. 이 모델은 글 두 편을 함께 읽습니다.",
        "first_long": "첫째 글이 너무 길어 둘째 글과 함께 읽을 수 없습니다. 첫째 글을 줄여 주세요.",
        "second_long": "둘째 글이 너무 길어 첫째 글과 함께 읽을 수 없습니다. 둘째 글을 줄여 주세요.",
        "document_long": "{id}: 두 글을 함께 읽기에는 한쪽이 너무 깁니다. 줄여 주세요.",
        "line_pair": "{line}행의 text_pair가 비어 있습니다. 함께 읽을 둘째 글을 넣어 주세요.",
    },
    "en": {
        "classifier_title": "Classify text",
        "classifier_lead": "Give it a text: which class it is of, or what value it has, is shown with its probability.",
        "classes": "{count} classes",
        "gives_value": "gives a value",
        "reads_pairs": "reads two texts together",
        "tab_classify": "Text",
        "first_text": "First text",
        "second_text": "Second text",
        "second_text_hint": "The text to read with it: a hypothesis, a sentence to compare.",
        "classify": "Classify",
        "classify_examples": "Examples – a click classifies at once",
        "class": "class",
        "value": "value",
        "part": "part",
        "parts_note": "A long text is read through overlapping windows, whose scores are averaged, weighted by their "
        "subwords. Read by itself, each window says this.",
        "characters_of": "characters {first}–{last}",
        "characters_of_second": "characters {first}–{last} of the second text",
        "classify_find": "Classify the file's texts",
        "classify_limits": "One text per line (or {form} in a .jsonl file). A file may have {megabytes} MB and {lines} "
        "lines, a text {characters} characters. UTF-8 and CP949 are read.",
        "classify_progress": "text {done} of {total}",
        "classify_done": "Classified {documents} texts ({spans} with a label). The first few are shown below.",
        "second_empty": "The second text is empty. This model reads two texts together.",
        "first_long": "The first text is too long to be read together with the second one. Please shorten it.",
        "second_long": "The second text is too long to be read together with the first one. Please shorten it.",
        "document_long": "{id}: one of the texts is too long to be read together with the other. Please shorten it.",
        "line_pair": "The text_pair in line {line} is empty. Please give the text to read with the first one.",
    },
}
