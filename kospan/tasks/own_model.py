"""How tasks keep a model of ours: in a folder that transformers' AutoModel opens."""

import os

import torch
from transformers import AutoModel

from kospan.recipe import Recipe
from kospan.tasks.building import check_unused
from kospan.tasks.encoders import check_scratch_options
from kospan.training.lora import save_plain
from kospan.training.validation import window_losses

FOR_WRITERS = (
    *("instruction", "label_descriptions", "few_shot", "few_shot_by", "constrained", "max_new_tokens"),
    *("load_dtype", "load_bits", "device_map", "packing"),
)


class OwnModel:
    """A part of `Task`."""

    check_scratch = staticmethod(check_scratch_options)
    losses = staticmethod(window_losses)
    save_beside = None

    @classmethod
    def check_recipe(cls, recipe: Recipe) -> None:
        """Raises: ValueError where a recipe sets what is there for models that write."""
        check_unused(recipe, FOR_WRITERS, "models that write")

    def save(self, model: torch.nn.Module, folder: str | os.PathLike) -> None:
        """Writes all that is needed to use the model, whatever it was trained with."""
        save_plain(model, folder)

    def load(self, folder: str | os.PathLike):
        """What `save` wrote, in float32."""
        return AutoModel.from_pretrained(folder, dtype=torch.float32)
