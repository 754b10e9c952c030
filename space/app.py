"""The Space: a page for entity recognition, question answering or text classification.

    python space/app.py --model FOLDER_OR_REPO [--port 7860 --share false]

Without --model it serves the model that space.json beside this file names ({"model": "user/name"}), else ko-ner, if
the package kospan-ko is installed, else the quickstart's, if that has been trained.
"""

import argparse
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
QUICKSTART = Path("outputs/quickstart")
# A published Space has its own copy of `kospan.modeling` beside this file; locally the installed package is used.
sys.path.insert(0, str(HERE))

# `model_type` of the config -> module with `serves(model, name)`, the class that wraps the model, and
# `build(served, page, examples)`, which builds its tabs.
TABS = {
    "kospan-token-classification": "token_classification",
    "kospan-question-answering": "question_answering",
    "kospan-sequence-classification": "text_classification",
    "kospan-generative-ner": "generative_ner",
}


def arguments_from(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", help="output folder of a run, name of an installed model (ko-ner), or name on the Hub"
    )
    parser.add_argument("--port", type=int, default=int(os.environ.get("GRADIO_SERVER_PORT", 7860)))
    parser.add_argument("--share", type=_yes, default=False, help="true creates a public link for 72 hours")
    return parser.parse_args(argv)


def _yes(value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"expected true or false, got {value!r}")
    return value.lower() == "true"


def settings_from(model: str | None, here: Path = HERE, quickstart: Path = QUICKSTART) -> dict:
    """The model to serve: `{"model": ..., "examples": ...}`; examples are optional.

    Args:
        model: The model of the command line.
        here: The folder of space.json.
        quickstart: The output folder of the quickstart.

    Raises:
        ValueError: If no model is named, or space.json is malformed.
    """
    from installed import DEFAULT, is_installed

    path = here / "space.json"
    settings: dict = {}
    if path.is_file():
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(
                f'{path}: expected JSON such as {{"model": "user/name"}}, got {error}; correct it'
            ) from error
        if not isinstance(settings, dict) or not isinstance(settings.get("model"), str):
            raise ValueError(f'{path}: expected an object with the key "model", got {settings!r}; name the model in it')
    if model:
        return {**settings, "model": model}
    if settings:
        return settings
    if is_installed(DEFAULT):
        return {"model": DEFAULT}
    for folder in (quickstart, here.parent / quickstart):
        if (folder / "config.json").is_file():
            return {"model": str(folder)}
    raise ValueError(
        'expected a model in --model, in space.json or in outputs/quickstart, found none; pip install "kospan[ko]", or '
        "train one with: accelerate launch train.py recipes/quickstart.yaml"
    )


def load_model(name: str):
    """Load a kospan model from a folder, an installed package or the Hub.

    Raises:
        ValueError: If it cannot be loaded, has no tokenizer, or the page has no tab for its type.
    """
    import torch
    from installed import place_of
    from transformers import AutoModel

    from kospan import modeling  # (registers the classes, so that the Space's own code runs the model)
    from kospan.modeling.configuration_generative_ner import NAME, find_file

    try:
        place = place_of(name)
        if find_file(place, NAME) is not None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
            return modeling.KospanGenerativeNER.from_pretrained(place, dtype=torch.float32).to(device)
        model = AutoModel.from_pretrained(place, trust_remote_code=True)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"expected --model to be a folder, an installed model or a name on the Hub, got {name}: {reason}"
        ) from error
    kind = getattr(model.config, "model_type", None)
    if kind not in TABS:
        raise ValueError(f"expected a model of type {', '.join(TABS)}, got {kind} in {name}; name another model")
    if model.tokenizer is None:
        raise ValueError(f"expected a tokenizer beside the model in {name}, found none; save one there")
    return model.float().eval().to("cuda" if torch.cuda.is_available() else "cpu")


def main(argv: list[str] | None = None) -> None:
    """Serve the page until the process ends."""
    arguments = arguments_from(argv)
    try:
        settings = settings_from(arguments.model)
        model = load_model(settings["model"])
    except ValueError as error:
        sys.exit(f"app.py: {error}")

    import importlib

    from page import build_page, launch

    tabs = importlib.import_module(TABS[model.config.model_type])
    try:
        blocks = build_page(tabs.serves(model, settings["model"]), tabs.build, settings.get("examples"))
    except ValueError as error:
        sys.exit(f"app.py: {error}")
    launch(blocks, arguments.port, arguments.share)


if __name__ == "__main__":
    main()
