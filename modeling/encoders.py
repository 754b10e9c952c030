"""Encoders, from a config or pretrained: those of transformers, and SparseBigBird for BigBird configs."""

import inspect

from torch import nn
from transformers import AutoConfig, AutoModel

from .code_files import LOCATION_KEYS
from .sparse_attention import SparseBigBird

# Encoders that replace those of transformers, by the type of config.
_ENCODERS = {SparseBigBird.config_class.model_type: SparseBigBird}


def build_encoder(config, **kwargs) -> nn.Module:
    """Build an encoder without weights from its config, without a pooler."""
    if config.model_type in _ENCODERS:
        return _ENCODERS[config.model_type]._from_config(config, **kwargs)
    classes = AutoModel._model_mapping[type(config)]
    cls = classes[0] if isinstance(classes, (list, tuple)) else classes
    if "add_pooling_layer" in inspect.signature(cls.__init__).parameters:
        kwargs["add_pooling_layer"] = False
    return AutoModel.from_config(config, **kwargs)


def load_encoder(name: str, **kwargs) -> nn.Module:
    """Load a pretrained encoder with all its weights.

    Args:
        name: Name on the Hub, or a folder.
        **kwargs: Arguments of `AutoModel.from_pretrained`.

    Raises:
        ValueError: If weights of the encoder are missing from the checkpoint, as they would be random.
    """
    config = kwargs.get("config")
    if config is None:
        location = {key: kwargs[key] for key in (*LOCATION_KEYS, "trust_remote_code") if kwargs.get(key) is not None}
        config = AutoConfig.from_pretrained(name, **location)
    from_pretrained = _ENCODERS.get(config.model_type, AutoModel).from_pretrained
    try:
        encoder, report = from_pretrained(name, add_pooling_layer=False, output_loading_info=True, **kwargs)
    except TypeError:  # ELECTRA and others have no pooler and no such argument.
        encoder, report = from_pretrained(name, output_loading_info=True, **kwargs)
    missing = sorted(key for key in report["missing_keys"] if "pooler" not in key and "position_ids" not in key)
    if missing:
        raise ValueError(
            f"expected every weight of the encoder in {name}, got a checkpoint that lacks {len(missing)} of them "
            f"(first: {missing[0]}); check that the folder holds an encoder of type {encoder.config.model_type}"
        )
    return encoder
