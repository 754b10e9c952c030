"""Batches of windows of texts."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

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
        most = _CPU_POSITIONS if self.device.type == "cpu" else math.inf
        batch: list[int] = []
        for at in sorted(range(len(lengths)), key=lengths.__getitem__):
            if batch and (len(batch) == batch_size or (len(batch) + 1) * lengths[at] > most):
                yield batch
                batch = []
            batch.append(at)
        if batch:
            yield batch

    def collate(self, features: Sequence[Mapping]) -> dict[str, torch.Tensor]:
        """Combine features of windows to one batch on the CPU.

        Args:
            features: Dicts with the same keys, `input_ids` among them. Lists are padded on the right: `input_ids` with
                the padding token, `token_type_ids` with 0, features of units with -100. If they hold `encoder_states`,
                float32 arrays `(length, hidden)`, these are padded with zeros and replace `input_ids` and
                `token_type_ids` in the batch.

        Returns:
            A tensor for each key, and `attention_mask` `(batch, length)`.
        """
        batch = {}
        longest = max(len(feature["input_ids"]) for feature in features)
        fillers = {"input_ids": self.tokenizer.pad_token_id or 0, "token_type_ids": 0}
        cached = "encoder_states" in features[0]
        for key, first in features[0].items():
            if cached and key in fillers:
                continue
            values = [feature[key] for feature in features]
            if key == "encoder_states":
                batch[key] = torch.zeros(len(values), longest, first.shape[1])
                for row, value in zip(batch[key].numpy(), values):
                    row[: len(value)] = value
                continue
            if not isinstance(first, list):
                batch[key] = torch.tensor(values)
                continue
            rows = np.full((len(values), max(map(len, values))), fillers.get(key, -100), dtype=np.int64)
            for row, value in zip(rows, values):
                row[: len(value)] = value
            batch[key] = torch.from_numpy(rows)
        lengths = torch.tensor([len(feature["input_ids"]) for feature in features])
        batch["attention_mask"] = (torch.arange(longest) < lengths.unsqueeze(1)).long()
        return batch

    def to_device(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Move a batch to the model's device."""
        return {key: value.to(self.device) for key, value in batch.items()}
