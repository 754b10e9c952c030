"""Cuts a file in the form of SQuAD into files of whole articles, by their position.

    python studies/cut_articles.py KorQuAD.json OUT train=1,2,3,4,5 fit=0 report=6,7

Each part names remainders: an article at position p (from 0) belongs to the part that holds p % 8. The files are
OUT/train.json and so on.
"""

import argparse
import json
from pathlib import Path

from kospan.data.text import decoded, read_bytes


def main() -> None:
    """Write the files and print their numbers of questions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("out", type=Path)
    parser.add_argument("parts", nargs="+", help="NAME=REMAINDERS, such as train=1,2,3")
    arguments = parser.parse_args()
    document = json.loads(decoded(read_bytes(arguments.file), arguments.file))
    arguments.out.mkdir(parents=True, exist_ok=True)
    for part in arguments.parts:
        name, _, remainders = part.partition("=")
        kept = {int(each) for each in remainders.split(",")}
        articles = [article for at, article in enumerate(document["data"]) if at % 8 in kept]
        questions = sum(len(paragraph["qas"]) for article in articles for paragraph in article["paragraphs"])
        path = arguments.out / f"{name}.json"
        path.write_text(json.dumps({**document, "data": articles}, ensure_ascii=False), encoding="utf-8")
        print(f"{path}: {len(articles)} articles, {questions:,} questions")


if __name__ == "__main__":
    main()
