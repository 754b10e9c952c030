"""The tabs of a generative NER model: those of a token classifier, without the view of inner values."""

from served import ServedGenerativeNER
from token_classification import build  # noqa: F401  (each module of tabs has `build` and `serves`)

serves = ServedGenerativeNER
