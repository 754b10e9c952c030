"""Calls of a published model in the clean-environment check, see `kospan.hub.clean_environment`. Imports no kospan."""

PIPELINE = "text-classification"
MODEL_CLASS = None  # AutoModel loads it


def inputs(items: list) -> list:
    """The items as pipeline and handler take them."""
    keys = ("text", "text_pair")
    return [{key: item[key] for key in keys} if "text_pair" in item else item["text"] for item in items]


def predict(model, items: list) -> list:
    """The label of each item by the model's own method, as one span over the whole text."""
    pairs = [item["text_pair"] for item in items] if model.config.pairs else None
    return [[list(span)] for span in model.classify([item["text"] for item in items], pairs)]


def spans(model, outputs: list, items: list | tuple = ()) -> list:
    """The same from the outputs of pipeline (a class) or handler (a list of classes), which have no offsets."""
    best = [each[0] if isinstance(each, list) else each for each in outputs]
    return [[[0, len(item["text"]), one["label"], one["score"]]] for one, item in zip(best, items)]
