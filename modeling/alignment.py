"""Alignment of characters, units, subwords and windows, with exact offsets into the original text.

A *unit* carries a tag: a character, or a word. A *subword* is an input token of the encoder. A *window* is a stretch
of subwords that fits into the encoder. Everything here is plain Python; the tokenizer is any fast tokenizer of
transformers.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from .character_ngrams import CharacterNgrams
from .word_shapes import shape_of
from .words import WORD_SPLITTINGS, document_text, document_words, plain_spaces

UNITS = ("character", "word")
ENCODER_INPUTS = ("units", "subwords")
NORMALIZATIONS = ("NFC", "none")

_LONGEST_CLUSTER = 32
# More ids than any vocabulary has; a larger id is damage.
_MOST_IDS = 2**24
_UNUSED = re.compile(r"[\[<]unused\d+[\]>]")


class Document(NamedTuple):
    """A text as units and subwords.

    Args:
        text: The text as the user gave it; of a list of words, the words with a space between them.
        units: `(start, end)` of each unit in characters of `text`, in order, disjoint.
        subwords: Vocabulary ids of the whole text, without special tokens.
        offsets: `(start, end)` of each subword in characters of `text`.
        unit_subwords: Index of the subword whose vector each unit takes; -1 is the special token before the first
            subword.
        unit_places: Place of each unit inside (or behind) its subword, in units from the subword's first.
        word_shape_feature: Id of each unit's shape, see `word_shapes.py`; empty if the model does not use it.
        character_ngrams: Ids of the n-grams around each unit `(units, windows)`, see `character_ngrams.py`; empty if
            the model does not use them.
    """

    text: str
    units: list[tuple[int, int]]
    subwords: list[int]
    offsets: list[tuple[int, int]]
    unit_subwords: list[int]
    unit_places: list[int]
    word_shape_feature: list[int]
    character_ngrams: list[list[int]]


class Window(NamedTuple):
    """Input of the encoder for one part of a document.

    Args:
        first_subword: Index of the window's first subword in the document.
        first_unit: Index of the window's first unit in the document.
        input_ids: Subwords with special tokens `(length)`.
        unit_positions: Position in `input_ids` whose vector each unit takes `(units)`.
        unit_places: As in `Document`, for this window's units `(units)`.
        word_shape_feature: As in `Document`, for this window's units `(units)`.
        character_ngrams: As in `Document`, for this window's units `(units, windows)`.
        text_at: Position of the window's first own subword; special tokens and a question precede it.
        begins: Whether the window holds the document's first unit.
        ends: Whether the window holds the document's last unit.
    """

    first_subword: int
    first_unit: int
    input_ids: list[int]
    unit_positions: list[int]
    unit_places: list[int]
    word_shape_feature: list[int]
    character_ngrams: list[list[int]]
    text_at: int
    begins: bool
    ends: bool


def clusters(text: str, normalization: str = "NFC") -> list[tuple[int, int, str]]:
    r"""The characters of the composed text, each with the stretch of `text` it was composed from.

    Composed text (nearly all there is) gives one entry per character. Where characters compose, as in the Hangul that
    macOS writes into file names, one entry covers all that belong together. White space composes with nothing.

    Returns:
        `(start, end, composed)`, in order and without gaps.

    >>> clusters("가나")
    [(0, 1, '가'), (1, 2, '나')]
    >>> clusters("\u1100\u1161\u1102\u1161")
    [(0, 2, '가'), (2, 4, '나')]
    """
    if normalization == "none" or unicodedata.is_normalized("NFC", text):
        return [(at, at + 1, character) for at, character in enumerate(text)]
    if unicodedata.is_normalized("NFC", plain_spaces(text)):  # NFC writes U+2000 and U+2001 as U+2002 and U+2003.
        return [(at, at + 1, unicodedata.normalize("NFC", character)) for at, character in enumerate(text)]
    found: list[tuple[int, int, str]] = []
    for at, character in enumerate(text):
        alone = unicodedata.normalize("NFC", character)
        if found and not found[-1][2].isspace():
            start, _, composed = found[-1]
            together = unicodedata.normalize("NFC", composed + character)
            # A combining mark may compose with later characters only, or be reordered: it stays with its base.
            # A run of marks is cut where Unicode's stream-safe format cuts it, or it would cost time quadratic in its
            # length.
            if at - start < _LONGEST_CLUSTER and (together != composed + alone or unicodedata.combining(character)):
                found[-1] = (start, at + 1, together)
                continue
        found.append((at, at + 1, alone))
    return found


def unit_spans(units: list[tuple[int, int]], spans: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Convert character spans to unit spans: every unit that shares a character with a span belongs to it.

    Args:
        units: Character offsets of each unit, in order and disjoint.
        spans: `(start, end, label)` in characters, sorted; more fields are ignored. A span without any unit is left
            out.

    >>> unit_spans([(0, 3), (4, 9)], [(5, 7, "LC")])
    [(1, 2, 'LC')]
    """
    starts, ends = [start for start, _ in units], [end for _, end in units]
    found, reached = [], 0
    for start, end, label, *_ in spans:
        first = bisect_left(ends, start + 1)
        last = bisect_left(starts, end)
        first = max(first, reached)
        if first < last:
            found.append((first, last, label))
            reached = last
    return found


class Aligner:
    """Conversion of texts to units, subwords and windows with a model's settings.

    Args:
        tokenizer: A fast tokenizer of transformers.
        unit: "character" or "word".
        encoder_input: "units" tokenises each unit by itself as a word start; "subwords" tokenises the text as a whole.
        normalization: "NFC" or "none".
        max_length: Most positions the encoder reads at once, special tokens included.
        stride: Overlap of neighbouring windows in subwords.
        places: Number of places; a unit further from its subword's start counts as at the last place.
        shapes: Whether units get their shapes.
        word_splitting: Method of splitting a raw text into words, see `words.py`: "white_space" or "punctuation".
        ngrams: Vocabulary of the n-grams around each unit, which has to be the character; None leaves them out.

    Raises:
        ValueError: If the tokenizer gives no offsets or puts nothing before a text, or if `stride` leaves a window
            nothing new to read.
    """

    def __init__(
        self,
        tokenizer,
        unit: str = "character",
        encoder_input: str = "subwords",
        normalization: str = "NFC",
        max_length: int = 512,
        stride: int = 64,
        places: int = 16,
        shapes: bool = False,
        word_splitting: str = "white_space",
        ngrams: CharacterNgrams | None = None,
    ):
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError(
                f"expected a fast tokenizer, which gives offsets, got {type(tokenizer).__name__}; save it as a fast "
                "one (AutoTokenizer.from_pretrained(name, use_fast=True).save_pretrained(folder))"
            )
        for name, value, choices in (
            ("unit", unit, UNITS),
            ("encoder_input", encoder_input, ENCODER_INPUTS),
            ("normalization", normalization, NORMALIZATIONS),
            ("word_splitting", word_splitting, WORD_SPLITTINGS),
        ):
            if value not in choices:
                raise ValueError(f"expected {name} to be one of {', '.join(choices)}, got {value!r}")
        self.tokenizer = tokenizer
        self.unit, self.encoder_input, self.normalization = unit, encoder_input, normalization
        self.places, self.shapes, self.word_splitting, self.ngrams = places, shapes, word_splitting, ngrams
        largest = max(tokenizer.get_vocab().values(), default=0)
        if largest >= _MOST_IDS:  # Writing its settings, below, counts up to the largest id.
            raise ValueError(
                f"expected a tokenizer with ids below {_MOST_IDS:,}, got {largest:,}; copy tokenizer.json from the "
                "model again"
            )
        special = tokenizer("")["input_ids"]
        half = (len(special) + 1) // 2
        self.prefix, self.suffix = special[:half], special[half:]
        if tokenizer("a")["input_ids"][:half] != self.prefix:
            raise ValueError(
                "expected a tokenizer that puts the first of its special tokens before a text, as in [CLS] text "
                "[SEP], got one that puts all behind it; use an encoder of BERT's, RoBERTa's or ELECTRA's kind"
            )
        # Special tokens between two texts; version 5 ignores an empty second text.
        own = len(tokenizer("a", add_special_tokens=False)["input_ids"])
        pair = tokenizer("a", "a")["input_ids"]
        self.middle = pair[half + own : len(pair) - own - len(self.suffix)] or list(self.suffix)
        self.max_length, self.room = max_length, max_length - len(special)
        self.step = self.room - stride
        if stride < 0 or self.step < 1:
            raise ValueError(
                f"expected 0 <= stride < max_length - {len(special)} special tokens = {self.room}, got stride "
                f"{stride} with max_length {max_length}; raise max_length or lower stride"
            )
        # A byte-level tokenizer marks a word start by the space before it.
        self._word_start = " " if '"ByteLevel"' in tokenizer.backend_tokenizer.to_str() else ""
        self._subwords_of: dict[str, list[int]] = {}
        self._blank = self._blank_subword()

    def _blank_subword(self) -> int:
        """The subword for white space: the first unused vocabulary entry, else the unknown token."""
        unused = [(at, subword) for subword, at in self.tokenizer.get_vocab().items() if _UNUSED.fullmatch(subword)]
        if unused:
            return min(unused)[0]
        if self.tokenizer.unk_token_id is not None:
            return self.tokenizer.unk_token_id
        return self.tokenizer.pad_token_id or 0

    def documents(self, texts: Sequence[str | Sequence[str]]) -> list[Document]:
        """Convert texts to documents; an empty text has no units and no subwords.

        Args:
            texts: Raw texts, or lists of words, which are the units where the unit is the word.
        """
        if self.encoder_input == "units":
            return [self._from_units(text) for text in texts]
        return self._from_subwords(texts)

    def _from_units(self, document: str | Sequence[str]) -> Document:
        text = document_text(document)
        if self.unit == "character":
            found = clusters(text, self.normalization)
            units, parts = [(start, end) for start, end, _ in found], [composed for _, _, composed in found]
        else:
            units = document_words(document, self.word_splitting)
            parts = [text[start:end] for start, end in units]
            if self.normalization != "none":
                parts = [unicodedata.normalize("NFC", part) for part in parts]
        parts = [plain_spaces(part) for part in parts]
        new = [part for part in dict.fromkeys(parts) if part not in self._subwords_of]
        if new:
            rows = self._tokenize([self._word_start + part for part in new])["input_ids"]
            # Tokenizers differ in their output for a single space.
            found = (row if row and not part.isspace() else [self._blank] for part, row in zip(new, rows))
            self._subwords_of.update(zip(new, found))
        rows = [self._subwords_of[part] for part in parts]
        subwords = [subword for row in rows for subword in row]
        if len(subwords) == len(units):  # As with most vocabularies of characters: a subword for each unit.
            offsets, unit_subwords = list(units), list(range(len(units)))
        else:
            offsets = [span for span, row in zip(units, rows) for _ in row]
            unit_subwords = [0, *accumulate(map(len, rows[:-1]))] if rows else []
        shapes, ngrams = self._shapes(text, units), self._ngrams(parts)
        return Document(text, units, subwords, offsets, unit_subwords, [0] * len(units), shapes, ngrams)

    def _from_subwords(self, given: Sequence[str | Sequence[str]]) -> list[Document]:
        texts = [document_text(document) for document in given]
        parts_of = [clusters(text, self.normalization) for text in texts]
        # A tokenizer may keep, drop or glue white space other than a space.
        composed_texts = [plain_spaces("".join(composed for _, _, composed in parts)) for parts in parts_of]
        rows = self._tokenize(composed_texts, offsets=True)
        documents = []
        for document, text, parts, subwords, composed_offsets in zip(
            given, texts, parts_of, rows["input_ids"], rows["offset_mapping"]
        ):
            # Index of the cluster behind each character of the composed text: offsets of subwords count those.
            cluster_of = [at for at, (_, _, composed) in enumerate(parts) for _ in composed]
            subword_clusters = []
            for start, end in composed_offsets:
                # Some tokenizers count the space before a word as part of its subword; only a subword of spaces keeps
                # them.
                first = start
                while first < end and parts[cluster_of[first]][2].isspace():
                    first += 1
                first = first if first < end else start
                subword_clusters.append((cluster_of[first], cluster_of[end - 1] + 1) if first < end else None)
            at_cluster, covered = _subwords_by_cluster(subword_clusters, len(parts))
            if self.unit == "character":
                units, chosen = [(start, end) for start, end, _ in parts], range(len(parts))
            else:
                units = document_words(document, self.word_splitting)
                chosen = _clusters_of_words(parts, covered, units)
            unit_subwords = [at_cluster[cluster][0] for cluster in chosen]
            unit_places = [min(at_cluster[cluster][1], self.places - 1) for cluster in chosen]
            offsets = [(parts[span[0]][0], parts[span[1] - 1][1]) if span else (0, 0) for span in subword_clusters]
            shapes, ngrams = self._shapes(text, units), self._ngrams([composed for _, _, composed in parts])
            documents.append(Document(text, units, subwords, offsets, unit_subwords, unit_places, shapes, ngrams))
        return documents

    def _shapes(self, text: str, units: list[tuple[int, int]]) -> list[int]:
        return [shape_of(text[start:end]) for start, end in units] if self.shapes else []

    def _ngrams(self, characters: list[str]) -> list[list[int]]:
        return self.ngrams.ids(characters) if self.ngrams is not None else []

    def _tokenize(self, texts: list[str], offsets: bool = False):
        return self.tokenizer(
            texts,
            add_special_tokens=False,
            return_offsets_mapping=offsets,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )

    def windows(
        self,
        document: Document,
        question: Sequence[int] | None = None,
        stride: int | None = None,
        max_length: int | None = None,
    ) -> list[Window]:
        """Split a document into windows, in order; a document without units has none.

        Args:
            document: The text taken apart.
            question: Subwords before every window, as the first of two texts; None if there are none.
            stride: Overlap of neighbouring windows in subwords; None takes the aligner's own.
            max_length: Most positions of a window; None takes the aligner's own.

        Raises:
            ValueError: If stride or question leave a window nothing new to read.
        """
        if not document.units:
            return []
        max_length = self.max_length if max_length is None else max_length
        stride = self.room - self.step if stride is None else stride
        prefix = self.prefix if question is None else [*self.prefix, *question, *self.middle]
        room = max_length - len(prefix) - len(self.suffix)
        step = room - stride
        if step < 1:
            most = step - 1 + len(question or ())  # subwords of a question that would leave one to read
            if most < 1:
                raise ValueError(
                    f"expected a stride that leaves a window of {max_length} positions something new to read, got "
                    f"{stride}; make the stride shorter or the window longer"
                )
            raise ValueError(
                f"expected a question of at most {most} subwords, got {len(question)}; make the window longer, or "
                "the stride or max_query_length shorter"
            )
        found = []
        for start in range(0, max(1, len(document.subwords)), step):
            end = min(start + room, len(document.subwords))
            first = bisect_left(document.unit_subwords, start) if start else 0
            last = len(document.units) if end == len(document.subwords) else bisect_left(document.unit_subwords, end)
            if first < last:
                found.append(
                    Window(
                        first_subword=start,
                        first_unit=first,
                        input_ids=prefix + document.subwords[start:end] + self.suffix,
                        unit_positions=_shifted(document.unit_subwords[first:last], len(prefix) - start),
                        unit_places=document.unit_places[first:last],
                        word_shape_feature=document.word_shape_feature[first:last],
                        character_ngrams=document.character_ngrams[first:last],
                        text_at=len(prefix),
                        begins=first == 0,
                        ends=last == len(document.units),
                    )
                )
            if end == len(document.subwords):
                break
        return found

    def owners(self, document: Document, windows: list[Window]) -> list[int]:
        """Return for each unit the index of the window in which its subword is farthest from an edge.

        Ties go to the earlier window.
        """
        best, owner = [-1] * len(document.units), [0] * len(document.units)
        if len(windows) == 1:
            return owner
        for at, window in enumerate(windows):
            subwords = len(window.input_ids) - len(self.prefix) - len(self.suffix)
            for unit in range(window.first_unit, window.first_unit + len(window.unit_positions)):
                subword = max(0, document.unit_subwords[unit] - window.first_subword)
                distance = min(subword, subwords - 1 - subword)
                if distance > best[unit]:
                    best[unit], owner[unit] = distance, at
        return owner


def _shifted(subwords: list[int], by: int) -> list[int]:
    """Convert indices of subwords to positions in a window; those before its first position take that one."""
    positions = [subword + by for subword in subwords]
    return [max(0, position) for position in positions] if positions and positions[0] < 0 else positions


def _subwords_by_cluster(
    subword_clusters: list[tuple[int, int] | None], length: int
) -> tuple[list[tuple[int, int]], list[bool]]:
    """Return `(subword, place)` for each cluster, and whether a subword covers it.

    The subword is the first one that covers the cluster, else the last one before it, else -1.
    """
    first: list[int | None] = [None] * length
    last: list[int | None] = [None] * length
    for subword, span in enumerate(subword_clusters):
        for cluster in range(*span) if span else ():
            first[cluster] = subword if first[cluster] is None else first[cluster]
            last[cluster] = subword
    found, before, start = [], -1, 0
    for cluster in range(length):
        if first[cluster] is not None:
            found.append((first[cluster], cluster - subword_clusters[first[cluster]][0]))
            before, start = last[cluster], subword_clusters[last[cluster]][0]
        else:
            found.append((before, cluster - start))
    return found, [subword is not None for subword in first]


def _clusters_of_words(
    parts: list[tuple[int, int, str]], covered: list[bool], words: list[tuple[int, int]]
) -> list[int]:
    """Return for each word the first of its clusters that a subword covers, else its first.

    Tokenizers drop invisible characters, which no subword covers.
    """
    ends, found = [end for _, end, _ in parts], []
    for start, end in words:
        first = cluster = bisect_left(ends, start + 1)
        while cluster < len(parts) and parts[cluster][0] < end and not covered[cluster]:
            cluster += 1
        found.append(cluster if cluster < len(parts) and parts[cluster][0] < end else first)
    return found


def aligner_settings(config, ngrams: CharacterNgrams | None) -> dict:
    """Return the arguments of a model's `Aligner` beside the tokenizer.

    Args:
        config: Config of the model.
        ngrams: Its vocabulary of character n-grams; None if it has none.
    """
    return {
        "unit": config.unit,
        "encoder_input": config.encoder_input,
        "normalization": config.normalization,
        "max_length": config.max_length,
        "stride": config.stride,
        "places": getattr(config, "places", 1),
        "shapes": getattr(config, "word_shape_feature", False),
        "word_splitting": config.word_splitting,
        "ngrams": ngrams,
    }
