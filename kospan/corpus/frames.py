"""Prediction of pandas data frames, for `DataFrame.mapInPandas` of Spark."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas

from kospan.corpus.predictor import Predictor
from kospan.corpus.records import Raw
from kospan.corpus.settings import CorpusSettings
from kospan.corpus.sources import Source

# Columns of the result, in the language of Spark's schemas.
SPARK_SCHEMA = (
    "id string, text string, spans array<struct<start: bigint, end: bigint, label: string, score: double>>, "
    "error string"
)
_COLUMNS = ("id", "text", "spans", "error")
# Spark reuses its Python processes: one model for each choice of settings serves all partitions.
_PREDICTORS: dict[str, Predictor] = {}


@dataclass(frozen=True)
class FramePredictor:
    """Function that predicts the data frames of a partition; it can be pickled, and loads the model where it runs.

    Args:
        model: Folder or name of a model, the same on all nodes.
        settings: Fields of `kospan.corpus.settings.CorpusSettings`.

    >>> import pandas
    >>> [found] = FramePredictor("outputs/quickstart")([pandas.DataFrame({"id": ["a"], "text": ["비가 온다."]})])
    >>> list(found.columns), found["id"].tolist()
    (['id', 'text', 'spans', 'error'], ['a'])
    """

    model: str
    settings: dict[str, Any] = field(default_factory=dict)

    def __call__(self, frames: Iterator[pandas.DataFrame]) -> Iterator[pandas.DataFrame]:
        """Yield a frame with the columns of `SPARK_SCHEMA` for each frame, with its rows in their order.

        A row that cannot be read has the reason in `error` and no spans. Without a column of ids, `id` is the number of
        the row in its partition.
        """
        settings = CorpusSettings(**self.settings)
        predictor = _PREDICTORS.get(repr(self))
        if predictor is None:
            predictor = _PREDICTORS[repr(self)] = Predictor(self.model, settings)
        first = 0
        for frame in frames:
            yield _predicted(predictor, frame, first)
            first += len(frame)


def _predicted(predictor: Predictor, frame: pandas.DataFrame, first: int) -> pandas.DataFrame:
    source = Source("partition", "dataset", "row", len(frame))
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    raws = [Raw(at, values, None, at) for at, values in enumerate(rows, first)]
    records, errors = predictor.predict(raws, source)
    reasons = {each["row"]: each["reason"] for each in errors}
    id_column, text_column = (predictor.settings.columns.get(name, name) for name in ("id", "text"))
    found = iter(records)
    lines = []
    for raw in raws:
        if raw.at in reasons:
            values = (raw.value.get(id_column), raw.value.get(text_column))
            # Columns of Spark have one type.
            shown = [value if value is None else str(value) for value in values]
            lines.append((*shown, None, reasons[raw.at]))
        else:
            record = next(found)
            lines.append((record["id"], record["text"], record["spans"], None))
    return pandas.DataFrame(lines, columns=list(_COLUMNS), dtype=object)
