"""Saved models of ours and of transformers, opened by name and read in the same way."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForTokenClassification, BertModel, pipeline

from kospan.cli import main
from kospan.example import Example
from kospan.recipe import load_recipe
from kospan.run import build_trainer
from kospan.tasks import loading
from kospan.tasks.building import check_continued
from kospan.tasks.loading import load_saved, open_saved

TEXTS = ["이재용 회장이 서울에서 말했다", "", "  ", "부산은 넓다 " * 12]
TAGS = ["O", "B-LC", "I-LC", "B-PS", "I-PS"]


@pytest.fixture
def stock_folder(character_tokenizer, tmp_path):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(character_tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=34,
        id2label=dict(enumerate(TAGS)),
        label2id={tag: at for at, tag in enumerate(TAGS)},
    )
    model = BertForTokenClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(30.0)
    model.save_pretrained(tmp_path / "stock")
    character_tokenizer.save_pretrained(tmp_path / "stock")
    return tmp_path / "stock"


def test_a_stock_model_finds_what_its_pipeline_finds(stock_folder):
    task = open_saved(str(stock_folder), dataset="conll")
    assert (task.labels, task.unit, task.spec.confidence(task, [])) == (["LC", "PS"], "word", None)
    found = task.predict([Example(str(at), text, None) for at, text in enumerate(TEXTS)])
    assert found[1] == found[2] == [] and found[0] and found[3]
    assert max(span.end for span in found[3]) > 34, "text beyond the window is read too"
    expected = pipeline("token-classification", str(stock_folder), aggregation_strategy="simple")(TEXTS[0])
    # The tokenizer of the tests reads a space as a subword; no span begins or ends with one.
    assert [(TEXTS[0][span.start : span.end], span.label) for span in found[0]] == [
        (surface, entity["entity_group"])
        for entity in expected
        if (surface := TEXTS[0][entity["start"] : entity["end"]].strip())
    ]
    for text, spans in zip(TEXTS, found):
        assert all(one.end <= other.start for one, other in zip(spans, spans[1:]))
        assert all(text[span.start : span.end].strip() == text[span.start : span.end] != "" for span in spans)
    [joined] = task.predict([Example("a", TEXTS[0], None, words=tuple(TEXTS[0].split(" ")))])
    assert [span[:3] for span in joined] == [span[:3] for span in found[0]]
    kept = task.model.extract(TEXTS, threshold=0.5)
    assert all(span.score >= 0.5 for spans in kept for span in spans)


def test_a_stock_model_is_evaluated_by_the_same_command(stock_folder, tmp_path, capsys):
    data = tmp_path / "gold.jsonl"
    data.write_text(
        '{"id": "a", "text": "이재용 서울", "spans": [{"start": 0, "end": 3, "label": "PS"}]}\n', encoding="utf-8"
    )
    assert main(["evaluate", str(stock_folder), "--data", str(data), "--aggregation", "first"]) == 0
    assert "classes of errors" in capsys.readouterr().out
    assert main(["evaluate", str(stock_folder), "--data", str(data), "--aggregation", "last"]) == 2
    assert "simple, first, average, max, got 'last'" in capsys.readouterr().err


def test_labels_of_a_stock_model_are_spelled_as_those_of_data(stock_folder):
    config = json.loads((stock_folder / "config.json").read_text(encoding="utf-8"))
    config["id2label"] = {"0": "O", "1": "B-\u1112\u1161\u11ab", "2": "I-\u1112\u1161\u11ab ", "3": "B-PS", "4": "I-PS"}
    (stock_folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    task = open_saved(str(stock_folder))
    assert task.labels == ["PS", "한"]
    assert {span.label for spans in task.model.extract(TEXTS) for span in spans} <= {"PS", "한"}


def test_a_model_of_ours_keeps_its_unit_and_takes_no_aggregation(make_token_classifier, tmp_path):
    make_token_classifier(unit="character", encoder_input="units").save_pretrained(tmp_path)
    task = open_saved(str(tmp_path), dataset="conll")
    assert (task.labels, task.unit) == (["PS", "LC", "OG"], "character")
    with pytest.raises(ValueError, match="no aggregation for a model of ours, got 'first'; remove it"):
        load_saved(str(tmp_path), "first")


def test_other_models_and_nothing_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"found none .*outputs/<recipe name>"):
        load_saved(str(tmp_path / "nowhere"))
    config = BertConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    BertModel(config).save_pretrained(tmp_path / "bare")
    with pytest.raises(ValueError, match=r"expected a model that finds spans at .*, got BertModel; train one"):
        load_saved(str(tmp_path / "bare"))


def _cut(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:999])


def _edited(file, **values):
    """Change values in a JSON file of a folder."""

    def edit(folder):
        settings = json.loads((folder / file).read_text(encoding="utf-8"))
        (folder / file).write_text(json.dumps(settings | values), encoding="utf-8")

    return edit


def _with_id(number):
    """Add an id to the vocabulary of a tokenizer."""

    def edit(folder):
        settings = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        settings["model"]["vocab"]["x"] = number
        (folder / "tokenizer.json").write_text(json.dumps(settings), encoding="utf-8")

    return edit


@pytest.mark.parametrize(
    "damage",
    [
        _edited("tokenizer_config.json", model_max_length="x"),
        _edited("config.json", id2label=3),
        _edited("config.json", encoder_config=[]),
        _edited("config.json", encoder_config={"model_type": "electra", "hidden_act": "x"}),
        _edited("tokenizer.json", model={"type": "x"}),
        _with_id(2**31),
        _with_id(100_000),
        lambda folder: (folder / "config.json").write_text("[" * 5000),
        lambda folder: (folder / "config.json").write_text("[]"),
        lambda folder: (folder / "tokenizer.json").write_text("[" * 5000),
        lambda folder: (folder / "model.safetensors").write_bytes(b"\0" * 8),
    ],
)
def test_damaged_files_are_named(damage, make_token_classifier, tmp_path):
    make_token_classifier().save_pretrained(tmp_path)
    damage(tmp_path)
    with pytest.raises((ValueError, OSError), match=r"expected .*(got|found)"):
        load_saved(str(tmp_path))


def _others(folder):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    inner = config.get("encoder_config", config)
    inner["intermediate_size"] = 8
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (_cut, r"expected whole weights in .* cut short .*; copy or download the model again$"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"expected weights in .*, found none \(.*; copy"),
        (_others, r"expected weights in .* with the shapes that its config.json gives, got others; take"),
        (lambda folder: (folder / "config.json").write_text("{}"), r"found no config.json there that names its kind"),
    ],
)
@pytest.mark.parametrize("stock", [True, False])
def test_a_model_of_which_a_part_is_missing_is_refused(
    stock, broken, message, request, make_token_classifier, tmp_path
):
    if stock:
        folder = request.getfixturevalue("stock_folder")
    else:
        folder = tmp_path / "ours"
        make_token_classifier().save_pretrained(folder)
    broken(folder)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load_saved(str(folder))


def test_a_stock_model_without_its_tokenizer_is_refused(stock_folder):
    for path in stock_folder.glob("tokenizer*"):
        path.unlink()
    # transformers makes up one that reads every word as unknown, and the metrics would say nothing about the model.
    with pytest.raises(FileNotFoundError, match=r"expected a tokenizer beside the model .*, found none.*; save it"):
        load_saved(str(stock_folder))


@pytest.mark.parametrize(("begin", "end", "alone"), [("B", "E", "S"), ("B", "L", "U")])
def test_tags_that_end_a_span_or_are_one_alone_are_read(begin, end, alone, stock_folder, monkeypatch):
    tags = ["O", f"{begin}-PS", f"{end}-PS", f"{alone}-PS", "I-PS"]
    config = json.loads((stock_folder / "config.json").read_text(encoding="utf-8"))
    config |= {"id2label": dict(enumerate(tags)), "label2id": {tag: at for at, tag in enumerate(tags)}}
    (stock_folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    model = load_saved(str(stock_folder))
    assert model.labels == ["PS"]
    # [CLS], then B I E S O S for the characters of the text, then [SEP].
    path = torch.tensor([[0, 1, 4, 2, 3, 0, 3, 0]])
    forward = type(model._pipe.model).forward

    def certain(self, *args, **kwargs):
        found = forward(self, *args, **kwargs)
        found.logits = 9.0 * torch.nn.functional.one_hot(path, len(tags)).float()
        return found

    monkeypatch.setattr(type(model._pipe.model), "forward", certain)
    [spans] = model.extract(["이재용장이서"])
    assert [span[:3] for span in spans] == [(0, 3, "PS"), (3, 4, "PS"), (5, 6, "PS")]


def test_incomplete_weights_are_an_error_of_one_line(make_token_classifier, tmp_path, capsys):
    make_token_classifier().save_pretrained(tmp_path / "model")
    texts, weights = tmp_path / "texts.txt", tmp_path / "model" / "model.safetensors"
    texts.write_text("서울에 간다\n", encoding="utf-8")

    def said() -> str:
        assert main(["predict", str(tmp_path / "model"), str(texts)]) == 2
        return capsys.readouterr().err

    whole = load_file(weights)
    save_file({name: tensor for name, tensor in whole.items() if "crf." not in name}, weights, {"format": "pt"})
    assert "lacks 3 of them (first: head.crf.end_transitions); copy or download the model again\n" in said()
    wider = {**whole, "head.projection.bias": torch.zeros(9)}
    save_file(wider, weights, {"format": "pt"})
    assert "with the shapes that its config.json gives, got others; take config and weights from one model" in said()
    weights.write_bytes(weights.read_bytes()[:900])
    message = said()
    assert "expected whole weights in" in message and "got a file that is cut short" in message
    assert message.count("\n") == 1


def test_an_incomplete_encoder_is_refused_before_training(make_token_classifier, tmp_path):
    model = make_token_classifier()
    model.encoder.save_pretrained(tmp_path / "encoder")
    model.tokenizer.save_pretrained(tmp_path / "encoder")
    weights = tmp_path / "encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:900])
    flags = {"encoder": str(tmp_path / "encoder"), "max_length": 64, "stride": 8, "output_dir": str(tmp_path / "out")}
    with pytest.raises(ValueError, match=r"expected whole weights in .*encoder, got a file that is cut short"):
        build_trainer(load_recipe(None, {**flags, "use_cpu": "true"}))


def test_further_training_can_freeze_the_encoder(make_token_classifier, tmp_path):
    make_token_classifier(labels=["DT", "LC", "OG", "PS", "QT", "TI"]).save_pretrained(tmp_path / "model")
    flags = {"encoder": str(tmp_path / "model"), "output_dir": str(tmp_path / "out"), "use_cpu": "true"}
    trained = build_trainer(load_recipe(None, {**flags, "freeze_encoder": "true"})).model
    assert not any(parameter.requires_grad for parameter in trained.encoder.parameters())
    assert all(parameter.requires_grad for parameter in trained.head.parameters())


TYPES = ["DT", "LC", "OG", "PS", "QT", "TI"]


@pytest.mark.parametrize(
    ("key", "value", "own"),
    [
        ("head", "linear", "'crf'"),
        ("scheme", "BIOES", "'BIO'"),
        ("lstm_hidden_size", 8, "0"),
        ("unit", "word", "'character'"),
        ("encoder_input", "units", "'subwords'"),
        ("normalization", "none", "'NFC'"),
        ("max_length", 32, "64"),
        ("stride", 9, "8"),
        ("word_shape_feature", True, "False"),
        ("head_options", {"a": 1}, "{}"),
        ("encoder_options", {"num_hidden_layers": 2}, "1"),
    ],
)
def test_further_training_cannot_change_fixed_settings(key, value, own, make_token_classifier, tmp_path):
    config = make_token_classifier(labels=TYPES).config
    with pytest.raises(ValueError, match=rf"expected {key}.* to be {own} as in the model .*; remove it, or train"):
        check_continued(load_recipe(None, {"encoder": "outputs/x", key: value}), config)


def test_further_training_may_change_adjustable_settings(make_token_classifier, tmp_path):
    make_token_classifier(labels=TYPES, constrain="both", lstm_hidden_size=8).save_pretrained(tmp_path / "model")
    flags = {
        "encoder": str(tmp_path / "model"),
        "output_dir": str(tmp_path / "out"),
        "use_cpu": "true",
        "dropout": 0.3,
        "multi_sample_dropout": 3,
        "dropout_merge": "mean_loss",
        "lstm_dropout": 0.2,
        "constrain": "none",
        "max_length": 64,
        "encoder_options": {"num_hidden_layers": 1, "min_count": 2},
    }
    model = build_trainer(load_recipe(None, flags)).model
    assert (model.head.dropout.p, model.head.samples, model.head.merge) == (0.3, 3, "mean_loss")
    assert (model.lstm_dropout.p, model.head.constrain, model.config.constrain) == (0.2, "none", "none")
    assert (model.config.max_length, model.config.stride) == (64, 8)
    with pytest.raises(ValueError, match=r"expected constrain to be one of none, decode, both, got 'always'"):
        build_trainer(load_recipe(None, {**flags, "constrain": "always"}))
    unset = {key: flags[key] for key in ("encoder", "output_dir", "use_cpu")}
    assert build_trainer(load_recipe(None, unset)).model.config.constrain == "both"


# --- bfloat16 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fixture", ["make_token_classifier", "make_qa_model", "make_text_classifier"])
def test_bfloat16_is_the_type_of_the_encoder_alone(fixture, request, monkeypatch, tmp_path):
    monkeypatch.setattr(loading, "has_bfloat16", lambda: True)
    settings = {} if fixture == "make_text_classifier" else {"lstm_hidden_size": 6, "encoder_input": "units"}
    request.getfixturevalue(fixture)(**settings).save_pretrained(tmp_path / "model")
    model, plain = load_saved(str(tmp_path / "model"), dtype="bfloat16"), load_saved(str(tmp_path / "model"))
    wide = {name for name, each in model.named_parameters() if each.dtype == torch.float32}
    assert wide and {name for name, _ in model.named_parameters() if not name.startswith("encoder.")} == wide
    assert all(torch.equal(each, plain.get_parameter(name)) for name, each in model.named_parameters() if name in wide)
    if fixture == "make_qa_model":
        found, wanted = ([span.score for span in each.answer("누가?", TEXTS[0], top_k=3)] for each in (model, plain))
        assert len(found) == 3 and max(found) == pytest.approx(max(wanted), abs=0.2)
    elif fixture == "make_text_classifier":
        assert model.scores(TEXTS) == pytest.approx(plain.scores(TEXTS), abs=0.2)
    else:
        found, wanted = (each.token_scores(TEXTS[:1])[0].emissions for each in (model, plain))
        assert found.dtype == torch.float32
        # bfloat16 has 8 bits: another result, but not far.
        assert 0 < (found - wanted).abs().max() < 0.05 * wanted.abs().max()


def test_bfloat16_is_refused_where_it_does_not_run(make_token_classifier, stock_folder, monkeypatch, tmp_path, capsys):
    make_token_classifier().save_pretrained(tmp_path / "model")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(loading.platform, "machine", lambda: "x86_64")
    with pytest.raises(ValueError, match="got one without, on which bfloat16 is slower than float32; leave dtype out"):
        load_saved(str(tmp_path / "model"), dtype="bfloat16")
    with pytest.raises(ValueError, match="expected a model of kospan with an encoder in torch for dtype bfloat16"):
        load_saved(str(stock_folder), dtype="bfloat16")
    with pytest.raises(ValueError, match="expected dtype to be one of float32, bfloat16, got 'float16'"):
        load_saved(str(tmp_path / "model"), dtype="float16")


# --- exported models --------------------------------------------------------------------------------------------------


@pytest.fixture
def exported(make_token_classifier, tmp_path):
    make_token_classifier(encoder_input="units", encoder={"num_hidden_layers": 0}).save_pretrained(tmp_path / "model")
    assert main(["export", str(tmp_path / "model"), str(tmp_path / "exported")]) == 0
    return tmp_path / "exported"


def test_an_exported_model_predicts_and_is_scored_like_its_source(exported, tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS[::3]), encoding="utf-8")
    found = []
    for folder in (exported.parent / "model", exported):
        capsys.readouterr()
        assert main(["predict", str(folder), str(tmp_path / "texts.txt")]) == 0
        found.append([json.loads(line)["spans"] for line in capsys.readouterr().out.splitlines()])
    assert any(found[0])
    for wanted, own in zip(*found, strict=True):
        assert [span | {"score": 0} for span in own] == [span | {"score": 0} for span in wanted]
    (tmp_path / "gold.jsonl").write_text('{"text": "비가 온다", "spans": []}', encoding="utf-8")
    assert main(["evaluate", str(exported), "--data", str(tmp_path / "gold.jsonl")]) == 0
    assert main(["benchmark", str(exported), "--lengths", "16", "--batches", "1", "--calls", "1"]) == 0


def test_commands_that_need_weights_refuse_an_exported_model(exported, tmp_path, capsys):
    (tmp_path / "gold.jsonl").write_text('{"text": "비가 온다", "spans": []}', encoding="utf-8")
    data = ["--data", str(tmp_path / "gold.jsonl")]
    for words in (["calibrate", *data], ["analyze", *data], ["export", str(tmp_path / "again")]):
        assert main([words[0], str(exported), *words[1:]]) == 2
        message = capsys.readouterr().err
        assert (
            f"kospan: expected a model with its weights to {words[0]}, got the exported model in {exported}" in message
        )
    with pytest.raises(ValueError, match="expected a model of kospan with an encoder in torch for dtype bfloat16"):
        load_saved(str(exported), dtype="bfloat16")
    with pytest.raises(ValueError, match="expected no aggregation"):
        load_saved(str(exported), "first")
