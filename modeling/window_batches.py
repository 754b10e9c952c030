"""Batches of windows of texts."""

import math
from collections.abc import Iterator, Mapping, Sequence

import torch

from .padded_batches import attention_mask, length_batches, padded_batch

# Positions that a CPU processes at once: with 6 layers of 384, 32 windows of 384 take 2.6 times as long as 4 by 4.
_CPU_POSITIONS = 2048


class WindowBatches:
    """Mixin of models with a tokenizer that builds batches; `state_source` may replace a frozen encoder."""

    def window_batches(
        self, features: Sequence[dict], batch_size: int
    ) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
        """Yield batches of windows on the model's device, with the indices of their windows.

        If the encoder is frozen and `state_source` has its states of a window, the batch holds these.

        Args:
            features: The model's inputs for each window.
            batch_size: Maximum number of windows, see `batches`.
        """
        source = self.state_source if self._encoder_is_frozen else None
        states = [None if source is None else source(window) for window in features]
        lengths = [len(window["input_ids"]) for window in features]
        for known in (True, False):
            # A batch either uses the encoder or not, so the two kinds are not mixed.
            rows = [at for at, each in enumerate(states) if (each is not None) == known]
            for chosen in self.batches([lengths[at] for at in rows], batch_size):
                chosen = [rows[at] for at in chosen]
                batch = [features[at] | {"encoder_states": states[at]} if known else features[at] for at in chosen]
                yield chosen, self.to_device(self.collate(batch))

    def batches(self, lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
        """Yield indices of windows to process together, sorted by length.

        Args:
            lengths: Positions of each window.
            batch_size: Maximum number of windows. On a CPU a batch has fewer long windows: a batch that does not fit
                its caches is slower than single windows.
        """
        positions = _CPU_POSITIONS if self.device.type == "cpu" else math.inf
        return length_batches(lengths, batch_size, positions)

    def collate(self, features: Sequence[Mapping]) -> dict[str, torch.Tensor]:
        """Combine features of windows to one batch on the CPU.

        Args:
            features: Dicts with the same keys, `input_ids` among them. Lists are padded on the right: `input_ids` with
                the padding token, `token_type_ids` with 0, features of units with -100. If they hold `encoder_states`,
                float32 arrays `(length, hidden)`, these are padded with zeros and replace `input_ids` and
                `token_type_ids` in the batch. `ids` of texts are ignored.

        Returns:
            A tensor for each other key, and `attention_mask` `(batch, length)`.
        """
        lengths = [len(feature["input_ids"]) for feature in features]
        mask = torch.from_numpy(attention_mask(lengths))
        states = [feature["encoder_states"] for feature in features if "encoder_states" in feature]
        if states and getattr(self.config, "subword_embedding_size", 0):
            features = [
                {**each, "unit_subwords": [each["input_ids"][at] for at in each["unit_positions"]]} for each in features
            ]
        dropped = ("ids", *(("input_ids", "token_type_ids", "encoder_states") if states else ()))
        features = [{key: value for key, value in each.items() if key not in dropped} for each in features]
        padded = padded_batch(features, self.tokenizer.pad_token_id or 0)
        batch = {key: torch.as_tensor(values) for key, values in padded.items()}
        if states:
            batch["encoder_states"] = torch.zeros(len(states), max(lengths), states[0].shape[1])
            for row, value in zip(batch["encoder_states"].numpy(), states):
                row[: len(value)] = value
        return batch | {"attention_mask": mask}

    def to_device(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Move a batch to the model's device."""
        return {key: value.to(self.device) for key, value in batch.items()}
