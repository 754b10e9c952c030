"""Raw texts: sources, formats, repeated texts, and the part held out."""

import gzip
import json
import lzma
import unicodedata

import datasets
import pytest

from kospan.data.raw_texts import Source, load_raw_corpus, parse_sources, read_raw

TEXTS = ["서울은 맑다.", "비가 온다.", "부산에 갔다."]


def write(path, content: str) -> str:
    data = content.encode("utf-8")
    pack = {".gz": gzip.compress, ".xz": lzma.compress}.get(path.suffix, lambda each: each)
    path.write_bytes(pack(data))
    return str(path)


LINES = "".join(f"{text}\n" for text in TEXTS)
RECORDS = "".join(json.dumps({"text": text, "id": str(at)}, ensure_ascii=False) + "\n" for at, text in enumerate(TEXTS))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", LINES),
        ("a.txt.gz", LINES),
        ("a.txt.xz", LINES),
        ("a.TXT", LINES),
        ("a.jsonl", RECORDS),
        ("a.jsonl.gz", RECORDS),
        ("a", RECORDS),
    ],
)
def test_texts_are_read_from_every_format(tmp_path, name, content):
    assert read_raw(Source("a", write(tmp_path / name, content))) == TEXTS


def test_texts_are_read_from_parquet_a_saved_set_and_a_folder(tmp_path):
    data = datasets.Dataset.from_dict({"body": [*TEXTS, None], "text": ["x"] * 4})
    for name in ("a.parquet", "b.PARQUET"):
        data.to_parquet(str(tmp_path / name))
        assert read_raw(Source("a", str(tmp_path / name), "body")) == TEXTS
    data.save_to_disk(str(tmp_path / "set"))
    for path in (f"hub:{tmp_path / 'set'}", f"hub:{tmp_path / 'a.parquet'}"):
        assert read_raw(Source("a", path, "body")) == TEXTS
    (tmp_path / "texts" / "inner").mkdir(parents=True)
    write(tmp_path / "texts" / "b.txt", f"{TEXTS[1]}\n")
    write(tmp_path / "texts" / "inner" / "c.txt.gz", f"{TEXTS[2]}\n")
    write(tmp_path / "texts" / "a.txt", f"{TEXTS[0]}\n")
    (tmp_path / "texts" / ".cache").mkdir()
    write(tmp_path / "texts" / ".cache" / "d.txt", "cached\n")
    write(tmp_path / "texts" / ".hidden", "hidden\n")
    assert read_raw(Source("a", str(tmp_path / "texts"))) == TEXTS


def test_texts_are_composed_and_trimmed_and_empty_ones_skipped(tmp_path):
    path = write(tmp_path / "a.txt", f"  {unicodedata.normalize('NFD', TEXTS[0])}\t\n\n \n{TEXTS[1]}\r\n")
    assert read_raw(Source("a", path)) == TEXTS[:2]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", " \n", "expected at least one text, got none; write a text per line"),
        ("a.jsonl", '{"body": "a"}\n', "a.jsonl:1: expected a text under 'text', got body; set text_column"),
        ("a.jsonl", '{"text": "\\ud800 a"}\n', r"a.jsonl:1: expected whole characters, got the half surrogate pair"),
        ("a.csv", "text,label\na,b\n", "expected text, JSON Lines or Parquet, got csv; save it as JSON Lines"),
    ],
)
def test_a_file_without_texts_is_an_error(tmp_path, name, content, words):
    with pytest.raises(ValueError, match=words):
        read_raw(Source("a", write(tmp_path / name, content)))
    with pytest.raises(FileNotFoundError):
        read_raw(Source("a", str(tmp_path / "missing.txt")))


def test_an_empty_path_is_not_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.txt", TEXTS[0])
    with pytest.raises(FileNotFoundError, match="expected the path of a file or folder of texts, got an empty one"):
        read_raw(parse_sources({}, "")[0])


def test_values_of_json_lines_are_those_of_a_column(tmp_path):
    """A missing text is skipped, and a number is named."""
    assert read_raw(Source("a", write(tmp_path / "a.jsonl", '{"text": null}\n{"text": "a"}\n'))) == ["a"]
    with pytest.raises(TypeError, match=r"b.jsonl:1: expected 'text' to be a string, got 3 \(int\)"):
        read_raw(Source("a", write(tmp_path / "b.jsonl", '{"text": 3}\n')))


def test_a_column_that_is_missing_is_named(tmp_path):
    datasets.Dataset.from_dict({"body": TEXTS}).save_to_disk(str(tmp_path / "set"))
    with pytest.raises(ValueError, match="expected a column 'text', got body; set text_column of the source"):
        read_raw(Source("a", f"hub:{tmp_path / 'set'}"))


def test_a_column_of_numbers_is_an_error(tmp_path):
    datasets.Dataset.from_dict({"text": [None, 3]}).save_to_disk(str(tmp_path / "set"))
    with pytest.raises(TypeError, match=r"set, row 1: expected 'text' to be a string, got 3 \(int\)"):
        read_raw(Source("a", f"hub:{tmp_path / 'set'}"))


def test_only_a_training_split_is_read(tmp_path):
    parts = {split: datasets.Dataset.from_dict({"text": [split]}) for split in ("test", "train", "validation")}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "set"))
    assert read_raw(Source("a", f"hub:{tmp_path / 'set'}")) == ["train"]
    del parts["train"]
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "other"))
    with pytest.raises(ValueError, match="other: expected a split 'train', got test, validation; save the texts"):
        read_raw(Source("a", f"hub:{tmp_path / 'other'}"))


def test_the_lines_of_a_text_file_are_texts_whatever_they_hold(tmp_path, monkeypatch):
    """They are read once: the format is not looked for in the contents."""
    monkeypatch.setattr("kospan.data.raw_texts.form_of", None)
    assert read_raw(Source("a", write(tmp_path / "a.txt.xz", '{"text": "a"}\n'))) == ['{"text": "a"}']


def test_a_folder_and_a_configuration_are_not_on_the_hub(tmp_path):
    paths = {"hub:owner/name:ko": True, f"hub:{tmp_path}": False, f"hub:{tmp_path}:ko": False, str(tmp_path): False}
    assert {path: Source("a", path).on_hub for path in paths} == paths


def test_sources_are_a_mapping_or_one_file():
    assert parse_sources({}, "news/a.txt.xz") == (Source("a", "news/a.txt.xz"),)
    full = {"path": "b.txt", "repeats": 3, "licence": "cc0-1.0", "text_column": "body"}
    assert parse_sources({"a": "a.txt", "b": full}) == (
        Source("a", "a.txt"),
        Source("b", "b.txt", "body", 3, "cc0-1.0"),
    )


@pytest.mark.parametrize(
    ("settings", "file", "words"),
    [
        ({}, None, "expected raw texts, got neither train_file nor sources; name a file"),
        ({"a": "a.txt"}, "b.txt", "got both sources and train_file; remove one"),
        ({"a": 3}, None, r"expected sources\['a'\] to be a path, or a mapping with a path, got 3"),
        ({"a": {"repeats": 3}}, None, "a mapping with a path"),
        ({"a": {"path": "a", "repeat": 3}}, None, "got 'repeat'; did you mean repeats?"),
        ({"a": {"path": "a", "repeats": 0}}, None, "expected repeats .* to be a whole number of 1 or more, got 0"),
        ({"a": {"path": "a", "repeats": True}}, None, "a whole number of 1 or more, got True"),
        ({"a": {"path": "a", "licence": 3}}, None, "expected licence .* to be text, got 3"),
    ],
)
def test_wrong_sources_are_an_error(settings, file, words):
    with pytest.raises(ValueError, match=words):
        parse_sources(settings, file)


def test_every_eighth_text_is_held_out_and_repeated_texts_are_dropped(tmp_path):
    first = write(tmp_path / "a.txt", "".join(f"글 {at}\n" for at in [*range(10), 3]))
    second = write(tmp_path / "b.txt", "".join(f"글 {at}\n" for at in range(9, 17)))
    sources = parse_sources({"a": first, "b": {"path": second, "repeats": 3}})
    corpus = load_raw_corpus(sources)
    assert corpus.splits["validation"] == ["글 0", "글 8", "글 16"]
    assert set(corpus.splits["train"]) == {f"글 {at}" for at in range(17)} - {"글 0", "글 8", "글 16"}
    assert corpus.repeats == [1] * 8 + [3] * 6 and corpus.repeated == 2
    assert corpus.counts == {"a": (10, 30), "b": (7, 28)}
    lines = corpus.remarks()
    assert "a: 10 texts, 30 characters, used 1 times per epoch, licence not stated" in lines[0] and "2 occ" in lines[2]


def test_about_two_thousand_of_many_texts_are_held_out(tmp_path, monkeypatch):
    monkeypatch.setattr("kospan.data.raw_texts.HELD_OUT", 5)
    corpus = load_raw_corpus(parse_sources({}, write(tmp_path / "a.txt", "".join(f"{at}\n" for at in range(100)))))
    assert corpus.splits["validation"] == ["0", "20", "40", "60", "80"]


def test_texts_of_the_validation_file_are_not_trained_on(tmp_path):
    train, held = write(tmp_path / "a.txt", LINES), write(tmp_path / "b.txt", f"{TEXTS[1]}\n{TEXTS[1]}\n")
    corpus = load_raw_corpus(parse_sources({}, train), held)
    assert corpus.splits == {"train": [TEXTS[0], TEXTS[2]], "validation": [TEXTS[1]]}
    with pytest.raises(ValueError, match="expected texts for train, got none"):
        load_raw_corpus(parse_sources({}, held), held)


def test_the_first_texts_are_kept(tmp_path):
    path = write(tmp_path / "a.txt", "".join(f"{at}\n" for at in range(17)))
    corpus = load_raw_corpus(parse_sources({}, path), None, 2, 1)
    assert corpus.splits == {"train": ["1", "2"], "validation": ["0"]} and corpus.repeats == [1, 1]
    for asked in (4, 0, -1):
        with pytest.raises(
            ValueError, match=f"expected max_eval_samples between 1 and the 3 of the validation split, got {asked};"
        ):
            load_raw_corpus(parse_sources({}, path), None, 2, asked)
