"""Segments of two texts: rows of the segment table, and tokenizers that give segments, in both versions."""

import json
import os
import subprocess

import pytest
import torch
from conversion_cases import SENTENCES, bert_tokenizer, roberta_tokenizer
from tokenizers import processors
from transformers import AutoTokenizer, BigBirdConfig

from kospan.conversion.segments import segment_rows, with_segments, write_tokenizer
from kospan.tasks.encoders import character_tokenizer

PAIR = ("비가 온다.", "The library opens")

# --- rows -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def table() -> torch.Tensor:
    return torch.randn(2, 4000, generator=torch.Generator().manual_seed(3)) * torch.tensor([[3.0], [1.0]])


def test_rows_of_each_way(table):
    assert torch.equal(segment_rows(table, "own"), table)
    assert torch.equal(segment_rows(table, "copied"), table[[0, 0]])
    assert torch.equal(segment_rows(table, "absent"), table[:1])
    one = segment_rows(table[:1], "noised", 0.02, seed=1)
    assert one.shape == (2, 4000) and torch.equal(one[0], table[0])


def test_noise_has_the_asked_size_relative_to_the_row_and_its_seed(table):
    state = torch.get_rng_state()
    for noise in (0.02, 0.5):
        noised = segment_rows(table, "noised", noise, seed=1)
        difference = noised[1] - table[0]
        assert difference.std().item() == pytest.approx(noise * table[0].std().item(), rel=0.05)
        assert torch.equal(noised, segment_rows(table, "noised", noise, seed=1))
        assert not torch.equal(noised, segment_rows(table, "noised", noise, seed=2))
    assert torch.equal(segment_rows(table, "noised", 0.0), table[[0, 0]])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("way", ["own", "copied", "noised", "absent"])
def test_rows_keep_their_type_and_are_no_view(table, way):
    half = table.half()
    rows = segment_rows(half, way)
    assert rows.dtype == torch.float16
    rows.zero_()
    assert half.abs().sum() > 0


# --- tokenizers -------------------------------------------------------------------------------------------------------

TOKENIZERS = {
    "roberta": roberta_tokenizer,
    "bert": bert_tokenizer,
    "characters": lambda: character_tokenizer(SENTENCES),
}


def written(folder, tokenizer, segments: bool = True):
    write_tokenizer(tokenizer, folder, 61, segments)
    BigBirdConfig(vocab_size=400).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("name", sorted(TOKENIZERS))
def test_two_texts_are_distinguished_and_subwords_stay(tmp_path, name):
    old = TOKENIZERS[name]()
    new = written(tmp_path, old)
    assert new.is_fast and new.model_max_length == 61
    for text in SENTENCES:
        theirs, ours = (each(text, return_offsets_mapping=True) for each in (old, new))
        assert theirs["input_ids"] == ours["input_ids"] and theirs["offset_mapping"] == ours["offset_mapping"]
        assert set(ours["token_type_ids"]) == {0}
    theirs, ours = (each(*PAIR, return_offsets_mapping=True) for each in (old, new))
    assert theirs["input_ids"] == ours["input_ids"] and theirs["offset_mapping"] == ours["offset_mapping"]
    first, second = (len(old(text, add_special_tokens=False)["input_ids"]) for text in PAIR)
    around = 1 + 2 if name == "roberta" else 1 + 1
    assert ours["token_type_ids"] == [0] * (first + around) + [1] * (second + 1)
    assert set(new.special_tokens_map.items()) == set(old.special_tokens_map.items())


def test_a_tokenizer_that_was_set_to_cut_cuts_no_more(tmp_path):
    old = bert_tokenizer()
    assert json.loads(old.backend_tokenizer.to_str())["truncation"]["max_length"] == 9
    write_tokenizer(old, tmp_path, 61, True)
    inside = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    assert inside["truncation"] is None and inside["padding"] is None


def test_without_segments_none_are_given(tmp_path):
    new = written(tmp_path, roberta_tokenizer(), segments=False)
    assert set(new(*PAIR)) == {"input_ids", "attention_mask"}


def test_the_mask_swallows_the_space_before_it_as_before(tmp_path):
    old, text = roberta_tokenizer(), "비가 <mask> 온다."
    new = written(tmp_path, old)
    assert old(text)["input_ids"] == new(text)["input_ids"]
    assert "Ġ" not in new.convert_ids_to_tokens(new(text)["input_ids"])


def test_a_row_of_processors_is_changed_inside():
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    template = {
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {},
    }
    found = with_segments({"type": "Sequence", "processors": [byte_level, template]})
    assert found["processors"][0] == byte_level
    assert [part["Sequence"]["type_id"] for part in found["processors"][1]["pair"]] == [0, 1]


def test_bert_s_older_processor_gives_segments(tmp_path):
    tokenizer = bert_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    new = written(tmp_path, tokenizer)
    assert new("비가", "온다")["input_ids"] == tokenizer("비가", "온다")["input_ids"]
    assert new("비가", "온다")["token_type_ids"] == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("processor, named", [(None, "none that does"), ({"type": "ByteLevel"}, "ByteLevel")])
def test_a_tokenizer_that_puts_no_texts_together_is_refused(processor, named):
    with pytest.raises(ValueError, match=f"with special tokens, got {named}; pass --segments absent"):
        with_segments(processor)


READ = """
import json, sys
from transformers import AutoConfig, AutoTokenizer
for folder in sys.argv[2:]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = tokenizer(*json.loads(sys.argv[1]), return_offsets_mapping=True)
    masked = tokenizer("비가 <mask> 온다.")["input_ids"]
    print(json.dumps([dict(found), masked, tokenizer.model_max_length, AutoConfig.from_pretrained(folder).model_type]))
"""


def test_version_4_reads_the_same(tmp_path, transformers_4):
    folders, ours = [tmp_path / name for name in sorted(TOKENIZERS)], []
    for folder in folders:
        folder.mkdir()
        new = written(folder, TOKENIZERS[folder.name]())
        found = [dict(new(*PAIR, return_offsets_mapping=True)), new("비가 <mask> 온다.")["input_ids"], 61, "big_bird"]
        # Offsets are tuples here, lists in JSON.
        ours.append(json.loads(json.dumps(found)))
    words = ["-W", "ignore", "-c", READ, json.dumps(PAIR), *map(str, folders)]
    output = subprocess.run(
        [transformers_4, *words], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""}
    )
    assert output.returncode == 0, output.stderr[-2000:]
    assert [json.loads(line) for line in output.stdout.splitlines()] == ours
