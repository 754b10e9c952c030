"""The tabs of a writer: those of a tagger, without the view of what it sees inside."""

from served import ServedGenerativeNER
from token_classification import build  # noqa: F401  (part of what a module of tabs is)

serves = ServedGenerativeNER
