import datasets
import pyarrow
import pytest
from pyarrow.parquet import write_table

from kospan.data.corpus import load_corpus, read_examples
from kospan.data.hub import load_splits
from kospan.data.records import ReadOptions
from kospan.data.registry import dataset_spec

NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def features(column="ner_tags", names=NAMES):
    inner = datasets.ClassLabel(names=names) if names else datasets.Value("string")
    return datasets.Features({"tokens": datasets.List(datasets.Value("string")), column: datasets.List(inner)})


def table(rows, column="ner_tags", names=NAMES):
    columns = {"tokens": [tokens for tokens, _ in rows], column: [tags for _, tags in rows]}
    return datasets.Dataset.from_dict(columns, features=features(column, names))


ROWS = [(["Kim", "Yuna", "in", "Seoul"], [1, 2, 0, 3]), (["It", "rains"], [0, 0])]


def test_saved_folder_with_splits_keeps_the_order_of_class_labels(tmp_path):
    splits = {"train": table(ROWS), "dev": table(ROWS[:1]), "test": table(ROWS[1:])}
    datasets.DatasetDict(splits).save_to_disk(tmp_path)
    corpus = load_corpus(f"hub:{tmp_path}")
    assert corpus.labels == ("PER", "LOC")
    assert {split: len(examples) for split, examples in corpus.splits.items()} == {
        "train": 2,
        "validation": 1,
        "test": 1,
    }
    example = corpus.splits["train"][0]
    assert (example.id, example.text) == ("train-1", "Kim Yuna in Seoul")
    assert [example.text[span.start : span.end] for span in example.spans] == ["Kim Yuna", "Seoul"]
    assert read_examples(f"hub:{tmp_path}", "test")[0].text == "It rains"
    with pytest.raises(ValueError, match=r"expected a split of .* \(train, validation, test\).* got 'tset'"):
        read_examples(f"hub:{tmp_path}", "tset")


def test_parquet_with_strings_is_cut_by_position(tmp_path):
    rows = [([f"w{at}", "x"], ["B-A", "O"]) for at in range(9)]
    table(rows, "tags", None).to_parquet(str(tmp_path / "all.parquet"))
    corpus = load_corpus(f"hub:{tmp_path / 'all.parquet'}")
    assert corpus.labels == ("A",)
    assert [example.text for example in corpus.splits["validation"]] == ["w0 x", "w8 x"]
    assert len(corpus.splits["train"]) == 7


def test_folder_of_parquet_and_one_saved_split(tmp_path):
    (tmp_path / "files").mkdir()
    for split in ("train", "validation"):
        table(ROWS).to_parquet(str(tmp_path / "files" / f"{split}.parquet"))
    assert sorted(load_corpus(f"hub:{tmp_path / 'files'}").splits) == ["train", "validation"]
    table(ROWS * 2).save_to_disk(tmp_path / "one")
    assert len(load_corpus(f"hub:{tmp_path / 'one'}").splits["train"]) == 3


def test_klue_from_the_hub_joins_characters(monkeypatch):
    asked = []
    names = ["B-DT", "I-DT", "B-PS", "I-PS", "O"]
    rows = [(["김", " ", "연", "아", "다"], [2, 3, 3, 3, 4])]

    def load_dataset(*words):
        asked.append(words)
        return datasets.DatasetDict(train=table(rows, names=names), validation=table(rows, names=names))

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    corpus = load_corpus("klue_ner")
    assert asked == [("klue", "ner")]
    assert corpus.labels == ("DT", "PS")
    assert corpus.splits["train"][0].text == "김 연아다"
    assert corpus.splits["train"][0].spans[0][:3] == (0, 4, "PS")
    assert read_examples("klue_ner", "validation")[0].text == "김 연아다"
    with pytest.raises(ValueError, match=r"expected words, got characters .* hub-characters:klue/klue:ner"):
        load_corpus("hub:klue/klue:ner")
    assert load_corpus("hub-characters:klue/klue:ner").splits["train"][0].text == "김 연아다"
    assert asked[-1] == ("klue/klue", "ner")
    assert (dataset_spec("hub:x").unit, dataset_spec("hub-characters:x").unit) == ("word", "character")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: table(ROWS, "pos"), "expected a column tokens and a column ner_tags or tags, got tokens, pos; rename"),
        (
            lambda: datasets.Dataset.from_dict({"tokens": [["a"]], "tags": [[1]]}),
            "expected tags to hold strings or integers with ClassLabel names",
        ),
        (lambda: table([(["a", "b"], [0])]), "row 0: expected as many tags as tokens, got 2 tokens and 1 tags"),
        (lambda: table([(["a"], [-1])]), "row 0: expected tags from 0 to 4, got -1 at token 0"),
        (lambda: table([(["a"], [0]), (["a"], [2])]), r"row 1, token 0 \('a'\): expected 'I-PER' to follow"),
        (
            lambda: table([(["a"], ["X"])], names=None),
            r"row 0, token 0 \('a'\): expected a tag like B-PS or O, got 'X'",
        ),
    ],
)
def test_bad_sets(tmp_path, data, message):
    datasets.DatasetDict(train=data(), validation=data()).save_to_disk(tmp_path)
    with pytest.raises(ValueError, match=message):
        load_corpus(f"hub:{tmp_path}")


def test_unreachable_hub_says_what_to_do(monkeypatch):
    def load_dataset(*words):
        raise ConnectionError("Couldn't reach the Hub")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(OSError, match=r"Couldn't reach the Hub; without a network use a local copy \(hub:FOLDER\)"):
        load_corpus("hub:wnut_17")
    with pytest.raises(OSError, match="pass KLUE's own TSV with --train_file"):
        load_corpus("klue_ner")


@pytest.mark.parametrize("name", ["", ":"])
def test_a_set_without_a_name_is_refused(name):
    with pytest.raises(ValueError, match=f"expected the name of a set after hub:, got '{name}'; name one on the Hub"):
        load_splits(name)


def test_a_broken_set_is_named_with_the_reason(tmp_path):
    write_table(pyarrow.table({"text": pyarrow.array([], pyarrow.string())}), tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    for name, reason in (("a.parquet", "BatchSize must be greater than 0"), ("b.parquet", "Parquet")):
        with pytest.raises((OSError, ValueError), match=rf"expected a set named '.*{name}' .* got: .*({reason})"):
            load_splits(str(tmp_path / name))


def test_set_without_training_split(tmp_path):
    datasets.DatasetDict(test=table(ROWS)).save_to_disk(tmp_path)
    with pytest.raises(ValueError, match="expected a split named train, got test"):
        load_corpus(f"hub:{tmp_path}")


PADDED = ["[PAD]", "O", "B-PER", "I-PER", "X", "[CLS]", "B-LOC"]


def test_names_that_are_no_tags_are_ignored_where_no_row_uses_them(tmp_path):
    rows = [(["Kim", "Yuna", "sang"], [2, 3, 1])]
    datasets.DatasetDict(train=table(rows, names=PADDED), validation=table(rows, names=PADDED)).save_to_disk(tmp_path)
    corpus = load_corpus(f"hub:{tmp_path}")
    assert corpus.labels == ("PER", "LOC") and corpus.splits["train"][0].spans[0][:3] == (0, 8, "PER")


@pytest.mark.parametrize("used", [0, 4, 5])
def test_a_name_that_is_used_and_no_tag_is_an_error(tmp_path, used):
    datasets.DatasetDict(train=table([(["a", "b"], [2, used])], names=PADDED)).save_to_disk(tmp_path)
    with pytest.raises(ValueError) as error:
        read_examples(f"hub:{tmp_path}", "train")
    assert f"row 0, token 1 ('b'): expected a tag like B-PS or O, got {PADDED[used]!r}" in str(error.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"tokens": [None], "tags": [["O"]]}, "row 0: expected 'tokens' to be a list, got None"),
        ({"tokens": [["a"]], "tags": [None]}, "row 0: expected 'tags' to be a list, got None"),
        ({"tokens": [["a", None]], "tags": [["O", "O"]]}, "row 0: expected a token to be a string, got None"),
        ({"tokens": [["a", "b"]], "tags": [["O", None]]}, "row 0: expected a tag to be a string, got None"),
    ],
)
def test_rows_with_nothing_in_them(tmp_path, columns, message):
    strings = datasets.List(datasets.Value("string"))
    features = datasets.Features({"tokens": strings, "tags": strings})
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(tmp_path)
    with pytest.raises(TypeError, match=message):
        read_examples(f"hub:{tmp_path}", "train")


def test_the_user_names_tokens_and_tags(tmp_path):
    data = datasets.Dataset.from_dict({"words": [["a", "b"]], "ner": [["B-X", "O"]]})
    data.save_to_disk(tmp_path)
    with pytest.raises(ValueError, match=r"got words, ner; pass --token_column words --tag_column ner\. Other forms"):
        read_examples(f"hub:{tmp_path}", "train")
    options = ReadOptions(token_column="words", tag_column="ner")
    assert read_examples(f"hub:{tmp_path}", "train", options=options)[0].spans[0][:3] == (0, 1, "X")
