"""The learning rate of the KLUE-NER baseline is the one of the recipe that it is compared with."""

from pathlib import Path

import pytest
import torch
from transformers import get_scheduler

from kospan.recipe import load_recipe

ROOT = Path(__file__).parent.parent.parent


def rates(make, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-3)
    scheduler, found = make(optimizer), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_the_linear_schedule_is_the_one_of_our_recipe(study):
    trainer = load_recipe(ROOT / "recipes" / "klue_ner_char_bilstm_crf.yaml").trainer
    steps, warmup = 101, -int(-101 * trainer["warmup_steps"] // 1)
    assert warmup == 6 and "lr_scheduler_type" not in trainer
    ours = rates(lambda optimizer: get_scheduler("linear", optimizer, warmup, steps), steps)
    assert rates(lambda optimizer: study.schedule(optimizer, "linear", steps), steps) == pytest.approx(ours)
    assert max(ours) == study.RECIPE["learning_rate"] == float(trainer["learning_rate"])
    assert rates(lambda optimizer: study.schedule(optimizer, "constant", steps), steps) == [2e-3] * steps
