"""The model card: README.md of a model's folder, written from the files that the run has left there."""

import os
from importlib.resources import files
from pathlib import Path

from huggingface_hub import ModelCard

from kospan.publishing.card.left import Left, read_left
from kospan.publishing.card.limits import LANGUAGES, is_smoke, limits
from kospan.publishing.card.markdown import code, listed, plain, table
from kospan.publishing.card.metadata import card_data
from kospan.publishing.card.procedure import held_out, model_in_words, references, techniques
from kospan.publishing.card.scores import score_parts
from kospan.publishing.card.sentences import sentences
from kospan.publishing.card.training import training_parts
from kospan.training.saving import write_whole

NAMED = 6  # So many types stand in a card's first sentence at most.


def write_card(folder: str | os.PathLike, repo_id: str | None = None) -> None:
    """Writes the README.md of a model's folder; every figure in it comes from a file there.

    Args:
        folder: What a run has left: config.json, recipe.yaml, eval_results.json, and where they are there
            training_record.json and calibration.json, without which their sections are left out.
        repo_id: `user/name` on the Hub, which the snippets name; None names the folder.

    Raises: FileNotFoundError where a file is missing; ValueError naming file and key where one is not as a run leaves
        it.
    """
    folder = Path(folder)
    write_whole(folder / "README.md", str(make_card(folder, repo_id)))


def make_card(folder: str | os.PathLike, repo_id: str | None = None) -> ModelCard:
    """As `write_card`, but gives the card."""
    folder = Path(folder)
    left = read_left(folder)
    path = repo_id or _shown(folder)
    title = path.rstrip("/").rpartition("/")[2]
    template = (files("kospan.publishing.card") / "card.md.jinja").read_text(encoding="utf-8")
    parts = {
        "title": plain(title),
        "local": repo_id is None,
        "path": path,
        "smoke": is_smoke(left),
        "limits": limits(left),
        "labels": labels_table(left),
        "model_in_words": model_in_words(left),
        "techniques": techniques(left),
        "references": references(left),
        **summary_parts(left),
        **use_parts(left, path),
        **score_parts(left),
        **training_parts(left, path, repo_id is not None),
    }
    return ModelCard.from_template(card_data(left, title), template_str=template, **parts)


def _shown(folder: Path) -> str:
    """A folder as a card may name it: below the place where the run stood, else by its bare name."""
    try:
        return folder.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return folder.resolve().name


def summary_parts(left: Left) -> dict[str, str]:
    """The first sentence, and the same in Korean with the scores and the data."""
    about, labels = left.about, left.labels
    english = [plain(about.meanings[label][0] if label in about.meanings else label) for label in labels]
    korean = [plain(about.meanings[label][1] if label in about.meanings else label) for label in labels]
    more = len(labels) - NAMED
    kinds = listed(english) if more <= 0 else f"{', '.join(english[:NAMED])} and {more} more"
    korean_kinds = ", ".join(korean[:NAMED]) + (" 등" if more > 0 else "")
    texts, korean_texts = LANGUAGES[about.language] if about.language else ("text", "글")
    texts = f"{texts} text" if about.language else texts
    korean_texts = f"{korean_texts} 글" if about.language else korean_texts
    count = f"{len(labels)} type{'s' if len(labels) > 1 else ''}"
    terms = f" 라이선스: {about.terms[1]}." if about.terms[1] else " 이용 조건은 데이터 제공자가 정합니다."
    held = held_out(left)[1]
    found = {
        "summary": (
            f"This model finds {count} of named entities in {texts} ({kinds}), and gives each with its exact character "
            "offsets and its probability."
        ),
        "korean_summary": (
            f"{korean_texts}에서 개체명 {len(labels)}종({korean_kinds})을 찾아 글자 단위의 정확한 위치와 확률을 함께 "
            "알려 주는 모델입니다."
        ),
        "korean_data": f"**{plain(about.korean or about.title)}**입니다.{terms}",
        "korean_scores": f"검증 데이터({held})의 점수는 아래 [Scores](#scores)에 있습니다.",
    }
    if left.record is not None:
        record = left.record["evaluation"]
        row, plainly = record["overall"], record["baseline"]["overall"]
        low, high = row["f1 interval"]
        found["korean_scores"] = (
            f"검증 데이터({held}) {record['documents']:,}건(정답 개체 {row['gold']:,}개)에서 정밀도는 "
            f"{row['precision']:.4f}, 재현율은 {row['recall']:.4f}, **F1은 {row['f1']:.4f}**(95% 신뢰구간 {low:.4f}–"
            f"{high:.4f})입니다. 위치와 종류가 모두 정확히 맞은 개체만 정답으로 세고, 모든 종류를 합산(micro)한 "
            f"값입니다. 학습 데이터의 개체를 외운 사전과 간단한 규칙만으로는 F1이 {plainly['f1']:.4f}입니다."
        )
    return found


def labels_table(left: Left) -> str:
    """The types, what they mean where that is known, and how many there are."""
    counts = left.record["evaluation"]["labels"] if left.record is not None else None
    known = left.about.meanings
    meanings = any(label in known for label in left.labels)
    header = ["label", *(["meaning", "뜻"] if meanings else [])]
    rows = []
    for label in left.labels:
        row = [code(label), *(map(plain, known.get(label, ("", ""))) if meanings else ())]
        if counts is not None:
            row += [f"{counts[label][split]:,}" for split in ("training", "validation")]
        rows.append(row)
    return table([*header, *(["spans in training", "in validation"] if counts is not None else [])], rows, len(header))


def use_parts(left: Left, path: str) -> dict[str, str | None]:
    """The snippets, and what they print where the run has stored it."""
    stored = left.record["examples"] if left.record is not None else []
    texts = [each["text"] for each in stored] or sentences(left.setting("dataset"), left.language or "ko")
    printed = [
        [f"{each['text'][start:end]} {label} {start} {end}" for start, end, label, _ in each["spans"]]
        for each in stored
    ]
    usage = [
        "from transformers import AutoModel",
        "",
        f"model = AutoModel.from_pretrained({quoted(path)}, trust_remote_code=True)",
        "texts = [",
        *(f"    {quoted(text)}," for text in texts),
        "]",
        "for text, spans in zip(texts, model.extract(texts)):",
        "    for span in spans:",
        "        print(text[span.start : span.end], span.label, span.start, span.end)",
    ]
    pipeline = [
        "from transformers import pipeline",
        "",
        f'pipe = pipeline("token-classification", model={quoted(path)}, trust_remote_code=True)',
        f"for entity in pipe({quoted(texts[-1])}):",
        '    print(entity["word"], entity["entity_group"], entity["start"], entity["end"])',
    ]
    has_pipeline = "token-classification" in (left.config.get("custom_pipelines") or {})
    return {
        "usage": "\n".join(usage),
        "usage_output": "\n".join(line for lines in printed for line in lines) or None,
        "pipeline": "\n".join(pipeline) if has_pipeline else None,
        "pipeline_output": ("\n".join(printed[-1]) if printed else "") or None,
    }


def quoted(text: str) -> str:
    """A string as Python source in double quotes.

    >>> print(quoted('a "b"'))
    "a \\"b\\""
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
