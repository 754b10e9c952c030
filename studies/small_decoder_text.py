"""Text for a small decoder: sentences of the sets' training parts, byte-level subwords, and exercises in copying."""

import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from tokenizers import ByteLevelBPETokenizer
from transformers import PreTrainedTokenizerFast

from kospan.data.corpus import read_examples
from kospan.example import Example
from kospan.modeling.prompts import frame, write_reply

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
# Placeholders of types in the exercises; no data set has them.
QUOTED, NAMED = "quote", "name"


def training_part(dataset: str, file: Path) -> list[Example]:
    """The examples of a file that may be trained on."""
    examples = read_examples(dataset, str(file))
    return [each for at, each in enumerate(examples) if dataset not in CUT or at % 8]


def texts(language: str, folder: Path) -> list[str]:
    """The different texts of a language's training parts, in their order, without labels."""
    found = (each.text for dataset, file in TEXTS[language] for each in training_part(dataset, folder / file))
    return list(dict.fromkeys(found))


def byte_level_tokenizer(lines: Sequence[str], size: int, length: int) -> PreTrainedTokenizerFast:
    """Byte-pair encoding over bytes, which can write any text.

    Args:
        lines: What it is trained on.
        size: Subwords, bytes and the end included.
        length: Positions of the model.
    """
    inside = ByteLevelBPETokenizer()
    inside.train_from_iterator(lines, vocab_size=size, min_frequency=2, special_tokens=[END], show_progress=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=inside._tokenizer, eos_token=END, pad_token=END, model_max_length=length
    )


def exercise(text: str, draw: random.Random) -> str:
    """A text, then some of its words quoted in order, as a prompt and its reply are written: every run of capitalised
    words in half of the texts that have any, drawn stretches in the others.

    Args:
        text: What is quoted.
        draw: Chooses.

    >>> exercise("one two three four", random.Random(2))
    'Text:\\none two three four\\nAnswer:\\n[quote: one] [quote: two]'
    >>> exercise("The red Eiffel Tower", random.Random(1))
    'Text:\\nThe red Eiffel Tower\\nAnswer:\\n[name: The] [name: Eiffel Tower]'
    """
    words = text.split()
    found = [(NAMED, run) for run in capitalised(words)] if draw.random() < 0.5 else []
    found = found or [(QUOTED, stretch) for stretch in stretches(words, draw)]
    before, behind = frame("", [found[0][0] if found else QUOTED], {})
    return f"{before}{text}{behind}{write_reply(found)}"


def capitalised(words: Sequence[str]) -> list[str]:
    """Runs of words that begin with a capital letter.

    >>> capitalised("The red Eiffel Tower".split())
    ['The', 'Eiffel Tower']
    """
    runs = itertools.groupby(words, lambda word: word[0].isupper())
    return [" ".join(run) for capital, run in runs if capital]


def stretches(words: Sequence[str], draw: random.Random) -> list[str]:
    """Stretches of one to three words with up to two words between them."""
    found, at = [], 0
    while True:
        at += draw.randint(0, 2)
        length = draw.choice((1, 1, 1, 2, 2, 3))
        if at + length > len(words):
            return found
        found.append(" ".join(words[at : at + length]))
        at += length


def rows(lines: Sequence[str], tokenizer, length: int, passes: int, seed: int) -> Iterator[list[int]]:
    """Rows that fill `length` positions: texts as they are in half of the cases, exercises in the other half, in an
    order drawn anew for every pass, with the end between them.

    Args:
        lines: The texts.
        tokenizer: What cuts them.
        length: Positions of a row.
        passes: How often each text is read.
        seed: Of the order and the exercises.
    """
    draw, open_row = random.Random(seed), []
    for _ in range(passes):
        order = list(lines)
        draw.shuffle(order)
        written = [exercise(text, draw) if draw.random() < 0.5 else text for text in order]
        for subwords in tokenizer(written, add_special_tokens=False)["input_ids"]:
            open_row += [*subwords, tokenizer.eos_token_id]
            while len(open_row) >= length:
                yield open_row[:length]
                open_row = open_row[length:]
