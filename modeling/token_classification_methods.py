"""Methods for texts of token-classification models: windows, features and merged emissions. No torch is needed."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .alignment import Aligner, Document, Window

# Documents that are tokenized at a time: enough to sort by length, few enough that memory does not grow with the data.
_DOCUMENTS_AT_A_TIME = 1024


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


class TokenClassificationMethods:
    """Mixin of models with a config and an aligner that compute emissions of batches of windows.

    Emissions are tensors or arrays, as `new_chain` and `window_emissions` of the model return them.
    """

    def read(self, texts: Sequence, batch_size: int) -> Iterator[tuple[list[Document], list]]:
        """Yield some documents at a time, with the chain of emissions `(units, tags)` of each."""
        for at in range(0, len(texts), _DOCUMENTS_AT_A_TIME):
            documents = self.aligner.documents(texts[at : at + _DOCUMENTS_AT_A_TIME])
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
        return found | {"word_shape_feature": window.word_shape_feature} if self.config.word_shape_feature else found
