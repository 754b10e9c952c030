"""What the page of a reader says, in both languages, and what it offers to ask."""

# A model over words reads English or the like, one over characters Korean. All of it is invented.
QUESTIONS = {
    "character": [
        {
            "question": "푸른유통은 어디에 물류 창고를 더 짓는가?",
            "text": "푸른유통은 내년 3월 춘천에 물류 창고 네 곳을 더 짓는다. 지난해 가평에 지은 첫 창고가 반년 만에 "
            "가득 찼기 때문이다. 회사는 새 창고에서 일할 사람 85명을 다음 달부터 뽑는다.",
        },
        {
            "question": "해오름호는 무엇 때문에 항구로 돌아왔는가?",
            "text": "연구선 해오름호는 지난 5월 울릉도 북쪽 바다에서 해저 지도를 그렸다. 사흘 동안 머물 계획이었으나 "
            "높은 파도 때문에 하루 만에 항구로 돌아왔다. 선장 문가람은 날씨가 풀리는 대로 다시 나가겠다고 말했다.",
        },
        {
            "question": "달빛도서관은 평일에 몇 시까지 문을 여는가?",
            "text": "달빛도서관은 이번 여름부터 평일에 밤 10시까지 문을 연다. 주말에는 오전 9시에 열어 오후 6시에 "
            "닫는다. 관장 서은채는 퇴근길에 들르는 사람이 크게 늘었다고 했다.",
        },
    ],
    "word": [
        {
            "question": "Where will the harbour office build a second pier ?",
            "text": "The harbour office of Marrow Bay will build a second pier near Gull Point next spring . The first "
            "one has been too short for the new ferry since March .",
        },
        {
            "question": "Who drew the map of the sea floor ?",
            "text": "The research ship Morning Star left in May . Its youngest engineer , Iris Calloway , drew the map "
            "of the sea floor north of the island in only three days .",
        },
        {
            "question": "Until when is the library open on weekdays ?",
            "text": "Since this summer the Moonlight Library is open until ten in the evening on weekdays . On "
            "Saturdays it closes at six , and on Sundays nobody is there .",
        },
    ],
}

READING = {
    "ko": {
        "reader_title": "글에서 답 찾기",
        "reader_lead": "글과 질문을 넣으면 답이 되는 곳을 글에서 찾아 그대로 칠해 보여 줍니다.",
        "knows_none": "답이 없는 질문도 알아봄",
        "tab_question": "질문",
        "question": "질문",
        "question_hint": "글에서 답을 찾을 수 있는 것을 물어보세요. Enter로도 찾습니다.",
        "document": "글",
        "document_hint": "답이 들어 있는 글을 쓰거나 붙여 넣으세요. Shift+Enter로도 찾습니다.",
        "answer": "답 찾기",
        "question_examples": "예문 – 누르면 바로 답합니다",
        "count": "답의 수",
        "count_hint": "가장 그럴듯한 것부터 이만큼 보입니다.",
        "least": "가장 낮은 확률",
        "least_hint": "확률이 이보다 낮은 답은 감춥니다.",
        "best": "답",
        "rank": "순위",
        "probability": "확률",
        "probable": "확률 {percent}",
        "ranked": "{rank}번째 답, 확률 {percent}",
        "no_answer": "답 없음",
        "no_answer_here": "이 글에는 답이 없는 듯합니다.",
        "no_answer_among": "답이 없을 확률 {percent}",
        "nothing_above": "고른 확률보다 높은 답이 없습니다.",
        "strip": "답이 시작하고 끝나는 곳의 확률",
        "strip_note": "글자마다 위 줄은 답이 거기서 시작할 확률, 아래 줄은 거기서 끝날 확률입니다. 가장 짙은 칸이 "
        "{most}이고, 칸에 마우스를 올리면 값이 보입니다.",
        "strip_waiting": "답을 찾으면 글자마다의 확률이 여기에 나타납니다.",
        "begins": "시작",
        "finishes": "끝",
        "passage": "{first}–{last}번째 글자 · 이 안에서 시작 {starts}, 끝 {ends}",
        "questions_find": "파일의 질문에 답하기",
        "questions_limits": ".jsonl 파일 한 줄에 {form} 하나를 씁니다. 파일 하나는 {megabytes}MB, {lines}줄, 글 하나는 "
        "{characters}자, 질문 하나는 {question}자까지입니다. UTF-8과 CP949를 읽습니다.",
        "questions_progress": "질문 {done} / {total}",
        "questions_done": "질문 {documents}개에서 답 {spans}개를 찾았습니다. 처음 몇 개는 아래와 같습니다.",
        "question_empty": "질문이 비어 있습니다. 글에서 찾을 것을 물어보세요.",
        "question_long": "질문이 너무 깁니다: {got}자입니다. {most}자까지 물을 수 있으니 줄여 주세요.",
        "document_empty": "글이 비어 있습니다. 답이 들어 있는 글을 넣어 주세요.",
        "count_wrong": "top_k에는 1부터 {most}까지의 정수를 주세요.",
        "line_question": "{line}번째 줄의 질문이 비어 있습니다. 물을 것을 써 주세요.",
        "line_question_long": "{line}번째 줄의 질문이 너무 깁니다: {got}자입니다. {most}자까지 물을 수 있습니다.",
    },
    "en": {
        "reader_title": "Find answers in text",
        "reader_lead": "Give it a document and a question: what answers it is found and marked where it stands.",
        "knows_none": "knows when there is no answer",
        "tab_question": "Question",
        "question": "Question",
        "question_hint": "Ask something that the document answers. Enter works too.",
        "document": "Document",
        "document_hint": "Write or paste the document that holds the answer. Shift+Enter works too.",
        "answer": "Answer",
        "question_examples": "Examples – a click answers at once",
        "count": "Number of answers",
        "count_hint": "So many are shown, the best first.",
        "least": "Least probability",
        "least_hint": "Hides answers that are less probable.",
        "best": "Answer",
        "rank": "rank",
        "probability": "probability",
        "probable": "probability {percent}",
        "ranked": "answer {rank}, probability {percent}",
        "no_answer": "no answer",
        "no_answer_here": "This document seems to hold no answer.",
        "no_answer_among": "probability of no answer {percent}",
        "nothing_above": "No answer is as probable as you ask for.",
        "strip": "Where the answer begins and ends",
        "strip_note": "Under each character the upper line is the probability that the answer begins there, the lower "
        "one that it ends there. The deepest colour is {most}; point at a character to read its values.",
        "strip_waiting": "The probabilities of each character appear here with the answer.",
        "begins": "begins",
        "finishes": "ends",
        "passage": "Characters {first}–{last} · in here it begins with {starts}, ends with {ends}",
        "questions_find": "Answer the file's questions",
        "questions_limits": "A .jsonl file holds one {form} per line. A file may have {megabytes} MB and {lines} "
        "lines, a document {characters} characters, a question {question}. UTF-8 and CP949 are read.",
        "questions_progress": "question {done} of {total}",
        "questions_done": "Found {spans} answers to {documents} questions. The first few are shown below.",
        "question_empty": "The question is empty. Ask something that the document answers.",
        "question_long": "The question is too long: {got} characters. At most {most} can be asked; shorten it.",
        "document_empty": "The document is empty. Please give the document that holds the answer.",
        "count_wrong": "top_k must be a whole number from 1 to {most}.",
        "line_question": "The question in line {line} is empty. Please write what is asked.",
        "line_question_long": "The question in line {line} is too long: {got} characters. At most {most} can be asked.",
    },
}
