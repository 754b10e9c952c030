"""Loads a model as a stranger does and writes what it finds: `python -I stranger.py FOLDER ITEMS.json FOUND.json`.

Items are objects with `text`, with `words` where it was given word by word, with `question` where the model answers
questions, with `text_pair` where it reads pairs. This file runs by itself, in a process that cannot see kospan: torch
and transformers are all it leans on.
"""

import importlib.util
import json
import os
import sys

# Somebody else has none of these, also where this machine has them installed.
NOT_THERE = ("kospan", "modeling", "torchcrf", "seqeval", "evaluate")
# The other doors to the same model are tried with so many texts, none longer than what handler.py reads.
FEW, CHARACTERS = 8, 10_000


class Refuse:
    """Finds no module of those names."""

    def find_spec(self, name, path=None, target=None):
        """Says that the package is missing."""
        if name.split(".")[0] in NOT_THERE:
            raise ModuleNotFoundError(
                f"No module named {name!r} (somebody who loads the model may not have it)", name=name
            )


class Tagging:
    """What a tagger is asked, and what its doors give, as lists of start, end, label and score."""

    pipeline = "token-classification"

    @staticmethod
    def asked(items: list) -> list:
        """The items as pipeline and handler take them."""
        return [item.get("words", item["text"]) for item in items]

    @staticmethod
    def by_model(model, items: list) -> list:
        """What the model's own method finds."""
        return [[list(span) for span in spans] for spans in model.extract(Tagging.asked(items))]

    @staticmethod
    def spans(model, found: list, items: list | tuple = ()) -> list:
        """What pipeline and handler gave."""
        return [[[each["start"], each["end"], each["entity_group"], each["score"]] for each in one] for one in found]


class Writing(Tagging):
    """The same of a writer, which `transformers.pipeline` cannot load; handler.py uses its own pipeline."""

    pipeline = ""


class Reading:
    """The same of a reader; "no answer" is no span."""

    pipeline = "question-answering"

    @staticmethod
    def asked(items: list) -> list:
        """The items as pipeline and handler take them."""
        return [{"question": item["question"], "context": item["text"]} for item in items]

    @staticmethod
    def by_model(model, items: list) -> list:
        """What the model's own method finds."""
        found = model.answer([item["question"] for item in items], [item["text"] for item in items])
        return [[list(span) for span in spans if span.end] for spans in found]

    @staticmethod
    def spans(model, found: list, items: list | tuple = ()) -> list:
        """What pipeline and handler gave; for one question the pipeline gives a dict alone."""
        found, label = [found] if isinstance(found, dict) else found, model.config.id2label[0]
        return [[[one["start"], one["end"], label, one["score"]]] if one["end"] else [] for one in found]


class Classifying:
    """The same of a classifier: one span over the whole text."""

    pipeline = "text-classification"

    @staticmethod
    def asked(items: list) -> list:
        """The items as pipeline and handler take them."""
        return [
            {key: item[key] for key in ("text", "text_pair")} if "text_pair" in item else item["text"] for item in items
        ]

    @staticmethod
    def by_model(model, items: list) -> list:
        """What the model's own method finds."""
        pairs = [item["text_pair"] for item in items] if model.config.pairs else None
        return [[list(span)] for span in model.classify([item["text"] for item in items], pairs)]

    @staticmethod
    def spans(model, found: list, items: list | tuple = ()) -> list:
        """What pipeline and handler gave: a class, and a list of all classes; neither has offsets."""
        best = [one[0] if isinstance(one, list) else one for one in found]
        return [[[0, len(item["text"]), one["label"], one["score"]]] for one, item in zip(best, items)]


# By the `model_type` of a model's config.
KINDS = {
    "kospan-token-classification": Tagging,
    "kospan-question-answering": Reading,
    "kospan-sequence-classification": Classifying,
    "kospan-generative-ner": Writing,
}


def main(folder: str, items_path: str, found_path: str) -> None:
    """Writes the spans of every item, and what the other auto classes, the pipeline and the handler give for a few."""
    sys.meta_path.insert(0, Refuse())
    import torch
    import transformers
    import transformers.dynamic_module_utils

    torch.set_grad_enabled(False)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with open(items_path, encoding="utf-8") as file:
        items = json.load(file)
    writes = os.path.isfile(f"{folder}/kospan.json")
    with open(f"{folder}/{'kospan' if writes else 'config'}.json", encoding="utf-8") as file:
        config = json.load(file)
    if config["model_type"] not in KINDS:
        raise ValueError(f"expected a model of type {' or '.join(KINDS)}, got {config['model_type']}")
    kind = KINDS[config["model_type"]]
    places = [at for at, item in enumerate(items) if len(item["text"]) <= CHARACTERS][:FEW]
    few = [items[at] for at in places]

    def load(auto: str):
        if writes:
            found = transformers.dynamic_module_utils.get_class_from_dynamic_module(
                "modeling_generative_ner.KospanGenerativeNER", folder
            )
            return found.from_pretrained(folder, dtype=torch.float32).to(device)
        return getattr(transformers, auto).from_pretrained(folder, trust_remote_code=True).float().eval().to(device)

    door = "KospanGenerativeNER" if writes else "AutoModel"
    model, doors = load(door), {}
    everything = kind.by_model(model, items)
    for auto in sorted(config.get("auto_map", {})):
        if auto.startswith("AutoModelFor"):
            doors[auto] = kind.by_model(load(auto), few)
    if places and kind.pipeline in config.get("custom_pipelines", {}):
        pipe = transformers.pipeline(kind.pipeline, model=folder, trust_remote_code=True, device=device)
        pipe.model.float()
        doors["pipeline"] = kind.spans(model, pipe(kind.asked(few)), few)
    if places and os.path.isfile(f"{folder}/handler.py"):
        spec = importlib.util.spec_from_file_location("handler", f"{folder}/handler.py")
        handler = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(handler)
        found = handler.EndpointHandler(folder)({"inputs": kind.asked(few)})
        doors["handler.py"] = kind.spans(model, found, few)
    with open(found_path, "w", encoding="utf-8") as file:
        json.dump(
            {door: list(enumerate(everything))} | {door: list(zip(places, found)) for door, found in doors.items()},
            file,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
