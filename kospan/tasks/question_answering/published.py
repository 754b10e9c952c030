"""Calls of a published model in the clean-environment check, see `kospan.hub.clean_environment`. Imports no kospan."""

PIPELINE = "question-answering"
MODEL_CLASS = None  # AutoModel loads it


def inputs(items: list) -> list:
    """The items as pipeline and handler take them."""
    return [{"question": item["question"], "context": item["text"]} for item in items]


def predict(model, items: list) -> list:
    """The answers by the model's own method, as lists of start, end, label and score; "no answer" is no span."""
    found = model.answer([item["question"] for item in items], [item["text"] for item in items])
    return [[list(span) for span in spans if span.end] for spans in found]


def spans(model, outputs: list | dict, items: list | tuple = ()) -> list:
    """The same from the outputs of pipeline or handler; for a single question the pipeline returns a dict."""
    answers, label = [outputs] if isinstance(outputs, dict) else outputs, model.config.id2label[0]
    return [[[each["start"], each["end"], label, each["score"]]] if each["end"] else [] for each in answers]
