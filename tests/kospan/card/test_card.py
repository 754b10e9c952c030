"""Model cards against the files of a run: numbers, metadata as the Hub reads them, snippets as users run them."""

import getpass
import json
import os
import re
import shutil
import socket
from pathlib import Path

import pytest
from card_cases import card_of, change, check_snippets, section
from huggingface_hub import ModelCard, metadata_load
from huggingface_hub.repocard_data import model_index_to_eval_results
from release_cases import save_run

from kospan.card.values import ROWS
from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.data.registry import DATASETS
from kospan.example import Example
from kospan.hub.refusals import check_configs, check_no_secrets
from kospan.modeling.spans import Span
from kospan.recipe import load_recipe
from kospan.run import train
from kospan.tasks.token_classification.card import CARD

NAMES, PLACES = ["김민수", "이재용", "박서연", "최가온"], ["서울", "부산", "대구", "광주"]
TINY = {
    "dataset": "jsonl",
    "encoder": "scratch",
    "encoder_options": {
        "num_hidden_layers": 0,
        "hidden_size": 16,
        "embedding_size": 16,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    },
    "encoder_input": "units",
    "max_length": 40,
    "stride": 8,
    "lstm_hidden_size": 8,
    "learning_rate": "3e-2",
    "num_train_epochs": 6,
    "per_device_train_batch_size": 4,
    "use_cpu": True,
    "calibration_split": "0.25",
}
FILES = ("config.json", "recipe.yaml", "eval_results.json", "training_record.json", "calibration.json")
SECRET = "hf_" + "s3cr3t" * 6


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a tiny run, with its card."""
    folder = tmp_path_factory.mktemp("secret-project")
    for split, count in (("train", 24), ("validation", 9)):
        rows = []
        for at in range(count):
            person, place = NAMES[at % 4], PLACES[(at // 4 + at) % 4]
            wrong = "PS" if at % 5 == 2 else "LC"  # labels that no model can learn
            text = f"{person} 기자가 {place}에서 전했다." + " 비가 온다." * (at % 5)
            rows.append(Example(f"{split}-{at}", text, (Span(0, 3, "PS"), Span(8, 10, wrong))))
        write_jsonl(folder / f"{split}.jsonl", rows)
    files = {f"{split}_file": str(folder / f"{split}.jsonl") for split in ("train", "validation")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_TOKEN", SECRET)
        train(load_recipe(None, {**TINY, **files, "output_dir": str(folder / "out")}))
    return folder / "out"


@pytest.fixture
def folder(finished, tmp_path):
    """Copies of the files that a card is rendered from."""
    for name in FILES:
        shutil.copyfile(finished / name, tmp_path / name)
    return tmp_path


def headings(card: str) -> list[str]:
    return re.findall(r"^#{1,3} (.*)$", re.sub(r"^```.*?^```", "", card, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)


def rows_of(part: str) -> dict[str, list[str]]:
    """The rows of the first table, by the first column."""
    lines = [line for line in part.splitlines() if line.startswith("|")]
    cells = [[cell.strip().strip("*`") for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells}


# --- metadata ---------------------------------------------------------------------------------------------------------


def test_metadata_holds_every_metric(finished):
    stored = json.loads((finished / "eval_results.json").read_text(encoding="utf-8"))
    assert {"eval_f1", "eval_f1_PS", "eval_support_LC", "eval_klue_char_f1", "eval_calibration_ece"} <= set(stored)
    card = ModelCard.load(finished / "README.md")
    assert {each.metric_args["metric"]: each.metric_value for each in card.data.eval_results} == stored
    metadata = metadata_load(finished / "README.md")
    name, results = model_index_to_eval_results(metadata["model-index"])
    assert name == "out" and results == card.data.eval_results
    named = {(each.dataset_type, each.dataset_name, each.dataset_config, each.dataset_split) for each in results}
    assert named == {("other", "own data: the file validation.jsonl", None, None)}
    assert all(each.metric_args["unit"] == "character" for each in results)
    assert metadata["pipeline_tag"] == "token-classification" and metadata["library_name"] == "transformers"
    assert str(ModelCard(str(card))) == str(card)


def test_language_and_licence_of_own_data_are_not_guessed(finished):
    metadata = metadata_load(finished / "README.md")
    assert not {"language", "license", "datasets", "base_model", "widget"} & set(metadata)


@pytest.mark.parametrize("dataset", sorted(name for name, spec in DATASETS.items() if spec.licence))
def test_language_licence_and_examples_of_each_data_set(folder, dataset):
    about = DATASETS[dataset]
    change(folder / "recipe.yaml", dataset=dataset)
    card = card_of(folder, "mina/tagger")
    metadata = metadata_load(folder / "README.md")
    assert (metadata["language"], metadata["license"]) == (about.language, about.licence)
    # A file of that format is not the data set of the Hub.
    assert "datasets" not in metadata and not (about.hub and about.hub in card)
    assert about.terms[0] in section(card, "Licence") and about.terms[1] in section(card, "한국어 요약")
    assert ("license_link" in metadata) == (about.licence == "other")
    own = {example["text"] for example in metadata["widget"]}
    sample = {example.text for example in read_jsonl(Path("kospan/data/sample/validation.jsonl").absolute())}
    neutral = {example["text"] for example in CARD.examples("jsonl", about.language)}
    assert own and own <= (sample if dataset == "sample" else neutral)
    assert ("use of the training data is restricted" in card) == about.restricted and ("smoke test" in card) == (
        "Smoke test" in card
    ) == (dataset == "sample")


def test_base_model_is_named_only_if_it_is_on_the_hub(folder):
    record = json.loads((folder / "training_record.json").read_text(encoding="utf-8"))
    for name in ("monologg/koelectra-base-v3-discriminator", None):
        change(folder / "training_record.json", names={**record["names"], "encoder": name})
        change(folder / "recipe.yaml", encoder=name or "/home/kim/my-encoder")
        card = card_of(folder)
        assert metadata_load(folder / "README.md").get("base_model") == name
        assert (name or "my-encoder") in section(card, "Procedure") and "/home/kim" not in card


# --- snippets ---------------------------------------------------------------------------------------------------------


def test_snippets_print_the_output_of_the_card(finished, tmp_path):
    check_snippets(finished, tmp_path)


def test_all_snippets_use_the_name_on_the_hub(folder):
    card = card_of(folder, "mina/tagger")
    assert card.count('"mina/tagger"') == 2 and "hf download mina/tagger recipe.yaml" in card
    assert metadata_load(folder / "README.md")["model-index"][0]["name"] == "tagger"
    assert folder.name not in card and "# tagger" in card


def test_command_reproduces_the_run_from_the_recipe_in_the_folder(finished):
    card = (finished / "README.md").read_text(encoding="utf-8")
    assert "train.py out/recipe.yaml --output_dir outputs/again" in section(card, "Reproduce")
    again = load_recipe(finished / "recipe.yaml", {"output_dir": "outputs/again"})
    assert again.lstm_hidden_size == 8 and again.output_dir == "outputs/again"


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_scores_of_each_type_with_interval_and_baseline(folder):
    record = json.loads((folder / "training_record.json").read_text(encoding="utf-8"))
    rows = rows_of(section(card_of(folder), "Scores"))
    found = {"overall": record["evaluation"]["overall"]}
    found |= {row["group"]: row for row in record["evaluation"]["types"]}
    assert set(found) == {"overall", "PS", "LC"}
    for name, row in found.items():
        low, high = row["f1 interval"]
        expected = [f"{row[key]:.4f}" for key in ("precision", "recall", "f1")]
        assert rows[name][:5] == [*expected, f"{low:.4f} – {high:.4f}", str(row["gold"])]
    record["evaluation"]["types"][0] |= {"precision": 0.1234, "f1 interval": [0.2345, 0.3456]}
    record["evaluation"]["baseline"]["types"][0]["f1"] = 0.4567
    change(folder / "training_record.json", **record)
    row = rows_of(section(card_of(folder), "Scores"))[record["evaluation"]["types"][0]["group"]]
    assert (row[0], row[3], row[5]) == ("0.1234", "0.2345 – 0.3456", "0.4567")


def test_files_of_two_runs_are_refused(folder):
    change(folder / "eval_results.json", eval_f1=0.1234)
    with pytest.raises(ValueError, match=r"of one run, got F1 \d\.\d+ and 0\.123400; copy both from the same run"):
        card_of(folder)


def test_training_sections_match_the_record(finished):
    card = (finished / "README.md").read_text(encoding="utf-8")
    record = json.loads((finished / "training_record.json").read_text(encoding="utf-8"))["training"]
    rows = rows_of(section(card, "Procedure"))
    assert rows["epochs, steps"] == [f"6, {record['steps']}"] and rows["seed"] == ["42"]
    assert rows["precision really in use"] == ["float32"] and "CPU" in rows["device"][0]
    assert rows["`lstm_hidden_size"[1:]] == ["8"] and "stride" in rows and "scheme" not in rows
    curve = rows_of(section(card, "Learning curve"))
    assert len(curve) == 8 and f"**{record['best_step']}**" in section(card, "Learning curve")
    assert re.search(r"[\d,]+ texts per second", section(card, "Speed"))
    assert section(card, "Data").strip().startswith("own data") and "18 texts" in section(card, "Data")


def test_parts_of_the_loss_follow_it_in_the_curve(folder):
    record = json.loads((folder / "training_record.json").read_text(encoding="utf-8"))
    entry = {"step": 1, "epoch": 1.0, "eval_f1": 0.5, "loss": 3.0, "tag_loss": 2.25, "positional_loss": 0.75}
    record["training"] |= {"history": [entry], "best_step": None}
    change(folder / "training_record.json", **record)
    part = section(card_of(folder), "Learning curve")
    assert "| epoch | step | training loss | tag loss | positional loss | F1 |" in part
    assert re.search(r"\| 3\.0000 \| 2\.2500 \| 0\.7500 \| 0\.5000 \|", part)


def test_word_splitting_is_described_in_both_languages(folder):
    sentences = ("A string is raw text", "문자열은 원문 텍스트로 읽습니다")
    assert not any(sentence in card_of(folder) for sentence in sentences)
    change(folder / "config.json", unit="word", word_splitting="punctuation")
    assert all(card_of(folder).count(sentence) == 1 for sentence in sentences)
    change(folder / "config.json", word_splitting="white_space")
    assert not any(sentence in card_of(folder) for sentence in sentences)
    # A model from before the setting existed.
    change(folder / "config.json", word_splitting=None)
    assert not any(sentence in card_of(folder) for sentence in sentences)


def test_trimmed_spans_are_counted(folder):
    record = json.loads((folder / "training_record.json").read_text(encoding="utf-8"))
    record["adjusted"]["trimmed"] = 1234
    change(folder / "training_record.json", **record)
    assert "1,234 gold spans that began or ended with white space were trimmed" in section(card_of(folder), "Data")


def test_a_long_curve_is_thinned_and_keeps_the_best_step(folder):
    record = json.loads((folder / "training_record.json").read_text(encoding="utf-8"))
    history = [{"step": at, "epoch": at / 10, "eval_f1": at / 1000, "loss": 1.0} for at in range(1, 301)]
    for best in (1, 77, 300):
        record["training"] |= {"history": history, "best_step": best}
        change(folder / "training_record.json", **record)
        part = section(card_of(folder), "Learning curve")
        assert f"**{best}**" in part and ROWS <= part.count("\n|") - 2 <= ROWS + 1
    record["training"] |= {"history": [], "best_step": None, "seconds": None}
    change(folder / "training_record.json", **record)
    card = card_of(folder)
    assert "Learning curve" not in headings(card) and "was resumed" in section(card, "Procedure")


TECHNIQUES = {
    "FGM": ({"fgm_epsilon": 0.5, "fgm_lambda": 0.7}, ["epsilon 0.5", "weighted with 0.7"], "Miyato"),
    "R-Drop": ({"rdrop_alpha": "0.3", "rdrop_level": "sequence"}, ["weight 0.3", "whole tag sequences"], "Liang"),
    "Multi-sample dropout": ({"multi_sample_dropout": 5}, ["5 dropout masks"], "Inoue"),
    "Subword dropout": ({"subword_dropout": 0.1}, ["10% of the subwords"], "Iyyer"),
    "Mention replacement": (
        {"mention_replacement": 0.3, "mention_source": "gazetteer"},
        ["30% of the gold spans", "entries of gazetteers of the same label"],
        "Xiang Dai",
    ),
    "N-gram vectors": ({"ngram_vectors": "ko.vec"}, ["n-grams, learned from raw text (`ko.vec`)"], "Bojanowski"),
    "LoRA": ({"lora_rank": 8, "lora_alpha": "16"}, ["adapters of rank 8, scaled by 16 / rank,", "are merged"], "Hu,"),
}


@pytest.mark.parametrize("used", [*TECHNIQUES, None])
def test_only_used_techniques_and_their_sources_are_named(folder, used):
    if used:
        change(folder / "recipe.yaml", **TECHNIQUES[used][0])
    card = card_of(folder)
    for name, (_, values, author) in TECHNIQUES.items():
        assert (f"**{name}**" in card) == (author in section(card, "Citation")) == (name == used), name
        assert all((value in section(card, "Procedure")) == (name == used) for value in values), name
    assert "Lafferty" in section(card, "Citation")
    change(folder / "config.json", head="linear")
    assert "Lafferty" not in card_of(folder) and "a linear layer over tags" in card_of(folder)


def test_adapter_variants_name_their_sources(folder):
    authors = {"LoRA+": "Hayou", "rsLoRA": "Kalajdzievski", "DoRA": "Shih-Yang Liu"}
    change(folder / "recipe.yaml", learning_rates={"encoder": 1e-4, "lora_B": "16x"}, lora_dora=True, lora_rslora=True)
    assert not any(author in card_of(folder) for author in authors.values())
    change(folder / "recipe.yaml", lora_rank=4)
    card = card_of(folder)
    assert all(author in section(card, "Citation") for author in authors.values())
    assert "scaled by 32 / sqrt(rank), direction and length of each weight apart (DoRA)" in section(card, "Procedure")
    assert "`lora_B` 16x" in section(card, "Procedure")


# --- limits -----------------------------------------------------------------------------------------------------------


def test_weak_types_are_named_from_the_scores(folder):
    record = json.loads((folder / "training_record.json").read_text(encoding="utf-8"))
    types = record["evaluation"]["types"]
    assert "Too few gold spans" in section(card_of(folder), "Limits and biases")
    overall = record["evaluation"]["overall"]["f1"]
    types[0] |= {"gold": 100, "f1": 0.2, "f1 interval": [0.1, overall - 0.01]}
    types[1] |= {"gold": 100, "f1": 0.9, "f1 interval": [0.8, 1.0]}
    record["evaluation"]["baseline"]["types"][0]["f1"] = 0.3
    change(folder / "training_record.json", **record)
    part = section(card_of(folder), "Limits and biases")
    name, other = types[0]["group"], types[1]["group"]
    assert re.search(rf"Weak types.*: {name} \(F1 0\.2000\)\.", part) and f"{other} (F1" not in part
    assert f"higher F1 for {name} (0.2000 against 0.3000)" in part
    types[0]["f1 interval"] = [0.1, overall + 0.01]
    change(folder / "training_record.json", **record)
    assert f"The weakest type is {name} (F1 0.2000)" in section(card_of(folder), "Limits and biases")


def test_both_languages_have_the_same_limits_and_metrics(finished):
    card = (finished / "README.md").read_text(encoding="utf-8")
    english, korean = section(card, "Limits and biases"), section(card, "한국어 요약")
    assert english.count("\n- ") == korean.count("\n- ") > 4
    stored = json.loads((finished / "eval_results.json").read_text(encoding="utf-8"))
    assert all(f"{stored[f'eval_{name}']:.4f}" in korean for name in ("f1", "precision", "recall"))
    assert not re.search("[가-힣]", english.replace("한국어", ""))


# --- missing files ----------------------------------------------------------------------------------------------------


def test_no_calibration_section_without_calibration(folder):
    report = json.loads((folder / "calibration.json").read_text(encoding="utf-8"))
    card = card_of(folder)
    before, after = (report["spans"]["posterior"][when]["metrics"]["ece"] for when in ("before", "after"))
    assert f"{before:.4f}" in section(card, "Calibration") and f"{after:.4f}" in section(card, "Calibration")
    assert "has not been calibrated" not in card and "Guo" in card
    (folder / "calibration.json").unlink()
    part = section(card_of(folder), "Calibration")
    assert f"{after:.4f}" in part and part.count("\n|") == 3, "the scores of eval_results.json"
    results = json.loads((folder / "eval_results.json").read_text(encoding="utf-8"))
    change(folder / "eval_results.json", **{name: None for name in results if "calibration" in name})
    change(folder / "config.json", calibration_temperature=1.0)
    card = card_of(folder)
    assert "Calibration" not in headings(card) and "Guo" not in card and "has not been calibrated" in card


def test_card_without_training_record(make_token_classifier, texts, tmp_path):
    folder = save_run(make_token_classifier(), tmp_path / "run", texts)
    card = card_of(folder, "mina/tiny")
    assert not {"Errors", "Calibration", "Learning curve", "Speed"} & set(headings(card))
    assert "0.5000" in section(card, "Scores") and "secret-project" not in card and "private" not in card
    for heading in headings(card):
        assert section(card, heading).strip() or heading in ("Training",), heading
    assert "None" not in card and "{{" not in card


def test_no_heading_is_empty(finished):
    card = (finished / "README.md").read_text(encoding="utf-8")
    for heading in headings(card):
        assert section(card, heading).strip() or heading in ("Training",), heading
    assert "None" not in card and "{{" not in card and "\n\n\n" not in card


# --- errors and privacy -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["config.json", "recipe.yaml", "eval_results.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        card_of(folder)
    assert not (folder / "README.md").exists()


@pytest.mark.parametrize(
    "name, key, place",
    [
        ("training_record.json", "training", "training_record.json"),
        ("training_record.json", "evaluation", "training_record.json"),
        ("config.json", "unit", "config.json"),
        ("calibration.json", "temperature", "calibration.json"),
    ],
)
def test_a_missing_key_is_named_with_its_file(folder, name, key, place):
    change(folder / name, **{key: None})
    with pytest.raises(ValueError, match=rf"expected the key '{key}' in {place}, found none; .*from the run again"):
        card_of(folder)


def test_a_missing_inner_key_is_named_with_its_place(folder):
    record = json.loads((folder / "training_record.json").read_text(encoding="utf-8"))
    del record["evaluation"]["types"][1]["f1"]
    change(folder / "training_record.json", **record)
    with pytest.raises(ValueError, match=r"key 'f1' in training_record.json: evaluation: types\[1\]"):
        card_of(folder)


def test_metrics_that_are_no_numbers_are_refused(folder):
    change(folder / "eval_results.json", eval_f1="0.9")
    with pytest.raises(ValueError, match=r"expected numbers in eval_results\.json, got '0.9' at 'eval_f1'"):
        card_of(folder)
    (folder / "eval_results.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"eval_results\.json: expected JSON"):
        card_of(folder)


def test_labels_with_markdown_are_escaped(folder):
    text = "".join((folder / name).read_text(encoding="utf-8") + "\0" for name in FILES)
    for name, part in zip(FILES, text.replace('"PS"', '"P|<b>"').replace("-PS", "-P|<b>").split("\0")):
        (folder / name).write_text(part.replace("f1_PS", "f1_P|<b>").replace("support_PS", "support_P|<b>"), "utf-8")
    card = card_of(folder)
    assert "`P\\|<b>`" in section(card, "Labels") and "P\\|&lt;b&gt;" in section(card, "Scores")
    assert {line.replace("\\|", "").count("|") for line in section(card, "Labels").splitlines() if "|" in line} == {4}


def test_record_and_card_do_not_identify_the_machine(finished):
    for name in ("training_record.json", "README.md"):
        text = (finished / name).read_text(encoding="utf-8")
        for private in (str(finished), str(finished.parent), "secret-project", str(Path.home()), os.getcwd(), SECRET):
            assert private not in text, (name, private)
        for word in (socket.gethostname(), getpass.getuser()):
            assert not re.search(rf"\b{re.escape(word)}\b", text), (name, word)
    copy = finished.parent / "copy"
    copy.mkdir()
    shutil.copyfile(finished / "training_record.json", copy / "training_record.json")
    check_configs(copy)
    check_no_secrets(copy, (SECRET,))


def test_record_and_card_hold_no_texts_of_the_data(finished):
    texts = [example.text for example in read_jsonl(finished.parent / "train.jsonl")]
    for name in ("training_record.json", "README.md"):
        content = (finished / name).read_text(encoding="utf-8")
        assert not any(text in content for text in texts) and not any(person in content for person in NAMES)
