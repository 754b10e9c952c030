"""Sources of the weights of kospan-ko: only those of the list are allowed."""

import hashlib
from pathlib import Path

import pytest
import yaml

from kospan.model_names import EXTRAS
from packages.kospan_ko import sources
from packages.kospan_ko.sources import DATASETS, FILES, SOURCES, named_sources, sources_of

ROOT = Path(__file__).resolve().parents[3]
# Recipes whose result enters the package.
RECIPES = ["recipes/ko_ner.yaml", "recipes/pretraining_ko.yaml"]
NEVER = ("kmou", "korquad", "conll", "gmb", "fake", "hate", "squad", "wnut", "tydi")


def recipe(folder: Path, **settings) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder / "recipe.yaml"


@pytest.fixture
def text(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "own.txt.xz"
    path.write_bytes(b"text")
    monkeypatch.setitem(FILES, "own.txt.xz", sources.File(hashlib.sha256(b"text").hexdigest(), ("nsmc", "klue")))
    return path


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_names_allowed_sources_alone(name):
    found = list(named_sources(yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))))
    assert found
    for kind, value in found:
        allowed = {"dataset": DATASETS, "file": FILES, "encoder": [*EXTRAS, "outputs/pretraining_ko"]}[kind]
        assert (Path(value).name if kind == "file" else value) in allowed, f"{name} names {value}"


def test_list_has_no_source_with_other_terms():
    assert set(DATASETS.values()) | {key for file in FILES.values() for key in file.sources} <= SOURCES.keys()
    names = [*DATASETS, *FILES, *SOURCES, *(source.where for source in SOURCES.values())]
    assert not [name for name in names for word in NEVER if word in name.lower()]
    assert {source.licence.split(" (")[0].split(",")[0] for source in SOURCES.values()} == {
        *("CC BY-SA 4.0", "CC0 1.0", "Apache-2.0")
    }


def test_sources_of_a_run(text, tmp_path):
    path = recipe(tmp_path / "run", dataset="klue_ner", train_file=text.name, output_dir="x.txt", name="y.txt")
    assert sources_of(path, tmp_path) == {"klue": ["klue_ner", "own.txt.xz"], "nsmc": ["own.txt.xz"]}


def test_sources_of_pretraining_are_its_files(text, tmp_path):
    nested = {"reviews": {"path": text.name, "licence": "cc0-1.0"}}
    path = recipe(tmp_path / "run", dataset="sample", sources=nested)
    assert sources_of(path, tmp_path) == {"nsmc": ["own.txt.xz"], "klue": ["own.txt.xz"]}


def test_sources_of_the_encoder_count(text, tmp_path):
    recipe(tmp_path / "encoder", sources=[text.name])
    path = recipe(tmp_path / "run", dataset="klue_ner", encoder="encoder")
    assert sources_of(path, tmp_path) == {"klue": ["klue_ner", "own.txt.xz"], "nsmc": ["own.txt.xz"]}
    (tmp_path / "encoder" / sources.NAME).write_text('{"kornlu": ["a"]}', encoding="utf-8")
    assert sources_of(path, tmp_path) == {"klue": ["klue_ner"], "kornlu": ["a"]}


@pytest.mark.parametrize("settings", [{"dataset": "kmou"}, {"dataset": "klue_ner", "unlabelled": ["hub:a/b"]}])
def test_other_data_sets_are_refused(settings, tmp_path):
    with pytest.raises(ValueError, match=r"expected a data set that may enter the weights \(klue_ner, sample\), got"):
        sources_of(recipe(tmp_path, **settings), tmp_path)


def test_other_files_are_refused_by_their_content(text, tmp_path):
    text.write_bytes(b"other text")
    with pytest.raises(ValueError, match=r"expected a file that may enter the weights .*, got .*own\.txt\.xz with the"):
        sources_of(recipe(tmp_path / "run", dataset="klue_ner", train_file=text.name), tmp_path)


@pytest.mark.parametrize("key", ["train_file", "validation_file", "extra_train_file", "ngram_vectors"])
def test_files_are_checked_whatever_their_suffix(key, tmp_path):
    (tmp_path / "eng.testa").write_text("EU B-ORG", encoding="utf-8")
    for settings in ({key: "eng.testa"}, {"sources": {"x": "eng.testa"}}, {"sources": {"x": {"path": "eng.testa"}}}):
        with pytest.raises(ValueError, match=r"expected a file that may enter the weights .*, got .*eng\.testa with"):
            sources_of(recipe(tmp_path / "run", dataset="klue_ner", **settings), tmp_path)


@pytest.mark.parametrize("settings", [{"train_file": "folder"}, {"sources": {"x": {"path": "folder"}}}])
def test_folders_are_refused(settings, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=r"got the folder .*folder; name its files one by one$"):
        sources_of(recipe(tmp_path / "run", dataset="klue_ner", **settings), tmp_path)


def test_missing_files_are_refused(tmp_path):
    for settings in ({"vectors": {"path": "gone.npz"}}, {"encoder": "gone"}):
        with pytest.raises(FileNotFoundError, match="gone"):
            sources_of(recipe(tmp_path / "run", dataset="klue_ner", **settings), tmp_path)
