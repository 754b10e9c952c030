"""The task loss on validation data, beside the scores."""

from collections.abc import Callable, Sequence

import torch


class ValidationLoss:
    """The mean task loss of windows with labels, in evaluation mode: no dropout, no R-Drop, no adversarial pass.

    Args:
        features: Makes the windows, as for training; called when it is first needed.
        batch_size: Windows read at once.
    """

    def __init__(self, features: Callable[[], Sequence[dict]], batch_size: int):
        self.make, self.batch_size = features, batch_size
        self.features: Sequence[dict] | None = None

    @torch.no_grad()
    def __call__(self, trainer) -> float:
        """In the loss's own unit, averaged over all labels of all windows; every process gets the same.

        Args:
            trainer: Whose model and device are used.
        """
        if self.features is None:
            self.features = self.make()
        accelerator, model = trainer.accelerator, trainer.accelerator.unwrap_model(trainer.model)
        total, count = torch.zeros(2, dtype=torch.float64, device=trainer.args.device)
        own = self.features[accelerator.process_index :: accelerator.num_processes]
        with model.reading(), trainer.compute_loss_context_manager():
            for _, batch in model.window_batches(own, self.batch_size):
                labels = (batch["labels"] != -100).sum()
                total, count = total + model.task_loss(batch).double() * labels, count + labels
        total, count = accelerator.reduce(torch.stack([total, count])).tolist()
        return total / count
