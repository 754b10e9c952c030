"""Loads a model as a stranger does and writes what it finds: `python -I stranger.py FOLDER TEXTS.json FOUND.json`.

This file runs by itself, in a process that cannot see kospan: torch and transformers are all it leans on.
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


def main(folder: str, texts_path: str, found_path: str) -> None:
    """Writes the spans of every text, and what the other auto classes, the pipeline and the handler give for a few."""
    sys.meta_path.insert(0, Refuse())
    import torch
    import transformers

    torch.set_grad_enabled(False)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with open(texts_path, encoding="utf-8") as file:
        texts = json.load(file)
    with open(f"{folder}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    places = [at for at, text in enumerate(texts) if len(text) <= CHARACTERS][:FEW]
    few = [texts[at] for at in places]

    def extracted(auto: str, some: list) -> list:
        model = getattr(transformers, auto).from_pretrained(folder, trust_remote_code=True).float().eval().to(device)
        return [[list(span) for span in spans] for spans in model.extract(some)]

    def entities(found: list) -> list:
        return [
            [[each["start"], each["end"], each["entity_group"], each["score"]] for each in spans] for spans in found
        ]

    everything, doors = extracted("AutoModel", texts), {}
    for auto in sorted(config["auto_map"]):
        if auto.startswith("AutoModelFor"):
            doors[auto] = extracted(auto, few)
    if places and "token-classification" in config.get("custom_pipelines", {}):
        pipe = transformers.pipeline("token-classification", model=folder, trust_remote_code=True, device=device)
        pipe.model.float()
        doors["pipeline"] = entities(pipe(few))
    if places and os.path.isfile(f"{folder}/handler.py"):
        spec = importlib.util.spec_from_file_location("handler", f"{folder}/handler.py")
        handler = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(handler)
        doors["handler.py"] = entities(handler.EndpointHandler(folder)({"inputs": few}))
    with open(found_path, "w", encoding="utf-8") as file:
        json.dump(
            {"AutoModel": list(enumerate(everything))} | {door: list(zip(places, doors[door])) for door in doors}, file
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
