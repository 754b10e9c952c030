"""Files of corpora and contents of folders, for the tests of predictions of corpora."""

import json
from pathlib import Path

TEXTS = [
    "이재용 회장이 서울에서 회의를 열었다.",
    "김연아는 부산 사직 체육관을 찾았다.",
    "비가 온다.",
    "한국은행이 금리를 올렸다.",
]


def write_lines(path: Path, count: int, first: int = 0) -> Path:
    """Write JSON Lines with the keys id and text."""
    lines = [{"id": f"t{at}", "text": f"{at} {TEXTS[at % len(TEXTS)]}"} for at in range(first, first + count)]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """The files of an output folder but its lock."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def records(folder: Path) -> list[dict]:
    """The predicted records of a folder of JSON Lines, in order."""
    names = sorted(path for path in folder.glob("part-*.jsonl") if not path.name.endswith(".errors.jsonl"))
    return [json.loads(line) for path in names for line in path.read_text(encoding="utf-8").splitlines()]


def errors(folder: Path) -> list[dict]:
    """The error records of a folder, in order."""
    names = sorted(folder.glob("part-*.errors.jsonl"))
    return [json.loads(line) for path in names for line in path.read_text(encoding="utf-8").splitlines()]
