"""Text for a small decoder: sentences of the sets' training parts, byte-level pieces, and exercises in copying."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from tokenizers import ByteLevelBPETokenizer
from transformers import PreTrainedTokenizerFast

from kospan.data.corpus import read_examples
from kospan.example import Example
from modeling.prompts import frame, write_reply

# By language: data sets and files, of which `training_part` is read.
TEXTS = {
    "en": [
        ("gmb", "gmb-kaggle/ner_dataset.csv.zip"),
        ("conll2003", "conll2003/eng.train.gz"),
        ("wnut17", "wnut17/wnut17train.conll"),
    ],
    "ko": [
        ("kmou", "kmounlp-ner/corpus.tar.gz"),
        ("klue_ner", "klue-ner/klue-ner-v1.1_dev_minus_holdout.tsv"),
    ],
}
# Sets that have a file of their own for validation; the others are cut by place, every 8th kept out.
CUT = ("gmb", "kmou", "klue_ner")
END = "<|end|>"
# Stands for a type in the exercises; no set has it.
QUOTED = "quote"


def training_part(dataset: str, file: Path) -> list[Example]:
    """The examples of a file that may be trained on."""
    examples = read_examples(dataset, str(file))
    return [each for at, each in enumerate(examples) if dataset not in CUT or at % 8]


def texts(language: str, folder: Path) -> list[str]:
    """The different texts of a language's training parts, in their order; labels are not looked at."""
    found = (each.text for dataset, file in TEXTS[language] for each in training_part(dataset, folder / file))
    return list(dict.fromkeys(found))


def byte_level_tokenizer(lines: Sequence[str], size: int, length: int) -> PreTrainedTokenizerFast:
    """Byte-pair encoding over bytes, which can write any text.

    Args:
        lines: What it is trained on.
        size: Pieces, bytes and the end included.
        length: Positions of the model.
    """
    inside = ByteLevelBPETokenizer()
    inside.train_from_iterator(lines, vocab_size=size, min_frequency=2, special_tokens=[END], show_progress=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=inside._tokenizer, eos_token=END, pad_token=END, model_max_length=length
    )


def exercise(text: str, draw: random.Random, dense: bool = False) -> str:
    """A text, then stretches of its words quoted in order, as a prompt and its reply are written.

    Args:
        text: What is quoted.
        draw: Chooses the stretches.
        dense: Whether most words are quoted, not five stretches at most.

    >>> exercise("one two three four", random.Random(2))
    'Text:\\none two three four\\nAnswer:\\n[quote: two three]'
    """
    before, behind = frame("", [QUOTED], {})
    words, found, at = text.split(), [], 0
    for _ in range(len(words) if dense else draw.randint(0, 5)):
        at += draw.randint(0, 2 if dense else max(1, len(words) // 4))
        length = draw.choice((1, 1, 1, 2, 2, 3))
        if at + length > len(words):
            break
        found.append((QUOTED, " ".join(words[at : at + length])))
        at += length
    return f"{before}{text}{behind}{write_reply(found)}"


def rows(
    lines: Sequence[str], tokenizer, length: int, passes: int, seed: int, dense: bool = False
) -> Iterator[list[int]]:
    """Rows that fill `length` positions: texts as they are in half of the cases, exercises in the other half, in an
    order drawn anew for every pass, with the end between them.

    Args:
        lines: The texts.
        tokenizer: What cuts them.
        length: Positions of a row.
        passes: How often each text is read.
        seed: Of the order and the exercises.
        dense: Whether all texts become exercises, and dense ones.
    """
    draw, open_row = random.Random(seed), []
    for _ in range(passes):
        order = list(lines)
        draw.shuffle(order)
        written = [exercise(text, draw, dense) if dense or draw.random() < 0.5 else text for text in order]
        for pieces in tokenizer(written, add_special_tokens=False)["input_ids"]:
            open_row += [*pieces, tokenizer.eos_token_id]
            while len(open_row) >= length:
                yield open_row[:length]
                open_row = open_row[length:]
