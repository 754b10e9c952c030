"""The task loss on validation data, beside the scores."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from transformers import Trainer


class ValidationLoss:
    """Mean task loss of windows with labels, in evaluation mode: no dropout, R-Drop or adversarial pass.

    Args:
        features: The windows, as for training.
        batch_size: Windows per batch.
        losses: `(model, features, batch_size)` to the mean loss of each batch and the number of labels in it.

    Raises: ValueError where no window has a label.
    """

    def __init__(self, features: Sequence[dict], batch_size: int, losses: Callable):
        self.features, self.batch_size, self.losses = features, batch_size, losses
        if not any(_has_labels(feature["labels"]) for feature in features):
            raise ValueError(
                f"expected validation texts with labels for validation_loss, got {len(features):,} windows without "
                "one; remove validation_loss, or name other validation texts"
            )

    def batches(self, model) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the mean loss of each batch, and the number of labels in it."""
        return iter(self.losses(model, self.features, self.batch_size))

    @torch.no_grad()
    def __call__(self, trainer: Trainer) -> float:
        """The loss in its own unit, averaged over all labels of all windows, equal in every process."""
        accelerator, model = trainer.accelerator, trainer.whole_model()
        total, count = torch.zeros(2, dtype=torch.float64, device=trainer.args.device)
        own = self.features[accelerator.process_index :: accelerator.num_processes]
        with trainer.compute_loss_context_manager():
            for loss, labels in self.losses(model, own, self.batch_size):
                total, count = total + loss.double() * labels, count + labels
        total, count = accelerator.reduce(torch.stack([total, count])).tolist()
        return total / count


def _has_labels(labels: Iterable[int] | float) -> bool:
    return any(label != -100 for label in (labels if isinstance(labels, Iterable) else [labels]))


def window_losses(
    model: torch.nn.Module, features: Sequence[dict], batch_size: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield the mean loss of each batch of windows of a model of kospan, and the number of labels in it."""
    with model.evaluating():
        for _, batch in model.window_batches(features, batch_size):
            yield model.task_loss(batch), (batch["labels"] != -100).sum()
