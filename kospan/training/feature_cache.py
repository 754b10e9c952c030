"""A training on a frozen encoder that reads its states from disk."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from huggingface_hub.constants import HF_HOME

from kospan.training.feature_cache import EncoderFeatures, encoder_digest, make_states


def states_root(setting: str | None) -> Path | None:
    """The folder of all sets that a recipe's `feature_cache_dir` names; None where states are not kept.

    >>> states_root(None) is None
    True
    """
    if setting is None:
        return None
    return Path(HF_HOME, "kospan", "states") if setting == "auto" else Path(os.path.expanduser(setting))


def check_cached(setting: str | None, fgm_epsilon: float, subword_dropout: float) -> None:
    """Raises: ValueError where a technique changes what the encoder reads, which kept states would not show.

    Args:
        setting: The recipe's `feature_cache_dir`.
        fgm_epsilon: Size of FGM's perturbation.
        subword_dropout: Share of hidden subwords.
    """
    if setting is None:
        return
    reasons = {
        "fgm_epsilon": (fgm_epsilon, "FGM perturbs the word vectors that the encoder reads"),
        "subword_dropout": (subword_dropout, "subword dropout hides subwords that the encoder reads"),
    }
    for key, (value, reason) in reasons.items():
        if value:
            raise ValueError(
                f"expected {key}: 0 with freeze_encoder and kept states, got {value:g}: {reason}, and a training on "
                "kept states never asks the encoder; set feature_cache_dir: none to have the encoder run in each "
                f"step, or {key}: 0"
            )


class FeatureCache:
    """States of a training's own windows, made when training begins and let go of when it ends.

    Args:
        root: Folder of all sets.
        sets: What the encoder reads of each set's windows, by the set's name; called when training begins.
        batch_size: Windows the encoder reads at once.
    """

    def __init__(self, root: Path, sets: dict[str, Callable[[], Iterable[Mapping]]], batch_size: int):
        self.root, self.sets, self.batch_size = root, sets, batch_size

    @contextmanager
    def attached(self, trainer) -> Iterator[None]:
        """Inside, batches of training hold states, and the model asks for those of known windows in evaluation."""
        model = trainer.accelerator.unwrap_model(trainer.model)
        encoder = encoder_digest(model)
        with trainer.args.main_process_first(local=False, desc="encoder states"):
            source = _Sets(
                [
                    make_states(model, windows(), self.root, name, encoder, self.batch_size, _say(trainer))
                    for name, windows in self.sets.items()
                ]
            )
        collate = trainer.data_collator
        trainer.data_collator, model.state_source = CachedFeatureCollator(collate, source), source
        try:
            yield
        finally:
            trainer.data_collator, model.state_source = collate, None


class CachedFeatureCollator:
    """A collator whose batches hold the windows' states in place of their subwords.

    Args:
        collate: Makes the batch from features with `encoder_states`.
        source: Gives a window's states.
    """

    def __init__(self, collate: Callable[[list[dict]], dict], source: Callable[[Mapping], np.ndarray | None]):
        self.collate, self.source = collate, source

    def __call__(self, features: list[dict]) -> dict:
        return self.collate([feature | {"encoder_states": self.source(feature)} for feature in features])


class _Sets:
    """Several sets as one source."""

    def __init__(self, sets: Sequence[EncoderFeatures]):
        self.sets = sets

    def __call__(self, window: Mapping) -> np.ndarray | None:
        for states in self.sets:
            found = states(window)
            if found is not None:
                return found
        return None


def _say(trainer) -> Callable[[str], None]:
    first = trainer.is_world_process_zero()
    return lambda line: print(line, flush=True) if first else None
