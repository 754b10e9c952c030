"""The table of renames, read both ways, against what the classes of transformers really hold."""

import pytest
import torch
from conversion_cases import KINDS as CASES
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BigBirdConfig,
    BigBirdForMaskedLM,
    BigBirdModel,
    ElectraConfig,
    ElectraForMaskedLM,
    RobertaConfig,
    RobertaForMaskedLM,
)

from kospan.conversion.weight_names import FAMILIES, HEAD_NAMES, Spelling, detect_spelling, name_pairs

SIZES = {"vocab_size": 7, "hidden_size": 4, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 5}
HEADED = {
    "roberta": (RobertaForMaskedLM, RobertaConfig(**SIZES)),
    "bert": (BertForMaskedLM, BertConfig(**SIZES)),
    "electra": (ElectraForMaskedLM, ElectraConfig(**SIZES, embedding_size=4)),
}


@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize("old_norms", [True, False])
@pytest.mark.parametrize("prefixed", [True, False])
@pytest.mark.parametrize("model_type", sorted(FAMILIES))
def test_no_name_stands_twice_on_either_side(model_type, prefixed, old_norms, head):
    names = Spelling(FAMILIES[model_type].prefix if prefixed else "", old_norms)
    found = name_pairs(model_type, 3, names, head)
    there, back = dict(found), {new: old for old, new in found}
    assert len(there) == len(back) == len(found)
    assert all(back[there[old]] == old for old in there)


@pytest.mark.parametrize("model_type", sorted(HEADED))
def test_names_of_a_source_with_a_head_are_what_its_class_holds(model_type):
    model_class, config = HEADED[model_type]
    with torch.device("meta"):
        real = set(model_class(config).state_dict())
    table = dict(name_pairs(model_type, 3, detect_spelling(model_type, sorted(real)), head=True))
    # The table also knows the pooler, which these classes build without.
    assert real <= set(table)
    assert all("pooler" in name for name in set(table) - real)


@pytest.mark.parametrize("model_type", sorted(HEADED))
def test_names_on_the_other_side_are_what_bigbird_holds(model_type):
    with torch.device("meta"):
        headed = set(BigBirdForMaskedLM(BigBirdConfig(**SIZES)).state_dict())
        bare = set(BigBirdModel(BigBirdConfig(**SIZES)).state_dict())
    targets = {new for _, new in name_pairs(model_type, 3, Spelling("", False), head=True)}
    missing = (
        {"bert.pooler.weight", "bert.pooler.bias", "cls.predictions.decoder.bias"} if "el" in model_type else set()
    )
    assert targets == headed - missing
    assert {new for _, new in name_pairs(model_type, 3, Spelling("", False), head=False)} <= bare


def test_spelling_sees_the_prefix_and_the_old_names_of_norms():
    assert detect_spelling("roberta", ["roberta.embeddings.LayerNorm.weight"]) == Spelling("roberta.", False)
    assert detect_spelling("electra", ["embeddings.LayerNorm.gamma"]) == Spelling("", True)
    table = dict(name_pairs("bert", 1, Spelling("bert.", True), head=True))
    assert table["bert.encoder.layer.0.output.LayerNorm.beta"] == "bert.encoder.layer.0.output.LayerNorm.bias"
    assert table["cls.predictions.transform.LayerNorm.gamma"] == "cls.predictions.transform.LayerNorm.weight"


def test_every_head_has_a_name_for_every_part():
    assert all(len(kind.head) == len(HEAD_NAMES) for kind in FAMILIES.values())
    assert {kind.split()[0] for kind in CASES} <= set(FAMILIES)
