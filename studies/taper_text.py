"""Text for the study of long positions: documents in their order, a small vocabulary, stretches of one length."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from kospan.data.kmou import read_kmou
from kospan.data.questions import list_of, read_articles

# As RoBERTa counts them: the padding is 1, so positions begin at 2.
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
HELD_OUT = 8


class Document(NamedTuple):
    """A text and the part it belongs to.

    Args:
        name: Of an article or a file.
        text: All of it, in its order.
        held_out: Whether it is kept for evaluation.
    """

    name: str
    text: str
    held_out: bool


def documents(folder: Path) -> list[Document]:
    """KorQuAD's articles, their paragraphs joined, and KMOU's files, their sentences joined; every 8th is held out.

    Args:
        folder: With `korquad-v1/*.json.gz` in it (another file of SQuAD's form will do) and, where one has it,
            `kmounlp-ner/corpus.tar.gz`.

    Raises: FileNotFoundError where there are no articles.
    """
    files = sorted((folder / "korquad-v1").glob("*.json*"))
    if not files:
        raise FileNotFoundError(
            f"expected KorQuAD's JSON in {folder / 'korquad-v1'}, found none; pass the folder above it with --data"
        )
    found = []
    for file in files:
        for at, article in enumerate(read_articles(file, "SQuAD")):
            text = "\n".join(paragraph["context"] for paragraph in list_of(article, "paragraphs", str(file)))
            found.append(Document(f"korquad {at}", text, at % HELD_OUT == 0))
    corpus = folder / "kmounlp-ner" / "corpus.tar.gz"
    if corpus.is_file():
        sentences = ((item.place.rsplit(":", 1)[0], item.example.text) for item in read_kmou(str(corpus)))
        for at, (name, group) in enumerate(itertools.groupby(sentences, key=lambda pair: pair[0])):
            text = " ".join(sentence for _, sentence in group)
            found.append(Document(f"kmou {Path(name).name}", text, at % HELD_OUT == 0))
    return found


def small_tokenizer(texts: Sequence[str], size: int, length: int) -> PreTrainedTokenizerFast:
    """Byte-pair encoding over letters, Hangul taken apart, words cut at white space and signs, `<s>` and `</s>` around.

    Args:
        texts: What it is trained on; never the held-out part.
        size: Subwords, the special ones included.
        length: Positions of the model.
    """
    inside = Tokenizer(models.BPE(unk_token="<unk>"))
    inside.normalizer = normalizers.NFD()
    inside.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\s+"), "removed"),
            pre_tokenizers.Metaspace(prepend_scheme="always", split=False),
            pre_tokenizers.Punctuation("isolated"),
            pre_tokenizers.Digits(individual_digits=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=SPECIAL, limit_alphabet=2 * size // 3, min_frequency=2, show_progress=False
    )
    inside.train_from_iterator(texts, trainer)
    inside.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), True, False)
    return PreTrainedTokenizerFast(
        tokenizer_object=inside,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        sep_token="</s>",
        pad_token="<pad>",
        cls_token="<s>",
        mask_token="<mask>",
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=length,
    )


def stretches(subwords: Sequence[int], length: int, step: int, bos: int, eos: int) -> Iterator[list[int]]:
    """Every stretch of a document that fills `length` positions with `<s>` and `</s>`; shorter rests are omitted.

    Args:
        subwords: Of a document, without special ones.
        length: Positions of a stretch.
        step: Subwords from the start of one to the start of the next.
        bos: Subword before each.
        eos: Subword after each.

    >>> list(stretches([7, 8, 9, 10, 11], 4, 1, 0, 2))
    [[0, 7, 8, 2], [0, 8, 9, 2], [0, 9, 10, 2], [0, 10, 11, 2]]
    """
    inside = length - 2
    for start in range(0, len(subwords) - inside + 1, step):
        yield [bos, *subwords[start : start + inside], eos]


class Texts(NamedTuple):
    """The text in subwords.

    Args:
        short: Training stretches that the short model reads, one starting in the middle of the one before.
        long: Training stretches of the long length.
        held_out: Stretches of the long length for evaluation, without overlap.
        names: The document that each of `held_out` comes from.
    """

    short: list[list[int]]
    long: list[list[int]]
    held_out: list[list[int]]
    names: list[str]


def in_subwords(found: Sequence[Document], tokenizer, short: int, long: int) -> Texts:
    """Cuts documents into stretches of both lengths."""
    texts = Texts([], [], [], [])
    ends = tokenizer.bos_token_id, tokenizer.eos_token_id
    cut = tokenizer([each.text for each in found], add_special_tokens=False, verbose=False)["input_ids"]
    for document, subwords in zip(found, cut):
        if document.held_out:
            own = list(stretches(subwords, long, long - 2, *ends))
            texts.held_out.extend(own)
            texts.names.extend([document.name] * len(own))
        else:
            texts.short.extend(stretches(subwords, short, (short - 2) // 2, *ends))
            texts.long.extend(stretches(subwords, long, (long - 2) // 2, *ends))
    return texts
