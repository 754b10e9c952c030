"""Characters <-> units <-> pieces <-> windows, with exact offsets into the text as the user gave it.

A *unit* is what carries a tag: a character, or a word. A *piece* is what the encoder reads. A *window* is a stretch of
pieces that fits into the encoder. Everything here is plain Python; the tokenizer is any fast tokenizer of transformers.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from .shapes import shape_of
from .words import WORD_SPLITTINGS, document_text, document_words, plain_spaces

UNITS = ("character", "word")
ENCODER_INPUTS = ("units", "subwords")
NORMALIZATIONS = ("NFC", "none")

_LONGEST_CLUSTER = 32
_UNUSED = re.compile(r"[\[<]unused\d+[\]>]")


class Document(NamedTuple):
    """A text taken apart.

    Args:
        text: The text as the user gave it; of a list of words, the words with a space between them.
        units: `(start, end)` of each unit in characters of `text`, in order, disjoint.
        pieces: Vocabulary ids of the whole text, without special tokens.
        offsets: `(start, end)` of each piece in characters of `text`.
        unit_pieces: Index of the piece whose vector each unit takes; -1 is the special token before the first piece.
        unit_places: Place of each unit inside (or behind) its piece, in units from the piece's first.
        unit_shapes: Id of each unit's shape, see `shapes.py`; empty where the model is not told.
    """

    text: str
    units: list[tuple[int, int]]
    pieces: list[int]
    offsets: list[tuple[int, int]]
    unit_pieces: list[int]
    unit_places: list[int]
    unit_shapes: list[int]


class Window(NamedTuple):
    """What the encoder reads at once.

    Args:
        first_piece: Index of the window's first piece in the document.
        first_unit: Index of the window's first unit in the document.
        input_ids: Pieces with special tokens `(length)`.
        unit_positions: Position in `input_ids` whose vector each unit takes `(units)`.
        unit_places: As in `Document`, for this window's units `(units)`.
        unit_shapes: As in `Document`, for this window's units `(units)`.
        text_at: Position of the window's first own piece; before it stand special tokens and a question.
        begins: Whether the window holds the document's first unit.
        ends: Whether the window holds the document's last unit.
    """

    first_piece: int
    first_unit: int
    input_ids: list[int]
    unit_positions: list[int]
    unit_places: list[int]
    unit_shapes: list[int]
    text_at: int
    begins: bool
    ends: bool


def clusters(text: str, normalization: str = "NFC") -> list[tuple[int, int, str]]:
    """The characters of the composed text, each with the stretch of `text` it was composed from.

    Composed text (nearly all there is) gives one entry per character. Where characters compose, as in the Hangul that
    macOS writes into file names, one entry covers all that belong together. White space composes with nothing.

    Returns: `(start, end, composed)`, in order and without gaps.

    >>> clusters("가나")
    [(0, 1, '가'), (1, 2, '나')]
    >>> clusters("\\u1100\\u1161\\u1102\\u1161")
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
            # A combining mark may compose only with what comes later, or be reordered: it stays with its base.
            # A run of marks is cut where Unicode's stream-safe format cuts it, or it would cost time quadratic in its
            # length.
            if at - start < _LONGEST_CLUSTER and (together != composed + alone or unicodedata.combining(character)):
                found[-1] = (start, at + 1, together)
                continue
        found.append((at, at + 1, alone))
    return found


def unit_spans(units: list[tuple[int, int]], spans: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Character spans as unit spans: every unit that shares a character with a span belongs to it.

    Args:
        units: Character offsets of each unit, in order and disjoint.
        spans: `(start, end, label)` in characters, sorted; more fields are ignored. A span that no unit meets is left
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
    """Takes texts apart for one model: unit, encoder input, normalisation and window are the model's own.

    Args:
        tokenizer: A fast tokenizer of transformers.
        unit: "character" or "word".
        encoder_input: "units" tokenises each unit by itself as a word start; "subwords" tokenises the text as a whole.
        normalization: "NFC" or "none".
        window: Most positions the encoder reads at once, special tokens included.
        stride: Overlap of neighbouring windows in pieces.
        places: Number of places; a unit further from its piece's start counts as standing at the last one.
        shapes: Whether units get their shapes.
        word_splitting: How a raw text becomes words, see `words.py`: "white_space" or "punctuation".

    Raises: ValueError where the tokenizer gives no offsets or puts nothing before a text, or where `stride` leaves a
        window nothing new to read.
    """

    def __init__(
        self,
        tokenizer,
        unit: str = "character",
        encoder_input: str = "subwords",
        normalization: str = "NFC",
        window: int = 512,
        stride: int = 64,
        places: int = 16,
        shapes: bool = False,
        word_splitting: str = "white_space",
    ):
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError(
                f"expected a fast tokenizer, which gives offsets, got {type(tokenizer).__name__}; "
                "save it as a fast one (AutoTokenizer.from_pretrained(name, use_fast=True).save_pretrained(folder))"
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
        self.places, self.shapes, self.word_splitting = places, shapes, word_splitting
        special = tokenizer("")["input_ids"]
        half = (len(special) + 1) // 2
        self.prefix, self.suffix = special[:half], special[half:]
        if tokenizer("a")["input_ids"][:half] != self.prefix:
            raise ValueError(
                "expected a tokenizer that puts the first of its special tokens before a text, as in [CLS] text [SEP], "
                "got one that puts all behind it; use an encoder of BERT's, RoBERTa's or ELECTRA's kind"
            )
        # What stands between two texts that are read together; of an empty second text version 5 takes no notice.
        own = len(tokenizer("a", add_special_tokens=False)["input_ids"])
        pair = tokenizer("a", "a")["input_ids"]
        self.middle = pair[half + own : len(pair) - own - len(self.suffix)] or list(self.suffix)
        self.window, self.room = window, window - len(special)
        self.step = self.room - stride
        if stride < 0 or self.step < 1:
            raise ValueError(
                f"expected 0 <= stride < window - {len(special)} special tokens = {self.room}, "
                f"got stride {stride} with window {window}; make the window longer or the stride shorter"
            )
        # A byte-level tokenizer marks a word start by the space before it.
        self._word_start = " " if '"ByteLevel"' in tokenizer.backend_tokenizer.to_str() else ""
        self._pieces_of: dict[str, list[int]] = {}
        self._blank = self._blank_piece()

    def _blank_piece(self) -> int:
        """The piece that stands for white space: the first unused vocabulary entry, else the unknown token."""
        unused = [(at, piece) for piece, at in self.tokenizer.get_vocab().items() if _UNUSED.fullmatch(piece)]
        if unused:
            return min(unused)[0]
        if self.tokenizer.unk_token_id is not None:
            return self.tokenizer.unk_token_id
        return self.tokenizer.pad_token_id or 0

    def documents(self, texts: Sequence[str | Sequence[str]]) -> list[Document]:
        """Each text taken apart. An empty text has no units and no pieces.

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
        new = [part for part in dict.fromkeys(parts) if part not in self._pieces_of]
        if new:
            rows = self._tokenize([self._word_start + part for part in new])["input_ids"]
            # Tokenizers differ in what they make of a space alone.
            found = (row if row and not part.isspace() else [self._blank] for part, row in zip(new, rows))
            self._pieces_of.update(zip(new, found))
        rows = [self._pieces_of[part] for part in parts]
        pieces = [piece for row in rows for piece in row]
        if len(pieces) == len(units):  # As with most vocabularies of characters: a piece for each unit.
            offsets, unit_pieces = list(units), list(range(len(units)))
        else:
            offsets = [span for span, row in zip(units, rows) for _ in row]
            unit_pieces = [0, *accumulate(map(len, rows[:-1]))] if rows else []
        return Document(text, units, pieces, offsets, unit_pieces, [0] * len(units), self._shapes(text, units))

    def _from_subwords(self, given: Sequence[str | Sequence[str]]) -> list[Document]:
        texts = [document_text(document) for document in given]
        parts_of = [clusters(text, self.normalization) for text in texts]
        # A tokenizer may keep, drop or glue white space other than a space.
        composed_texts = [plain_spaces("".join(composed for _, _, composed in parts)) for parts in parts_of]
        rows = self._tokenize(composed_texts, offsets=True)
        documents = []
        for document, text, parts, pieces, composed_offsets in zip(
            given, texts, parts_of, rows["input_ids"], rows["offset_mapping"]
        ):
            # Index of the cluster behind each character of the composed text: offsets of pieces count those.
            cluster_of = [at for at, (_, _, composed) in enumerate(parts) for _ in composed]
            piece_clusters = []
            for start, end in composed_offsets:
                # Some tokenizers count the space before a word as part of its piece; only a piece of spaces keeps them.
                first = start
                while first < end and parts[cluster_of[first]][2].isspace():
                    first += 1
                first = first if first < end else start
                piece_clusters.append((cluster_of[first], cluster_of[end - 1] + 1) if first < end else None)
            at_cluster, covered = _pieces_by_cluster(piece_clusters, len(parts))
            if self.unit == "character":
                units, chosen = [(start, end) for start, end, _ in parts], range(len(parts))
            else:
                units = document_words(document, self.word_splitting)
                chosen = _clusters_of_words(parts, covered, units)
            unit_pieces = [at_cluster[cluster][0] for cluster in chosen]
            unit_places = [min(at_cluster[cluster][1], self.places - 1) for cluster in chosen]
            offsets = [(parts[span[0]][0], parts[span[1] - 1][1]) if span else (0, 0) for span in piece_clusters]
            shapes = self._shapes(text, units)
            documents.append(Document(text, units, pieces, offsets, unit_pieces, unit_places, shapes))
        return documents

    def _shapes(self, text: str, units: list[tuple[int, int]]) -> list[int]:
        return [shape_of(text[start:end]) for start, end in units] if self.shapes else []

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
        window: int | None = None,
    ) -> list[Window]:
        """The document's windows, in order; a document without units has none.

        Args:
            document: The text taken apart.
            question: Pieces that stand before every window, as the first of two texts; None where there are none.
            stride: Overlap of neighbouring windows in pieces; None takes the aligner's own.
            window: Most positions of a window; None takes the aligner's own.

        Raises: ValueError where stride or question leave a window nothing new to read.
        """
        if not document.units:
            return []
        window = self.window if window is None else window
        stride = self.room - self.step if stride is None else stride
        prefix = self.prefix if question is None else [*self.prefix, *question, *self.middle]
        room = window - len(prefix) - len(self.suffix)
        step = room - stride
        if step < 1:
            most = step - 1 + len(question or ())  # pieces of a question that would leave one to read
            if most < 1:
                raise ValueError(
                    f"expected a stride that leaves a window of {window} positions something new to read, got "
                    f"{stride}; make the stride shorter or the window longer"
                )
            raise ValueError(
                f"expected a question of at most {most} pieces, got {len(question)}; make the window longer, or the "
                "stride or max_question shorter"
            )
        found = []
        for start in range(0, max(1, len(document.pieces)), step):
            end = min(start + room, len(document.pieces))
            first = bisect_left(document.unit_pieces, start) if start else 0
            last = len(document.units) if end == len(document.pieces) else bisect_left(document.unit_pieces, end)
            if first < last:
                found.append(
                    Window(
                        first_piece=start,
                        first_unit=first,
                        input_ids=prefix + document.pieces[start:end] + self.suffix,
                        unit_positions=_shifted(document.unit_pieces[first:last], len(prefix) - start),
                        unit_places=document.unit_places[first:last],
                        unit_shapes=document.unit_shapes[first:last],
                        text_at=len(prefix),
                        begins=first == 0,
                        ends=last == len(document.units),
                    )
                )
            if end == len(document.pieces):
                break
        return found

    def owners(self, document: Document, windows: list[Window]) -> list[int]:
        """For each unit the index of the window in which its piece is farthest from an edge (ties: the earlier)."""
        best, owner = [-1] * len(document.units), [0] * len(document.units)
        for at, window in enumerate(windows):
            pieces = len(window.input_ids) - len(self.prefix) - len(self.suffix)
            for unit in range(window.first_unit, window.first_unit + len(window.unit_positions)):
                piece = max(0, document.unit_pieces[unit] - window.first_piece)
                distance = min(piece, pieces - 1 - piece)
                if distance > best[unit]:
                    best[unit], owner[unit] = distance, at
        return owner


def _shifted(pieces: list[int], by: int) -> list[int]:
    """Indices of pieces as positions in a window; what stands before its first position takes that one."""
    positions = [piece + by for piece in pieces]
    return [max(0, position) for position in positions] if positions and positions[0] < 0 else positions


def _pieces_by_cluster(
    piece_clusters: list[tuple[int, int] | None], length: int
) -> tuple[list[tuple[int, int]], list[bool]]:
    """For each cluster `(piece, place)`: the first piece that covers it, else the last one before it, else -1; and
    whether one covers it."""
    first: list[int | None] = [None] * length
    last: list[int | None] = [None] * length
    for piece, span in enumerate(piece_clusters):
        for cluster in range(*span) if span else ():
            first[cluster] = piece if first[cluster] is None else first[cluster]
            last[cluster] = piece
    found, before, start = [], -1, 0
    for cluster in range(length):
        if first[cluster] is not None:
            found.append((first[cluster], cluster - piece_clusters[first[cluster]][0]))
            before, start = last[cluster], piece_clusters[last[cluster]][0]
        else:
            found.append((before, cluster - start))
    return found, [piece is not None for piece in first]


def _clusters_of_words(
    parts: list[tuple[int, int, str]], covered: list[bool], words: list[tuple[int, int]]
) -> list[int]:
    """For each word the first of its clusters that a piece covers, as tokenizers drop invisible characters; where none
    is covered, its first."""
    ends, found = [end for _, end, _ in parts], []
    for start, end in words:
        first = cluster = bisect_left(ends, start + 1)
        while cluster < len(parts) and parts[cluster][0] < end and not covered[cluster]:
            cluster += 1
        found.append(cluster if cluster < len(parts) and parts[cluster][0] < end else first)
    return found
