"""Methods for texts of token-classification models: windows, merged emissions and spans. No torch is needed."""

import importlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .alignment import Aligner, Document, Window
from .input_checks import as_text, check_batch_size, check_documents
from .padded_batches import DOCUMENTS_AT_A_TIME
from .span_decoding import decode_spans
from .span_selection import decoding_of
from .spans import Span
from .tags import labels_of


class WindowPart(NamedTuple):
    """A window of a document, and the units that take their emissions from it.

    Args:
        document: Index of the document.
        window: The window.
        first: The first of these units, counted in the document.
        last: One past the last of them.
    """

    document: int
    window: Window
    first: int
    last: int


def window_parts(aligner: Aligner, documents: Sequence[Document]) -> list[WindowPart]:
    """Split documents into windows; each unit belongs to the window in which it is farthest from an edge."""
    parts = []
    for at, document in enumerate(documents):
        windows = aligner.windows(document)
        # Owners are in the order of the windows, so each window owns a run of units.
        owners = aligner.owners(document, windows)
        first = 0
        for place, window in enumerate(windows):
            last = bisect_right(owners, place, first)
            parts.append(WindowPart(at, window, first, last))
            first = last
    return parts


class TokenScores(NamedTuple):
    """Units and emissions of one text.

    Args:
        units: `(start, end)` of each unit in characters.
        emissions: Tag scores of each unit `(units, tags)`, float32, on the model's device.
    """

    units: list[tuple[int, int]]
    emissions: Any


class TokenClassificationMethods:
    """Mixin of models with a config, an aligner and a head that compute emissions of batches of windows.

    Emissions are tensors or arrays, as `new_chain` and `window_emissions` of the model return them.
    """

    def extract(
        self,
        texts: str | Sequence[str | Sequence[str]],
        threshold: float | Mapping[str, float] | None = None,
        batch_size: int = 32,
        decode: str | None = None,
        overlapping: bool | None = None,
        operating_point: str | None = None,
    ) -> list[Span] | list[list[Span]]:
        """Extract the spans of each text, with exact posteriors as scores.

        Args:
            texts: A document, or a sequence of documents of any length (a list, an array, a Series, a data set's
                column); long ones are split into windows and merged. In a sequence a document may also be a list of
                its words, which are kept; offsets then count the characters of `" ".join(words)`.
            threshold: Spans that are less probable are omitted; a number, or one for each label. None means 0.5 with
                decode="posterior" and 0 otherwise.
            batch_size: Number of windows in a batch.
            decode: "viterbi" (default) returns the spans of the best tag sequence; "posterior" the disjoint spans with
                the largest sum of posterior minus threshold; "mbr" those with the best expected F1 of the document. The
                latter two find spans of up to 16 units.
            overlapping: With decode="posterior": return every span that reaches its threshold.
            operating_point: Name of one of `config.operating_points`, which replaces all other settings.

        Returns:
            Spans sorted by start, none of which begins or ends with white space: a list for a str, a list of lists for
            a sequence.

        Raises:
            TypeError: If `texts` is neither a str nor a sequence of documents.
            ValueError: If a setting is out of range or has no effect, or a text holds half of a surrogate pair.
                Threads may call it at once.
        """
        texts = as_text(texts)
        if isinstance(texts, str):
            return self.extract([texts], threshold, batch_size, decode, overlapping, operating_point)[0]
        texts = check_documents(texts)
        check_batch_size(batch_size)
        points = self.config.operating_points
        decoding = decoding_of(labels_of(self.config.tags), threshold, decode, overlapping, operating_point, points)
        found = []
        with self.evaluating():
            for documents, emissions in self.read(texts, batch_size):
                found.extend(decode_spans(self.head, documents, emissions, decoding, batch_size))
        return found

    def mask(self, texts: str | Sequence[str], policy=None, **settings):
        """Mask personal data in a text or several, by the model and by rules; needs an installed kospan[mask].

        가명처리를 돕는 도구이며 익명처리를 보장하지 않습니다.

        Args:
            texts: A str, or a sequence of str.
            policy: An action for all labels, actions by label, or a file, see `kospan.masking.policy.read_policy`.
            **settings: Other arguments of `kospan.masking.masker.Masker`: `rules`, `key`, `aliases`, `operating_point`.

        Returns:
            A `kospan.masking.masker.Masked` for a str, with `text` and `edits`; a list for a sequence.

        Raises:
            ImportError: If kospan or the packages of the extra `mask` are missing.
            ValueError, TypeError: If the policy or a setting is wrong.
        """
        try:
            # By name: a model that comes from the Hub runs without kospan.
            masking = importlib.import_module("kospan.masking.masker")
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("kospan"):
                raise
            raise ImportError("expected an installed kospan[mask] to mask with, found none; install it") from error
        return masking.mask(self, texts, policy, **settings)

    def token_scores(self, texts: Sequence[str | Sequence[str]], batch_size: int = 32) -> list[TokenScores]:
        """Return units and emissions of each text, with windows merged: the input of decoding.

        Args:
            texts: Documents of any length, as in `extract`.
            batch_size: Number of windows in a batch.

        Raises:
            Exception: As `extract`.
        """
        texts = check_documents(texts)
        check_batch_size(batch_size)
        with self.evaluating():
            return [
                TokenScores(document.units, chain)
                for documents, emissions in self.read(texts, batch_size)
                for document, chain in zip(documents, emissions)
            ]

    def read(self, texts: Sequence, batch_size: int) -> Iterator[tuple[list[Document], list]]:
        """Yield some documents at a time, with the chain of emissions `(units, tags)` of each."""
        for at in range(0, len(texts), DOCUMENTS_AT_A_TIME):
            documents = self.aligner.documents(texts[at : at + DOCUMENTS_AT_A_TIME])
            yield documents, self.chains(documents, batch_size)

    def chains(self, documents: Sequence[Document], batch_size: int) -> list:
        """Compute one chain of emissions `(units, tags)` per document, each unit's from the window that owns it."""
        chains = [self.new_chain(len(document.units)) for document in documents]
        parts = window_parts(self.aligner, documents)
        for chosen, batch in self.window_batches([self.features(part.window) for part in parts], batch_size):
            emissions = self.window_emissions(batch)
            for row, part in enumerate(parts[at] for at in chosen):
                start = part.window.first_unit
                own = slice(part.first - start, part.last - start)
                chains[part.document][part.first : part.last] = emissions[row, own]
        return chains

    def features(self, window: Window) -> dict[str, list[int]]:
        """Return the model's inputs for a window, without labels."""
        found = {
            "input_ids": window.input_ids,
            "unit_positions": window.unit_positions,
            "unit_places": window.unit_places,
        }
        used = {
            "word_shape_feature": self.config.word_shape_feature,
            "character_ngrams": getattr(self.config, "ngram_count", 0),
        }
        return found | {name: getattr(window, name) for name, is_used in used.items() if is_used}
