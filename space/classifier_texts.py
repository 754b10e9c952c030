"""What the page of a classifier says, in both languages, and what it offers to classify."""

# A model over words reads English or the like, one over characters Korean. All of it is invented. `question` is what
# stands before the text where pairs are read.
TEXTS_TO_CLASSIFY = {
    "character": [
        {
            "question": "푸른유통은 춘천에 물류 창고 네 곳을 더 짓기로 했다.",
            "text": "푸른유통은 내년에 창고를 더 짓는다.",
        },
        {
            "question": "연구선 해오름호는 높은 파도 때문에 하루 만에 항구로 돌아왔다.",
            "text": "해오름호는 사흘 동안 바다에 머물렀다.",
        },
        {
            "question": "달빛도서관은 이번 여름부터 평일에 밤 10시까지 문을 연다.",
            "text": "도서관을 찾는 사람이 크게 늘었다.",
        },
    ],
    "word": [
        {
            "question": "The harbour office of Marrow Bay will build a second pier next spring .",
            "text": "A new pier is planned .",
        },
        {
            "question": "The research ship Morning Star came back after one day .",
            "text": "The ship stayed at sea for a week .",
        },
        {
            "question": "Since this summer the Moonlight Library is open until ten in the evening .",
            "text": "More people visit the library .",
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
        "first_text": "앞글",
        "first_text_hint": "글 앞에 놓이는 글을 넣으세요. 전제, 제목 같은 것입니다.",
        "classify": "분류하기",
        "classify_examples": "예문 – 누르면 바로 분류합니다",
        "class": "분류",
        "value": "값",
        "part": "부분",
        "parts_note": "긴 글은 겹치는 창으로 나누어 읽고, 창마다의 점수를 토큰 수로 가중 평균합니다. 창 하나만 읽으면 "
        "이렇게 나옵니다.",
        "characters_of": "{first}–{last}번째 글자",
        "classify_find": "파일의 글 분류하기",
        "classify_limits": "한 줄에 글 하나({form}이면 .jsonl). 파일 하나는 {megabytes}MB, {lines}줄, 글 하나는 "
        "{characters}자까지입니다. UTF-8과 CP949를 읽습니다.",
        "classify_progress": "글 {done} / {total}",
        "classify_done": "글 {documents}개를 분류했습니다({spans}개에 라벨). 처음 몇 개는 아래와 같습니다.",
        "first_empty": "앞글이 비어 있습니다. 이 모델은 글 두 편을 함께 읽습니다.",
    },
    "en": {
        "classifier_title": "Classify text",
        "classifier_lead": "Give it a text: which class it is of, or what value it has, is shown with its probability.",
        "classes": "{count} classes",
        "gives_value": "gives a value",
        "reads_pairs": "reads two texts together",
        "tab_classify": "Text",
        "first_text": "First text",
        "first_text_hint": "What stands before the text: a premise, a title.",
        "classify": "Classify",
        "classify_examples": "Examples – a click classifies at once",
        "class": "class",
        "value": "value",
        "part": "part",
        "parts_note": "A long text is read through overlapping windows, whose scores are averaged, weighted by their "
        "pieces. Read by itself, each window says this.",
        "characters_of": "characters {first}–{last}",
        "classify_find": "Classify the file's texts",
        "classify_limits": "One text per line (or {form} in a .jsonl file). A file may have {megabytes} MB and {lines} "
        "lines, a text {characters} characters. UTF-8 and CP949 are read.",
        "classify_progress": "text {done} of {total}",
        "classify_done": "Classified {documents} texts ({spans} with a label). The first few are shown below.",
        "first_empty": "The first text is empty. This model reads two texts together.",
    },
}
