"""Cards name a data set of the Hub only if the scores are of a whole split from there."""

import json
import shutil

import datasets
import pytest
import yaml
from card_cases import card_of, change, section
from huggingface_hub import metadata_load, parse_eval_result_entries
from huggingface_hub.repocard_data import model_index_to_eval_results
from local_hub import OWNER_TOKEN, local_hub, online  # noqa: F401

from kospan.calibrate import calibrate
from kospan.card.metadata import EVAL_RESULTS
from kospan.card.training_record import origins_record
from kospan.data.corpus import Origin
from kospan.data.records import HubSplit
from kospan.example import Example
from kospan.hub import publish as publishing
from kospan.hub.hub import Hub
from kospan.modeling.spans import Span
from kospan.recipe import load_recipe
from kospan.run import train
from kospan.tasks.token_classification.spec import SPEC

TINY = {
    "dataset": "klue_ner",
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
    "learning_rate": "3e-2",
    "num_train_epochs": 3,
    "per_device_train_batch_size": 4,
    "use_cpu": True,
}
TAGS = ["B-PS", "I-PS", "B-LC", "I-LC", "O"]


def klue(rows: int) -> datasets.Dataset:
    """Sentences in the Hub's form of KLUE-NER: a token is a character."""
    texts = [f"{'김이박최'[at % 4]}민수는 {('서울', '부산', '대구')[at % 3]}에 산다" for at in range(rows)]
    features = {
        "tokens": datasets.List(datasets.Value("string")),
        "ner_tags": datasets.List(datasets.ClassLabel(names=TAGS)),
    }
    columns = {"tokens": [list(text) for text in texts], "ner_tags": [[0, 1, 1, 4, 4, 2, 3, 4, 4, 4, 4]] * rows}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a tiny run on KLUE-NER of a Hub inside this process."""
    folder = tmp_path_factory.mktemp("run") / "out"
    with pytest.MonkeyPatch.context() as patch:
        splits = datasets.DatasetDict(train=klue(24), validation=klue(9))
        patch.setattr(datasets, "load_dataset", lambda *words: splits)
        train(load_recipe(None, {**TINY, "calibration_split": "0.25", "output_dir": str(folder)}))
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "out")


def named(folder) -> set[tuple]:
    """The data of the scores in the model-index."""
    _, results = model_index_to_eval_results(metadata_load(folder / "README.md")["model-index"])
    return {(each.dataset_type, each.dataset_config, each.dataset_split) for each in results}


def entries(folder) -> list:
    return parse_eval_result_entries(yaml.safe_load((folder / EVAL_RESULTS).read_text(encoding="utf-8")))


def origins_of(folder, **changes) -> None:
    """Change the origin of the validation split to that of another recipe."""
    path = folder / "training_record.json"
    origins = json.loads(path.read_text(encoding="utf-8"))["origins"]
    origins["validation"] |= changes
    change(path, origins=origins)


def test_card_and_leaderboard_entry_name_a_whole_split(folder):
    assert named(folder) == {("klue/klue", "ner", "validation")}
    metadata = metadata_load(folder / "README.md")
    assert metadata["datasets"] == ["klue/klue"] and metadata["model-index"][0]["name"] == "out"
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "([klue/klue](https://huggingface.co/datasets/klue/klue))" in section(card, "Data")
    [entry] = entries(folder)
    f1 = json.loads((folder / "eval_results.json").read_text(encoding="utf-8"))["eval_f1"]
    assert (entry.dataset_id, entry.task_id, entry.value) == ("klue/klue", "ner", f1)
    assert entry.notes.startswith("strict micro F1 over exact spans, split validation, averaging micro")
    commit = "0123456789abcdef0123456789abcdef01234567"
    hub = json.loads((folder / "training_record.json").read_text(encoding="utf-8"))["origins"]["validation"]["hub"]
    origins_of(folder, hub={**hub, "split": "dev", "revision": commit})
    card_of(folder)
    assert named(folder) == {("klue/klue", "ner", "dev")} and entries(folder)[0].dataset_revision == commit


@pytest.mark.parametrize(
    ("recipe", "origin", "words"),
    [
        ({"train_file": "a.tsv"}, {"hub": None, "cut": True}, "every eighth document of `a.tsv`"),
        ({"train_file": "a.tsv", "validation_file": "b.tsv"}, {"hub": None}, "the file `b.tsv`"),
        ({}, {"cut": True}, "every eighth document of the set's training split, which was not trained on"),
        ({"max_eval_samples": 4}, {"used": 4}, "the first 4 of: the set's validation split"),
        ({}, {"examples": 7, "used": 7}, "the set's validation split, 7 of its 9 records"),
    ],
)
def test_other_data_are_described_in_words(folder, recipe, origin, words):
    change(folder / "recipe.yaml", **recipe)
    origins_of(folder, whole=False, **origin)
    card = card_of(folder)
    assert named(folder) == {("other", None, None)} and not (folder / EVAL_RESULTS).exists()
    assert f"Scored on {words}" in section(card, "Data")
    [result] = metadata_load(folder / "README.md")["model-index"][0]["results"][:1]
    assert result["dataset"]["name"].startswith("KLUE-NER: " + words.replace("`", ""))


def test_part_of_a_training_split_claims_only_the_training_data(folder):
    origins = json.loads((folder / "training_record.json").read_text(encoding="utf-8"))["origins"]
    origins["train"] |= {"whole": False, "used": 10}
    change(folder / "training_record.json", origins=origins)
    change(folder / "recipe.yaml", max_train_samples=10)
    card = card_of(folder)
    assert named(folder) == {("other", None, None)} and not (folder / EVAL_RESULTS).exists()
    assert metadata_load(folder / "README.md")["datasets"] == ["klue/klue"] and "Trained on the first " in card


def test_no_claims_without_recorded_origins(folder):
    change(folder / "training_record.json", origins=None)
    card_of(folder)
    assert named(folder) == {("other", None, None)} and "datasets" not in metadata_load(folder / "README.md")
    (folder / "training_record.json").unlink()
    card_of(folder)
    assert named(folder) == {("other", None, None)} and not (folder / EVAL_RESULTS).exists()


def test_calibration_on_other_texts_is_not_of_the_split(folder):
    texts = [f"김민수는 {('서울', '부산', '대구')[at % 3]}에 산다. {at}번" for at in range(8)]
    # Half of the places have another label, so that some predictions are wrong.
    examples = [
        Example(text, text, (Span(0, 3, "PS"), Span(5, 7, "LC" if at % 4 < 2 else "PS")))
        for at, text in enumerate(texts)
    ]
    calibrate(folder, examples, say=lambda line: None)
    _, results = model_index_to_eval_results(metadata_load(folder / "README.md")["model-index"])
    by_metric = {each.metric_args["metric"]: each for each in results}
    assert by_metric["eval_f1"].dataset_type == "klue/klue"
    other = by_metric["eval_calibration_ece"]
    assert (other.dataset_type, other.dataset_split) == ("other", None)
    assert other.dataset_name == "texts that the calibration was reported on"


def test_merged_difference_is_not_of_the_split(folder):
    change(folder / "eval_results.json", eval_merged_difference=1e-5)
    card_of(folder)
    _, results = model_index_to_eval_results(metadata_load(folder / "README.md")["model-index"])
    [moved] = [each for each in results if each.metric_args["metric"] == "eval_merged_difference"]
    assert (moved.dataset_type, moved.dataset_name, moved.dataset_split) == ("other", "sentences of kospan", None)
    assert {each.dataset_type for each in results if each is not moved} == {"klue/klue"}


def test_a_push_sends_the_entry_and_deletes_an_older_one(folder, local_hub, online, monkeypatch):  # noqa: F811
    monkeypatch.setattr(publishing, "verify", lambda *words, **settings: 1)
    hub = Hub(OWNER_TOKEN, local_hub.url, sleep=lambda seconds: None)

    def push() -> dict:
        publishing.publish(folder, "mina/names", SPEC, hub=hub, say=lambda line: None)
        return local_hub.repo("mina/names").files()

    sent = push()[EVAL_RESULTS].decode("utf-8")
    assert parse_eval_result_entries(yaml.safe_load(sent))[0].dataset_id == "klue/klue"
    origins_of(folder, whole=False, used=4)
    assert EVAL_RESULTS not in push()


def test_unscored_examples_make_it_a_part_of_a_split():
    split = HubSplit("klue/klue", "ner", "validation", None, 9)
    origins = {name: Origin(split, False, 9, 9, 0) for name in ("train", "validation")}
    assert [each["whole"] for each in origins_record(origins, 9).values()] == [True, True]
    assert [each["whole"] for each in origins_record(origins, 8).values()] == [True, False]
    assert json.loads(json.dumps(origins_record(origins, 9)))["train"]["hub"] == split._asdict()
