"""Cut a file into parts by position: one in the form of SQuAD by articles, any other by blocks between empty lines.

    python studies/cut_parts.py KorQuAD.json OUT train=1,2,3,4,5 fit=0 report=6,7
    python studies/cut_parts.py klue-ner.tsv OUT train=1,3,5,7 fit=0,4 report=2,6

Each part names remainders: an article or block at position p (from 0) belongs to the part that holds p % 8. The files
are OUT/train.json or OUT/train.tsv and so on.
"""

import argparse
import json
import re
from pathlib import Path

from kospan.data.text import decoded, read_bytes


def cut(text: str, is_json: bool, remainders: set[int]) -> tuple[str, int]:
    """Text of a part, and the number of its articles or blocks.

    >>> cut("a O\\n\\nb O\\nc O\\n", False, {1})
    ('b O\\nc O\\n\\n', 1)
    """
    document = json.loads(text) if is_json else {}
    items = document["data"] if is_json else [f"{block}\n\n" for block in re.split(r"\n\n+", text.strip("\n"))]
    kept = [item for at, item in enumerate(items) if at % 8 in remainders]
    return json.dumps({**document, "data": kept}, ensure_ascii=False) if is_json else "".join(kept), len(kept)


def main(words: list[str] | None = None) -> None:
    """Writes the files and prints how much each holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("out", type=Path)
    parser.add_argument("parts", nargs="+", help="NAME=REMAINDERS, such as train=1,2,3")
    arguments = parser.parse_args(words)
    text = decoded(read_bytes(arguments.file), arguments.file).replace("\r\n", "\n")
    is_json = ".json" in Path(arguments.file).suffixes
    arguments.out.mkdir(parents=True, exist_ok=True)
    for part in arguments.parts:
        name, _, remainders = part.partition("=")
        kept, number = cut(text, is_json, {int(each) for each in remainders.split(",")})
        path = arguments.out / f"{name}{'.json' if is_json else '.tsv'}"
        path.write_text(kept, encoding="utf-8")
        print(f"{path}: {number:,} {'articles' if is_json else 'blocks'}")


if __name__ == "__main__":
    main()
