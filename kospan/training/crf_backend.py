"""`crf_backend: torchcrf`: pytorch-crf's module for the likelihood while training, to compare ours with."""

import torch


def use_torchcrf(model) -> None:
    """Compute the head's loss by pytorch-crf on the parameters of our CRF; saved models are not affected.

    Raises:
        ImportError: pytorch-crf is not installed.
        ValueError: The head has no CRF, or the likelihood shall ban transitions, which pytorch-crf cannot.
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
    ours, reference = model.head.crf, CRF(len(config.tags), batch_first=True)
    for name in ("start_transitions", "end_transitions", "transitions"):
        setattr(reference, name, getattr(ours, name))

    def likelihood(emissions, labels, mask, reduction="sum", begins=None, ends=None):
        whole = all(each is None or bool(each.all()) for each in (begins, ends))
        if not whole:
            raise ValueError(
                "expected whole documents with crf_backend: torchcrf, got windows of a longer one, whose inner edges "
                "pytorch-crf scores like document edges; raise max_length or use crf_backend: kospan"
            )
        with torch.autocast(emissions.device.type, enabled=False):
            return reference(emissions.float(), labels.clamp(min=0), mask, reduction=reduction)

    # Not registered by nn.Module: the reference must not appear in the state dict.
    object.__setattr__(model.head, "likelihood", likelihood)
