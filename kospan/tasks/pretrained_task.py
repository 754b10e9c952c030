"""How tasks keep a model of ours: in a folder that transformers' AutoModel opens."""

import os
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModel

from kospan.recipe import FIELDS, Recipe
from kospan.tasks.encoders import check_scratch_options, read_settings
from kospan.tasks.unused_settings import EVERY_TASK, settled
from kospan.training.lora import save_plain
from kospan.training.validation import window_losses


class PretrainedTask:
    """A part of `Task`."""

    uses = EVERY_TASK | {
        *("calibration_split", "encoder_input", "normalization", "stride", "dropout", "multi_sample_dropout"),
        *("freeze_encoder", "feature_cache_dir", "subword_dropout"),
        *("fgm_epsilon", "fgm_space", "fgm_lambda", "rdrop_alpha", "rdrop_on"),
    }
    check_scratch = staticmethod(check_scratch_options)
    losses = staticmethod(window_losses)
    save_beside = None

    @classmethod
    def unused(cls, recipe: Recipe) -> dict[str, tuple[str, ...]]:
        """None; a task whose settings depend on each other names them."""
        return {}

    @classmethod
    def models_own(cls, recipe: Recipe) -> dict:
        """The settings in the config of a model of this kind in the folder that `encoder` names."""
        config = read_settings(recipe.encoder, "config.json")
        return (
            {key: config[key] for key in FIELDS if key in config} if config.get("model_type") == cls.model_type else {}
        )

    @classmethod
    def check_recipe(cls, recipe: Recipe) -> None:
        """Raises: ValueError where a setting has no effect."""
        settled(recipe, cls.spec)

    def save(self, model: torch.nn.Module, folder: str | os.PathLike) -> None:
        """Writes all that is needed to use the model, whatever it was trained with."""
        save_plain(model, folder)

    def load(self, folder: str | os.PathLike):
        """What `save` wrote, in float32."""
        return AutoModel.from_pretrained(folder, dtype=torch.float32)

    def identity(self, folder: Path | None = None) -> dict:
        """The config of the model, or of a checkpoint of whatever kind."""
        config = self.model.config if folder is None else AutoConfig.from_pretrained(folder)
        return config.to_dict()
