"""Descriptions of requests and responses for OpenAPI, with examples."""

_TEXT = "정하윤 교수는 대구에서 강연한다."
_SPAN = {"entity_group": "PS", "score": 0.99, "word": "정하윤", "start": 0, "end": 3}
_QUESTION = {"question": "강연은 어디에서 하는가?", "context": _TEXT}
_CLASSES = [{"label": "사회", "score": 0.9}, {"label": "경제", "score": 0.1}]
_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}

_TEXTS = {
    "a text": {"value": {"inputs": _TEXT}},
    "texts, with settings": {"value": {"inputs": [_TEXT, "비가 온다."], "parameters": {"threshold": 0.5}}},
}
_QUESTIONS = {
    "a question": {"value": {"inputs": _QUESTION}},
    "questions": {"value": {"inputs": [_QUESTION, _QUESTION], "parameters": {"top_k": 3}}},
}
_PAIRS = {
    "a text": {"value": {"inputs": "코스피가 사상 최고치를 기록했다", "parameters": {"top_k": 2}}},
    "a pair of texts": {"value": {"inputs": {"text": _TEXT, "text_pair": "강연은 대구에서 열린다."}}},
}

_MASKS = {
    "a text": {"value": {"inputs": "연락처는 010-1234-5678로 바뀌었다."}},
    "a policy": {
        "value": {"inputs": "연락처는 010-1234-5678로 바뀌었다.", "parameters": {"policy": {"PHONE": "partial"}}}
    },
}

# Examples of bodies and of a response by route.
EXAMPLES: dict[str, tuple[dict, object]] = {
    "/": (
        _TEXTS
        | {f"{name} (question answering)": each for name, each in _QUESTIONS.items()}
        | {f"{name} (text classification)": each for name, each in _PAIRS.items()},
        [_SPAN],
    ),
    "/extract": (_TEXTS, [{"start": 0, "end": 3, "label": "PS", "score": 0.99, "text": "정하윤"}]),
    "/answer": (_QUESTIONS, [{"start": 8, "end": 10, "label": "answer", "score": 0.97, "text": "대구"}]),
    "/classify": (_PAIRS, _CLASSES),
    "/mask": (
        _MASKS,
        {
            "text": "연락처는 [PHONE]로 바뀌었다.",
            "spans": [{"start": 5, "end": 12, "label": "PHONE", "score": 1.0}],
            "notice": "가명처리를 돕는 도구이며 익명처리를 보장하지 않습니다.",
        },
    ),
}
_STATUS = {
    400: "The body is not JSON.",
    401: "An API key is needed.",
    404: "There is no such model.",
    408: "The body arrived too slowly.",
    413: "The body is too large.",
    422: "A text or parameter is invalid, or exceeds a limit.",
    429: "The queue is full; the header Retry-After says when to retry.",
    504: "The result took too long.",
}


def openapi_of(route: str) -> dict:
    """Return arguments of FastAPI's route decorators that describe a prediction route.

    Args:
        route: A key of `EXAMPLES`.
    """
    examples, response = EXAMPLES[route]
    body = {
        "type": "object",
        "required": ["inputs"],
        "additionalProperties": False,
        "properties": {
            "inputs": {"description": "A text, an object with texts, or a list of them."},
            "parameters": {
                "type": "object",
                "description": "Settings of the model's pipeline; null means the default.",
            },
            "options": {"type": "object", "description": "Ignored."},
        },
    }
    errors = {
        status: {"description": text, "content": {"application/json": {"schema": _ERROR}}}
        for status, text in _STATUS.items()
    }
    found = {200: {"description": "The results.", "content": {"application/json": {"example": response}}}}
    return {
        "responses": found | errors,
        "openapi_extra": {
            "requestBody": {"required": True, "content": {"application/json": {"schema": body, "examples": examples}}}
        },
    }
