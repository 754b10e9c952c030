"""`crf_backend: torchcrf`: pytorch-crf's own module for the likelihood while training, as a peer to hold ours
against."""

import torch


def use_torchcrf(model) -> None:
    """Lets the head's loss run through pytorch-crf, on the very parameters of ours; nothing of it is ever saved.

    Raises:
        ImportError: pytorch-crf is not installed.
        ValueError: The head has no chain, or bans are wanted in the likelihood, which pytorch-crf does not have.
    """
    try:
        from torchcrf import CRF
    except ImportError as error:
        raise ImportError("crf_backend: torchcrf needs pytorch-crf; `pip install pytorch-crf`") from error
    config = model.config
    if config.head != "crf" or config.constrain == "both":
        raise ValueError(
            f"expected head: crf and constrain: none or decode with crf_backend: torchcrf, got head {config.head} "
            f"and constrain {config.constrain}; use crf_backend: kospan"
        )
    ours, peer = model.head.crf, CRF(len(config.tags), batch_first=True)
    for name in ("start_transitions", "end_transitions", "transitions"):
        setattr(peer, name, getattr(ours, name))

    def likelihood(emissions, labels, mask, reduction="sum", begins=None, ends=None):
        whole = all(each is None or bool(each.all()) for each in (begins, ends))
        if not whole:
            raise ValueError(
                "expected whole documents with crf_backend: torchcrf, got windows of a longer one, whose inner edges "
                "pytorch-crf scores like document edges; raise window or use crf_backend: kospan"
            )
        with torch.autocast(emissions.device.type, enabled=False):
            return peer(emissions.float(), labels.clamp(min=0), mask, reduction=reduction)

    # Past nn.Module's own bookkeeping: the peer must not appear in the state dict.
    object.__setattr__(model.head, "likelihood", likelihood)
