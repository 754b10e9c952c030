"""Load a release without kospan and write its predictions: `python -I clean_environment.py FOLDER CALLS ITEMS OUTPUT`.

CALLS is the `published.py` of the model's task: a file with `PIPELINE`, `MODEL_CLASS`, `inputs`, `predict` and `spans`.
Items are objects with `text`, and `words`, `question` or `text_pair` if the example has them. The script runs by
itself: torch and transformers are all that it imports.
"""

import importlib.util
import json
import os
import sys

# Packages that a user of the release may not have, even if this machine has them.
HIDDEN = ("kospan", "modeling", "torchcrf", "seqeval", "evaluate")
# The other ways to load the model are tried with this many texts, none longer than handler.py accepts.
SAMPLE, CHARACTERS = 8, 10_000


class HiddenPackages:
    """Import hook that hides packages."""

    def find_spec(self, name, path=None, target=None):
        """Raise the error of a missing package."""
        if name.split(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r} (users of the release may not have it)", name=name)


def load_file(path: str, name: str):
    """The module of a file outside of any package."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_json(path: str):
    """The value in a JSON file."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main(folder: str, calls_path: str, items_path: str, output_path: str) -> None:
    """Write each item's spans from the model, and a sample's from the other Auto classes, the pipeline and handler."""
    sys.meta_path.insert(0, HiddenPackages())
    import torch
    import transformers
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    torch.set_grad_enabled(False)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    calls = load_file(calls_path, "calls")
    items = load_json(items_path)
    # An adapter has no config.json.
    config = load_json(f"{folder}/config.json") if os.path.isfile(f"{folder}/config.json") else {}
    places = [at for at, item in enumerate(items) if len(item["text"]) <= CHARACTERS][:SAMPLE]
    sample = [items[at] for at in places]

    def load(auto: str):
        if calls.MODEL_CLASS:
            model_class = get_class_from_dynamic_module(calls.MODEL_CLASS, folder)
            return model_class.from_pretrained(folder, dtype=torch.float32).to(device)
        return getattr(transformers, auto).from_pretrained(folder, trust_remote_code=True).float().eval().to(device)

    model, found = load("AutoModel"), {}
    everything = calls.predict(model, items)
    if not calls.MODEL_CLASS:
        for auto in sorted(config.get("auto_map", {})):
            if auto.startswith("AutoModelFor"):
                found[auto] = calls.predict(load(auto), sample)
    if places and calls.PIPELINE in config.get("custom_pipelines", {}):
        pipe = transformers.pipeline(calls.PIPELINE, model=folder, trust_remote_code=True, device=device)
        pipe.model.float()
        found["pipeline"] = calls.spans(model, pipe(calls.inputs(sample)), sample)
    if places and os.path.isfile(f"{folder}/handler.py"):
        endpoint = load_file(f"{folder}/handler.py", "handler").EndpointHandler(folder)
        found["handler.py"] = calls.spans(model, endpoint({"inputs": calls.inputs(sample)}), sample)
    first = (calls.MODEL_CLASS or "AutoModel").rpartition(".")[2]
    results = {first: list(enumerate(everything))} | {way: list(zip(places, spans)) for way, spans in found.items()}
    with open(output_path, "w", encoding="utf-8") as file:
        json.dump(results, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
