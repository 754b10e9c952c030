"""The command line with a loss that is NaN on the second process in the second step; started by torchrun."""

import sys

from kospan.cli import main
from kospan.training.trainer import KospanTrainer

loss_of = KospanTrainer.compute_loss


def broken(self, model, inputs, return_outputs=False, num_items_in_batch=None):
    """The loss; its gradient stays finite, so that the other process can only know from this one."""
    loss, outputs = loss_of(self, model, inputs, True, num_items_in_batch)
    if model.training and self.state.global_step == 1 and self.args.process_index == 1:
        loss = loss + float("nan")
    return (loss, outputs) if return_outputs else loss


if __name__ == "__main__":
    KospanTrainer.compute_loss = broken
    sys.exit(main(sys.argv[1:]))
