"""Training on a frozen encoder whose features come from disk."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from huggingface_hub.constants import HF_HOME

from kospan.recipe import Recipe
from kospan.training.feature_file import compute_features, encoder_digest


def cache_root(recipe: Recipe) -> Path | None:
    """Folder of all feature files of a recipe; None if it caches none.

    >>> cache_root(Recipe()) is None
    True
    """
    if not recipe.freeze_encoder or recipe.feature_cache_dir is None:
        return None
    if recipe.feature_cache_dir == "auto":
        return Path(HF_HOME, "kospan", "features")
    return Path(os.path.expanduser(recipe.feature_cache_dir))


def check_feature_cache(recipe: Recipe) -> None:
    """Raises: ValueError where a technique changes the encoder's input, which cached features would not show."""
    if cache_root(recipe) is None:
        return
    reasons = {
        "fgm_epsilon": "FGM perturbs the word vectors that the encoder reads",
        "subword_dropout": "subword dropout hides subwords that the encoder reads",
        "mention_replacement": "mention replacement changes the texts that the encoder reads",
    }
    for key, reason in reasons.items():
        value = getattr(recipe, key)
        if value:
            raise ValueError(
                f"expected {key}: 0 with freeze_encoder and cached features, got {value:g}: {reason}, and training on "
                "cached features never runs the encoder; set feature_cache_dir: none to run it in each step, or "
                f"{key}: 0"
            )


class FeatureCache:
    """Cached features of a training's windows, opened when training starts and released when it ends.

    Args:
        root: Folder of all feature files.
        windows: Functions that give the encoder's input of each window, by the name of the set.
        batch_size: Windows per batch.
    """

    def __init__(self, root: Path, windows: dict[str, Callable[[], Iterable[Mapping]]], batch_size: int):
        self.root, self.windows, self.batch_size = root, windows, batch_size

    @contextmanager
    def attached(self, trainer) -> Iterator[None]:
        """Inside, training batches hold features, and the model takes those of known windows in evaluation."""
        model = trainer.accelerator.unwrap_model(trainer.model)
        digest = encoder_digest(model)
        log = print_now if trainer.is_world_process_zero() else ignore
        with trainer.args.main_process_first(local=False, desc="encoder features"):
            files = [
                compute_features(model, windows(), self.root, name, digest, self.batch_size, log)
                for name, windows in self.windows.items()
            ]
        source, collate = FirstFound(files), trainer.data_collator
        trainer.data_collator, model.state_source = FeatureCollator(collate, source), source
        try:
            yield
        finally:
            trainer.data_collator, model.state_source = collate, None


class FeatureCollator:
    """Collator that adds the cached features of each window.

    Args:
        collate: Makes the batch from windows with `encoder_states`.
        source: Returns the features of a window.
    """

    def __init__(self, collate: Callable[[list[dict]], dict], source: Callable[[Mapping], np.ndarray | None]):
        self.collate, self.source = collate, source

    def __call__(self, windows: list[dict]) -> dict:
        """Collate windows with their features."""
        return self.collate([window | {"encoder_states": self.source(window)} for window in windows])


class FirstFound:
    """The features of a window from the first of several files that holds it."""

    def __init__(self, files: list[Callable[[Mapping], np.ndarray | None]]):
        self.files = files

    def __call__(self, window: Mapping) -> np.ndarray | None:
        """Return the features of a window, or None."""
        found = (file(window) for file in self.files)
        return next((features for features in found if features is not None), None)


def print_now(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def ignore(line: str) -> None:
    """Drop a line."""
