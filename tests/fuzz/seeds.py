"""Valid files of all formats, in our own words; the targets change them.

A file is a list of objects (JSON Lines), another value (JSON), or a text.
"""

TEXT = "이재용 회장이 서울에서 말했다."
EMOJI = "😀 Kim met 이재용 in\r\nSeoul \u1100\u1161."
SPANS = [{"start": 0, "end": 3, "label": "PS"}, {"start": 8, "end": 10, "label": "LC", "score": 0.5}]
QUESTION = {"id": "q1", "text": TEXT, "question": "어디에서 말했나?"}

JSONL = [
    {"id": "a", "text": TEXT, "spans": SPANS},
    {"id": "b", "text": EMOJI, "spans": [{"start": 2, "end": 5, "label": "PS"}], "source": "x"},
    {"id": "c", "text": "비가 온다."},
    {"id": 4, "text": "", "spans": []},
    {"id": "w", "words": ["Kim", "met", "Lee"], "spans": [{"start": 0, "end": 3, "label": "PS"}]},
    {"text": TEXT, "entities": [[0, 3, "PS"], [8, 10, "LC"]]},
    {"text": TEXT, "ents": [{"start_char": 0, "end_char": 3, "label": "PS", "text": "이재용"}]},
    {"text": TEXT, "label": [[0, 3, "PS"]], "Comments": []},
    {"text": TEXT, "entities": {"start": [0], "end": [3], "type": ["PS"]}},
    {**QUESTION, "spans": [{"start": 8, "end": 10, "label": "answer"}]},
    {**QUESTION, "id": "q2", "answers": {"text": ["서울"], "answer_start": [8]}, "is_impossible": False},
    {**QUESTION, "id": "q3", "answer": "서울", "answer_start": 8},
    {"id": "q4", "context": TEXT, "question": "누가?", "is_impossible": True, "answers": []},
    {"id": "p", "text": TEXT, "text_pair": "둘째 글", "spans": [{"start": 0, "end": 17, "label": "경제"}]},
]
PRODIGY = [
    {
        "text": TEXT,
        "_input_hash": 1,
        "_task_hash": 2,
        "spans": [{"start": 0, "end": 3, "label": "PS", "token_start": 0, "token_end": 0, "answer": "accept"}],
        "tokens": [{"text": "이재용", "start": 0, "end": 3, "id": 0}],
        "answer": "accept",
    },
    {"text": EMOJI, "spans": [{"start": 2, "end": 5, "label": "PS", "text": "Kim"}], "answer": "reject"},
    {"text": "비가 온다.", "meta": {"page": 1}},
    {"id": 3, "text": TEXT, "spans": [], "answer": "accept", "_is_binary": True},
]
DOCCANO = [
    {"id": 1, "text": TEXT, "label": [[0, 3, "PS"], [8, 10, "LC"]]},
    {"id": 2, "text": EMOJI, "label": [[3, 6, "PS"]], "Comments": []},
    {
        "id": 3,
        "text": TEXT,
        "entities": [{"id": 1, "label": "PS", "start_offset": 0, "end_offset": 3}],
        "relations": [{"id": 1, "from_id": 1, "to_id": 1, "type": "x"}],
    },
    {"id": 4, "data": TEXT, "labels": [[0, 3, "PS"]], "cats": ["경제"]},
    {"id": 5, "text": TEXT, "annotations": [{"label": "PS", "start_offset": 0, "end_offset": 3, "user": 1}]},
]
_REGION = {
    "id": "r1",
    "from_name": "label",
    "to_name": "text",
    "type": "labels",
    "value": {"start": 0, "end": 3, "text": "이재용", "labels": ["PS"]},
}
_HTML_VALUE = {
    "start": "/p[1]/text()[1]",
    "end": "/p[1]/text()[1]",
    "startOffset": 0,
    "endOffset": 3,
    "globalOffsets": {"start": 0, "end": 3},
    "text": "이재용",
    "hypertextlabels": ["PS"],
}
LABEL_STUDIO = [
    {
        "id": 1,
        "data": {"text": TEXT, "example_id": "a"},
        "annotations": [{"id": 1, "completed_by": {"email": "a@example.com"}, "result": [_REGION]}],
        "predictions": [],
    },
    {"id": 2, "data": {"text": EMOJI, "source": "x"}, "completions": [{"result": [], "was_cancelled": False}]},
    {"id": 3, "data": {"text": "비가 온다."}, "predictions": [{"model_version": "m", "result": [_REGION]}]},
    {
        "id": 4,
        "data": {"text": TEXT},
        "annotations": [
            {"result": [_REGION, {"type": "choices", "value": {"choices": ["x"]}}], "ground_truth": True},
            {"result": [], "completed_by": 2},
        ],
    },
]
LABEL_STUDIO_HTML = [
    {
        "id": 1,
        "data": {"html": "<p>이재용 &amp; <b>Kim</b><br>서울</p><td>x"},
        "annotations": [
            {"result": [{"to_name": "html", "type": "hypertextlabels", "value": _HTML_VALUE, "source": "$html"}]}
        ],
    }
]
LABEL_STUDIO_MIN = [
    {"id": 1, "text": TEXT, "label": [{"start": 0, "end": 3, "text": "이재용", "labels": ["PS"]}], "annotator": 1},
    {"id": 2, "text": EMOJI, "label": [], "annotation_id": 7, "choice": "x"},
]
BRAT = {
    "docs/a.txt": f"{TEXT}\nKim은 부산에\n  갔다.\n",
    "docs/a.ann": "T1\tPS 0 3\t이재용\nT2\tLC 8 10\t서울\nT3\tLC 23 26;29 31\t부산에 갔다\n"
    "R1\tx Arg1:T1 Arg2:T2\n#1\tNote T1\tx\n",
    "b.txt": EMOJI,
    "b.a1": "T1\tPS 2 5\tKim\n",
    "c.txt": "비가 온다.\n",
}
KLUE = (
    "## klue-ner-v1_dev_00000-wikitree\t<이재용:PS> 서\n이\tB-PS\n재\tI-PS\n용\tI-PS\n \tO\n서\tB-LC\n\n"
    "## klue-ner-v1_dev_00001-nsmc\t비\n비\tO\n가\tO\n \tO\n온\tO\n"
)
CONLL = "# a comment\nKim B-PER\nmet O\nLee I-PER\n\nSeoul B-LOC\n. O\n"
CONLL_TABS = "1\tKim\tB-PER\n2\tmet\tO\n\n1\tSeoul\tB-LOC\n2\tCity\tI-LOC\n"
CONLLU = (
    "# global.columns = ID FORM MISC\n1-2\tdelle\t_\n1\tdi\tO\n2\tle\tB-X\n3.1\tx\t_\n3\ty\tO\n\n1\ta\tO\n2\tb\tO\n"
)
IOB1 = (
    "-DOCSTART- -X- O O\n\nKim NNP I-NP I-PER\nLee NNP I-NP B-PER\n\nSeoul NNP I-NP I-LOC\n\n"
    "-DOCSTART- -X- O O\n\nA B C O\n"
)
GMB = (
    "Sentence #,Word,POS,Tag\nSentence: 1,Kim,NNP,B-per\n,met,VBD,O\n"
    ',"Lee, Jr.",NNP,I-per\nSentence: 2,Seoul,NNP,B-geo\n'
)
KMOU = (
    "## 1\n## 이재용은 <2> 서울에\n## <이재용:PER>은 <<2>:NOH> <서울:LOC>에\n이재용\t이재용\tNNP\tB-PER\n\n"
    "## 2\n## 비가 온다\n## 비가 온다\n비\t비\tNNG\tO\n\n"
)
_ANSWERS = [{"text": "서울", "answer_start": 8}]
SQUAD = {
    "version": "v1",
    "data": [
        {
            "title": "글",
            "paragraphs": [
                {
                    "context": TEXT,
                    "qas": [
                        {"id": "korean-1", "question": "어디?", "answers": _ANSWERS},
                        {
                            "guid": 2,
                            "question": "왜?",
                            "answers": [],
                            "is_impossible": True,
                            "plausible_answers": _ANSWERS,
                        },
                        {"id": "korean-3", "question": "누가?"},
                    ],
                }
            ],
        },
        {"title": "x", "paragraphs": [{"context": EMOJI, "qas": []}]},
    ],
}
_HTML = (
    "<html><body><h1>제목</h1><p>이재용은 <b>서울</b>에 &amp; 산다.</p>"
    "<table><tr><td>가</td><td>나</td></tr></table></body>"
)
KORQUAD2 = {
    "data": [
        {
            "title": "글",
            "context": _HTML,
            "qas": [
                {"id": "1", "question": "어디?", "answer": {"text": "<b>서울</b>", "answer_start": _HTML.index("<b>")}},
                {"id": "2", "question": "표?", "answer": {"text": "<td>가</td>", "answer_start": _HTML.index("<td>")}},
            ],
        }
    ]
}
CSV = 'id,text,label\na,"금리, 올랐다",경제\nb,비가 온다,사회\nc,"그는 ""네""라고\n했다",\n'
TSV = "text\ttext_pair\tlabel\tsource\n금리가 올랐다\t둘째\t3.5\tx\n비가 온다\t셋째\t1.0\t\n"
LABELLED = [{"text": "금리가 올랐다", "label": "경제"}, {"id": 2, "text": "비가 온다", "label": 3, "source": "x"}]
KORSTS = 'genre\tfilename\tyear\tid\tscore\tsentence1\tsentence2\nnews\tx\t2012\t1\t3.5\t비가 온다\t"눈이" 온다\n'
HATE = 'title\tcomment\thate\n"제목 ""하나"""\t댓글\tnone\n제목\t다른 댓글\toffensive\n'
FAKE = "seqid,title,content,label\n1,제목,내용,0\n2,제목,다른 내용,1\n"
TEXTS = "이재용 회장이 말했다.\n\n비가 온다.\n눈\r\n"

# Name of a data set (or of several), and a file of it.
DATASETS = {
    "jsonl": [("a.jsonl", JSONL[:5]), ("a.json", JSONL[5:9]), ("a.jsonl", JSONL[9:]), ("a.jsonl", PRODIGY)],
    "klue_ner": [("a.tsv", KLUE)],
    "conll": [("a.conll", CONLL), ("a.txt", CONLL_TABS), ("a.conllup", CONLLU)],
    "conll_iob1": [("a.txt", IOB1)],
    "conll2003_documents": [("a.txt", IOB1)],
    "gmb": [("a.csv", GMB)],
    "kmou": [("a.txt", KMOU)],
    "squad": [("a.json", SQUAD)],
    "squad_v2": [("a.json", SQUAD)],
    "tydiqa_korean": [("a.json", SQUAD)],
    "korquad2": [("a.json", KORQUAD2)],
    "labelled": [("a.csv", CSV), ("a.tsv", TSV), ("a.jsonl", LABELLED)],
    "korsts": [("a.tsv", KORSTS)],
    "korean_hate_speech": [("a.tsv", HATE)],
    "ko_fake_news": [("a.csv", FAKE)],
}
