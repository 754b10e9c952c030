"""Calls of a published model in the clean-environment check, see `kospan.hub.clean_environment`. Imports no kospan."""

PIPELINE = "token-classification"
MODEL_CLASS = None  # AutoModel loads it


def inputs(items: list) -> list:
    """The items as pipeline and handler take them."""
    return [item.get("words", item["text"]) for item in items]


def predict(model, items: list) -> list:
    """The spans of each item by the model's own method, as lists of start, end, label and score."""
    return [[list(span) for span in spans] for spans in model.extract(inputs(items))]


def spans(model, outputs: list, items: list | tuple = ()) -> list:
    """The same from the outputs of pipeline or handler."""
    keys = ("start", "end", "entity_group", "score")
    return [[[entity[key] for key in keys] for entity in entities] for entities in outputs]
