"""The task loss on validation data, beside the scores."""

from collections.abc import Callable, Sequence

import torch


class ValidationLoss:
    """The mean task loss of windows with labels, in evaluation mode: no dropout, no R-Drop, no adversarial pass.

    Args:
        features: Makes the windows, as for training; called when it is first needed.
        collate: Makes a batch of them.
        batch_size: Windows read at once.
    """

    def __init__(self, features: Callable[[], Sequence[dict]], collate: Callable[[list[dict]], dict], batch_size: int):
        self.make, self.collate, self.batch_size = features, collate, batch_size
        self.features: list[dict] | None = None

    @torch.no_grad()
    def __call__(self, trainer) -> float:
        """In the loss's own unit, averaged over all labels of all windows; every process gets the same.

        Args:
            trainer: Whose model and device are used.
        """
        if self.features is None:
            self.features = sorted(self.make(), key=lambda feature: len(feature["input_ids"]))
        accelerator, model = trainer.accelerator, trainer.accelerator.unwrap_model(trainer.model)
        total, count = torch.zeros(2, dtype=torch.float64, device=trainer.args.device)
        starts = range(0, len(self.features), self.batch_size)
        with model.reading(), trainer.compute_loss_context_manager():
            for start in starts[accelerator.process_index :: accelerator.num_processes]:
                batch = model.placed(self.collate(self.features[start : start + self.batch_size]))
                labels = (batch["labels"] != -100).sum()
                total, count = total + model.task_loss(batch).double() * labels, count + labels
        total, count = accelerator.reduce(torch.stack([total, count])).tolist()
        return total / count
