"""Adapters of peft over the base model of a generative model, and detection of a wrong base."""

import json

from transformers import AutoModelForCausalLM

from .configuration_generative_ner import KospanGenerativeNERConfig, find_file

ADAPTER = "adapter_config.json"
# Requirement of adapters, in the form of requirements.txt.
NEEDS = "peft>=0.17"


def load_adapted(name, base, config: KospanGenerativeNERConfig, location: dict, kwargs: dict):
    """Load an adapter from a folder or repository over its base model.

    Raises:
        Exception: As `KospanGenerativeNER.from_pretrained`.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        raise ImportError(
            f"expected peft for the adapter in {name}, found none; `pip install peft`, or merge it with kospan "
            "convert merge"
        ) from error
    with open(find_file(name, ADAPTER, **location), encoding="utf-8") as file:
        named = json.load(file).get("base_model_name_or_path")
    base = base or named
    if not base:
        raise ValueError(
            f"expected {ADAPTER} in {name} to name the base model, got none; pass base=, a folder or name on the Hub"
        )
    # Revision and subfolder belong to the adapter's repository. Without a decision on trust transformers would ask for
    # one on the terminal.
    kwargs = {key: value for key, value in kwargs.items() if key not in ("revision", "subfolder")}
    kwargs.setdefault("trust_remote_code", False)
    try:
        model = AutoModelForCausalLM.from_pretrained(base, **kwargs)
    except OSError as error:
        raise FileNotFoundError(
            f"expected the base model {str(base)!r} of the adapter in {name}, found none "
            f"({str(error).strip().splitlines()[0]}); download it and pass base= with its folder, or write its name "
            f"into {ADAPTER} (base_model_name_or_path)"
        ) from error
    check_base(model, config.base, base, name)
    try:
        return PeftModel.from_pretrained(model, name, **location)
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"expected the base model that the adapter in {name} was trained on, got {base}, which it does not fit "
            f"({' '.join(str(error).split())[:200]}); pass base= with the right one"
        ) from error


def base_record(model) -> dict:
    """Return a fingerprint of a base model: its sizes, and a few values of its word vectors."""
    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    table = model.get_input_embeddings().weight
    vectors = table.detach()[:8, :8].float().cpu().flatten().tolist()
    return {
        "model_type": config.model_type,
        "hidden_size": getattr(config, "hidden_size", table.shape[1]),
        "num_hidden_layers": getattr(config, "num_hidden_layers", None),
        "vectors": [round(value, 6) for value in vectors],
    }


def check_base(model, record: dict | None, base, name) -> None:
    """Check that a base model is the one that an adapter was trained on.

    Raises:
        ValueError: If a base model is not the one that an adapter was trained on.
    """
    if not record:
        return
    found = base_record(model)
    for key, value in record.items():
        if key == "vectors":
            # Half precision has three digits.
            pairs = zip(value, found[key])
            same = len(value) == len(found[key]) and all(abs(a - b) <= 0.01 * max(abs(a), 1e-3) for a, b in pairs)
            got = "other word vectors"
        else:
            same, got = found.get(key) == value, f"{key} {found.get(key)!r} in place of {value!r}"
        if not same:
            raise ValueError(
                f"expected the base model that the adapter in {name} was trained on, got {base} with {got}; pass "
                "base= with the right one"
            )
