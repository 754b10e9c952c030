import json

import datasets
import pytest

from kospan.data.corpus import load_corpus, read_examples, read_split
from kospan.data.registry import DATASETS, dataset_spec


def write(tmp_path, name, records):
    path = tmp_path / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(path)


def record(name, *spans):
    return {
        "id": name,
        "text": "abcdef",
        "spans": [{"start": start, "end": end, "label": label} for start, end, label in spans],
    }


def test_one_file_is_cut_by_position(tmp_path):
    path = write(tmp_path, "all.jsonl", [record(f"r{at}", (0, 1, "AB"[at % 2])) for at in range(17)])
    corpus = load_corpus("jsonl", path)
    assert [example.id for example in corpus.splits["validation"]] == ["r0", "r8", "r16"]
    assert [example.id for example in corpus.splits["train"]] == [f"r{at}" for at in range(17) if at % 8]
    assert (corpus.labels, corpus.dropped) == (("A", "B"), 0)


def test_a_text_that_is_a_number_is_no_place(tmp_path):
    """Texts without a question stand alone, also beside a question about a text that is called like their place."""
    lines = [record("q", (0, 1, "A")) | {"text": "1", "question": "?"}]
    lines += [record(f"r{at}", (0, 1, "A")) for at in range(1, 4)]
    splits = load_corpus("jsonl", write(tmp_path, "mixed.jsonl", lines)).splits
    assert [example.id for example in splits["validation"]] == ["q"]


def test_a_single_example_is_not_cut(tmp_path):
    path = write(tmp_path, "one.jsonl", [record("r0", (0, 1, "A"))])
    with pytest.raises(ValueError, match=r"one\.jsonl:1: .* got one, which became validation; .*--validation_file$"):
        load_corpus("jsonl", path)
    assert len(load_corpus("jsonl", path, path).splits["train"]) == 1


def test_two_files_may_share_ids_across_splits(tmp_path):
    train = write(tmp_path, "train.jsonl", [record("a", (0, 1, "B"), (2, 3, "A"))])
    validation = write(tmp_path, "validation.jsonl", [record("a", (0, 1, "A")), record("b")])
    corpus = load_corpus("jsonl", train, validation)
    assert list(corpus.splits) == ["train", "validation"]
    assert corpus.labels == ("A", "B")
    assert len(read_examples("jsonl", validation)) == 2


def test_overlaps_are_refused_or_counted(tmp_path):
    path = write(tmp_path, "a.jsonl", [record("x", (0, 1, "A")), record("y", (0, 3, "A"), (2, 6, "B"))])
    with pytest.raises(ValueError) as caught:
        load_corpus("jsonl", path, path)
    assert str(caught.value).startswith(f"{path}:2: example 'y': expected gold spans that do not overlap")
    with pytest.raises(ValueError, match="--overlaps longest"):
        read_examples("jsonl", path)
    with pytest.raises(ValueError, match="expected labels that the training split holds"):
        load_corpus("jsonl", write(tmp_path, "b.jsonl", [record("x", (0, 1, "A"))]), path, overlaps="longest")
    train = write(tmp_path, "c.jsonl", [record("y", (0, 3, "A"), (2, 6, "B"))])
    assert load_corpus("jsonl", train, train, overlaps="longest").dropped == 2
    assert read_examples("jsonl", path, "longest")[1].spans[0][:3] == (2, 6, "B")
    with pytest.raises(ValueError, match="expected overlaps to be 'error' or 'longest', got 'first'"):
        load_corpus("jsonl", train, overlaps="first")


def test_white_space_at_the_ends_of_spans_is_counted_over_all_parts(tmp_path):
    lines = [record("x", (0, 2, "A")) | {"text": "a bcde"}, record("y", (1, 3, "A"), (3, 5, "A")) | {"text": "ab cd\n"}]
    train = write(tmp_path, "train.jsonl", lines)
    other = write(tmp_path, "other.jsonl", [record("z", (0, 6, "A")) | {"text": "\u3000abcd\n"}])
    corpus = load_corpus("jsonl", train, other, calibration=other)
    assert (corpus.trimmed, corpus.dropped) == (4, 0)
    assert [span[:2] for example in corpus.splits["train"] for span in example.spans] == [(0, 1), (1, 2), (3, 5)]
    line = "trimmed spans       {} gold spans in the {} part began or ended with white space, which was removed"
    parts = ((2, "train"), (1, "validation"), (1, "calibration"))
    assert corpus.remarks() == [line.format(*part) for part in parts]
    (example,), issues = read_split("jsonl", other)
    assert example.spans[0][:2] == (1, 5) and issues.trimmed == 1
    assert issues.lines("other.jsonl")[0].startswith("trimmed spans       1 gold spans in other.jsonl began or ended")
    assert read_examples("jsonl", other, whole_texts=True)[0].spans[0][:2] == (0, 6)
    assert load_corpus("jsonl", train, other, whole_texts=True).trimmed == 0


def test_labels_of_labelled_texts_stand_over_the_whole_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n 금리가 올랐다 ,경제\n비가 온다,날씨\n  ,날씨\n", encoding="utf-8")
    examples = read_examples("labelled", str(path))
    assert [(span.start, span.end) for example in examples for span in example.spans] == [(0, 9), (0, 5), (0, 2)]
    assert load_corpus("labelled", str(path), str(path)).trimmed == 0


def test_sentences_of_one_document_keep_their_words(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("Oslo I-LOC\n. O\n\nIt O\n's O\n\n-DOCSTART- O\n\nEnd O\n", encoding="utf-8")
    one, other = read_examples("conll2003_documents", str(path))
    assert (one.text, one.document, other.document) == ("Oslo .\nIt 's", ["Oslo", ".", "It", "'s"], ["End"])


def test_label_that_training_lacks_names_the_example(tmp_path):
    train = write(tmp_path, "train.jsonl", [record("a", (0, 1, "A"))])
    validation = write(tmp_path, "validation.jsonl", [record("b", (0, 1, "A")), record("c", (0, 1, "Z"))])
    with pytest.raises(ValueError, match=r"example 'c' \(validation\): expected labels .* \(A\), got 'Z'"):
        load_corpus("jsonl", train, validation)


def test_duplicate_ids_name_both_places(tmp_path):
    path = write(tmp_path, "a.jsonl", [record("a", (0, 1, "A")), record("b"), record("a")])
    with pytest.raises(ValueError) as caught:
        load_corpus("jsonl", path, path)
    assert str(caught.value).startswith(f"{path}:3: expected unique ids in a split, got 'a', which is also used")
    assert f"{path}:1" in str(caught.value)


def test_empty_splits(tmp_path):
    empty = write(tmp_path, "empty.jsonl", [])
    one = write(tmp_path, "one.jsonl", [record("a", (0, 1, "A"))])
    for arguments in ((empty,), (one, empty)):
        with pytest.raises(ValueError, match="expected at least one example, got an empty split"):
            load_corpus("jsonl", *arguments)
    with pytest.raises(ValueError, match=r"one.jsonl:1: expected two examples or more .*, or pass --valid"):
        load_corpus("jsonl", one)
    with pytest.raises(ValueError, match="empty split"):
        read_examples("conll", empty)


def test_unlabelled_texts_are_read_but_not_trained_on(tmp_path):
    path = write(tmp_path, "a.jsonl", [record("a", (0, 1, "A")), {"id": "b", "text": "x"}])
    assert read_examples("jsonl", path)[1].spans is None
    with pytest.raises(ValueError, match=r"example 'b' .*: expected labelled texts, got one without spans"):
        load_corpus("jsonl", path, path)


def test_training_without_any_span(tmp_path):
    path = write(tmp_path, "a.jsonl", [record("a")])
    with pytest.raises(ValueError, match="expected spans in the training split, got none"):
        load_corpus("jsonl", path, path)


def test_files_that_do_not_go_with_the_set(tmp_path):
    path = write(tmp_path, "a.jsonl", [record("a", (0, 1, "A"))])
    with pytest.raises(ValueError, match="expected no train_file for 'sample', which brings its own data"):
        load_corpus("sample", path)
    with pytest.raises(ValueError, match="expected a train_file for the data set 'conll', got none"):
        load_corpus("conll")
    with pytest.raises(ValueError, match="expected a train_file beside the validation_file"):
        load_corpus("jsonl", None, path)
    with pytest.raises(FileNotFoundError, match=r"expected a file at .*none\.jsonl"):
        load_corpus("jsonl", str(tmp_path / "none.jsonl"))


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("klue-ner", "klue_ner"),
        ("connl2003", "conll2003"),
        ("JSONL", "jsonl"),
        ("hub:", "hub:NAME"),
        ("wnut", "wnut17"),
    ],
)
def test_unknown_name_names_the_nearest(name, near):
    with pytest.raises(ValueError, match=f"expected a data set's name .*, got '{name}'; did you mean '{near}'"):
        dataset_spec(name)


def test_every_reader_says_its_unit():
    assert {reader.unit for reader in DATASETS.values()} == {"character", "word"}
    assert all(reader.read_file or reader.read_set for reader in DATASETS.values())
    with pytest.raises(ValueError, match="choose one of them"):
        dataset_spec("???")


# --- calibration ------------------------------------------------------------------------------------------------------


def write_jsonl(path, count, label="PS"):
    lines = [
        f'{{"id": "{path.stem}-{at}", "text": "가{at}", "spans": [{{"start": 0, "end": 1, "label": "{label}"}}]}}'
        for at in range(count)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_a_share_of_the_training_part_is_held_back(tmp_path):
    train, validation = write_jsonl(tmp_path / "train.jsonl", 20), write_jsonl(tmp_path / "valid.jsonl", 3)
    corpus = load_corpus("jsonl", train, validation, calibration="0.25")
    held, kept = ([example.id for example in corpus.splits[split]] for split in ("calibration", "train"))
    assert held == [f"train-{at}" for at in range(0, 20, 4)]
    assert sorted(held + kept) == sorted(f"train-{at}" for at in range(20)) and len(corpus.splits["validation"]) == 3
    assert "calibration" not in load_corpus("jsonl", train, validation).splits


def test_a_split_keeps_its_first_examples_and_all_labels(tmp_path):
    lines = [record(f"r{at}", (0, 1, "AB"[at > 9])) for at in range(17)]
    path = write(tmp_path, "mixed.jsonl", lines)
    whole, part = load_corpus("jsonl", path), load_corpus("jsonl", path, max_train_samples=3)
    assert [example.id for example in part.splits["train"]] == ["r1", "r2", "r3"]
    assert part.labels == whole.labels == ("A", "B") and part.splits["validation"] == whole.splits["validation"]
    assert load_corpus("jsonl", path, max_train_samples=14).splits == whole.splits
    for wrong in (0, 15):
        with pytest.raises(
            ValueError, match=f"expected max_train_samples between 1 and the 14 .*, got {wrong}; choose "
        ):
            load_corpus("jsonl", path, max_train_samples=wrong)
    few = load_corpus("jsonl", path, max_eval_samples=2)
    assert few.splits == whole.splits | {"validation": whole.splits["validation"][:2]}
    with pytest.raises(ValueError, match="expected max_eval_samples between 1 and the 3 of the validation split, "):
        load_corpus("jsonl", path, max_eval_samples=4)


def test_extra_examples_are_trained_on_and_nothing_else(tmp_path):
    path = write(tmp_path, "all.jsonl", [record(f"r{at}", (0, 1, "A")) for at in range(20)])
    extra = write(tmp_path, "extra.jsonl", [record("extra", (0, 1, "A")), record("empty")])
    settings = {"calibration": "0.25", "max_train_samples": 5, "max_eval_samples": 2}
    plain, more = (load_corpus("jsonl", path, **settings, extra_train_file=each) for each in (None, extra))
    assert more.splits == {**plain.splits, "train": plain.splits["train"] + read_examples("jsonl", extra)}
    assert more.origins == plain.origins and more.labels == plain.labels
    extra = write(tmp_path, "extra.jsonl", [record("extra", (0, 1, "B"))])
    with pytest.raises(ValueError, match=r"example 'extra' \(extra_train_file\): expected labels that the training"):
        load_corpus("jsonl", path, extra_train_file=extra)
    extra = write(tmp_path, "extra.jsonl", [{"id": "extra", "text": "abc"}])
    with pytest.raises(ValueError, match=r"extra\.jsonl.*expected labelled texts, got one without spans"):
        load_corpus("jsonl", path, extra_train_file=extra)


def test_a_file_or_a_split_calibrates(tmp_path):
    train, other = write_jsonl(tmp_path / "train.jsonl", 16), write_jsonl(tmp_path / "other.jsonl", 5)
    corpus = load_corpus("jsonl", train, calibration=other)
    assert [example.id for example in corpus.splits["calibration"]] == [f"other-{at}" for at in range(5)]
    assert len(corpus.splits["train"]) == 14


@pytest.mark.parametrize(
    "asked, message",
    [
        ("0.7", "share above 0, up to 0.5, of 14 training examples, got 0.7; 0.1 holds back every tenth"),
        ("0", "share above 0"),
        ("nan", "share above 0"),
        ("0.01", "share above 0"),
        ("validation", "neither trained on nor reported, got 'validation'"),
        ("train", "neither trained on nor reported, got 'train'"),
        ("nowhere", r"to be a split \(train, validation\), a file or a share such as 0.1, got 'nowhere'"),
    ],
)
def test_what_cannot_calibrate_is_refused(asked, message, tmp_path):
    train = write_jsonl(tmp_path / "train.jsonl", 16)
    with pytest.raises(ValueError, match=message):
        load_corpus("jsonl", train, calibration=asked)


def test_labels_of_the_calibration_part_are_checked(tmp_path):
    train, other = write_jsonl(tmp_path / "train.jsonl", 16), write_jsonl(tmp_path / "other.jsonl", 2, "LC")
    with pytest.raises(ValueError, match=r"'other-0' \(calibration\): expected labels that the training split holds"):
        load_corpus("jsonl", train, calibration=other)


def test_a_share_that_is_held_back_parts_no_article(tmp_path):
    answers = [{"text": "서울", "answer_start": 8}]
    articles = [
        {
            "title": f"article {at}",
            "paragraphs": [
                {
                    "context": f"{at}번 글이다. 서울에서 열렸다.",
                    "qas": [
                        {
                            "id": f"{at}-{kind}",
                            "question": "어디인가?",
                            "answers": answers,
                        }
                        for kind in range(3)
                    ],
                }
            ],
        }
        for at in range(10)
    ]
    path = tmp_path / "questions.json"
    path.write_text(json.dumps({"data": articles}, ensure_ascii=False), encoding="utf-8")
    corpus = load_corpus("korquad", str(path), calibration="0.25")
    titles = {split: {example.source for example in examples} for split, examples in corpus.splits.items()}
    assert {split: len(names) for split, names in titles.items()} == {"train": 6, "validation": 2, "calibration": 2}
    assert not titles["train"] & titles["calibration"] and not titles["validation"] & titles["calibration"]
    assert {split: len(examples) for split, examples in corpus.splits.items()} == {
        "train": 18,
        "validation": 6,
        "calibration": 6,
    }


SPELLINGS = ["한", "\u1112\u1161\u11ab", " 한", "한\u00a0", "한\u200b"]


READERS = ["jsonl", "labelled", "tsv", "conll", "klue_ner", "gmb", "kmou", "tags", "names", "spans"]


@pytest.mark.parametrize("reader", READERS)
def test_a_label_of_several_spellings_is_one_in_every_reader(tmp_path, reader):
    dataset, path = {"tsv": "labelled"}.get(reader, reader), tmp_path / "set"
    if reader == "jsonl":
        records = [record(str(at), (0, 1, label)) for at, label in enumerate(SPELLINGS)]
        path.write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    elif reader == "labelled":
        path = tmp_path / "a.jsonl"
        records = [{"text": str(at), "label": label} for at, label in enumerate(SPELLINGS)]
        path.write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    elif reader == "tsv":
        path = tmp_path / "a.tsv"
        rows = "".join(f"{at}\t{label}\n" for at, label in enumerate(SPELLINGS))
        path.write_text("text\tlabel\n" + rows, encoding="utf-8")
    elif reader in ("conll", "klue_ner"):
        path.write_text("".join(f"a\tB-{label}\nb\tI-{label}\n\n" for label in SPELLINGS), encoding="utf-8")
    elif reader == "gmb":
        rows = "".join(f"Sentence: {at},a,N,B-{label}\n" for at, label in enumerate(SPELLINGS))
        path.write_text("Sentence #,Word,POS,Tag\n" + rows, encoding="utf-8")
    elif reader == "kmou":
        path = tmp_path / "a.txt"
        path.write_text("## 1\n## a b\n## <a:LC> b\n\n## 2\n## a b\n## <a:LC> b\n\n", encoding="utf-8")
    else:
        dataset = f"hub:{path}"
        tokens, texts = [["a"]] * len(SPELLINGS), list("abcde")
        tags, labels = [[f"B-{label}"] for label in SPELLINGS], datasets.ClassLabel(names=SPELLINGS)
        spans = [[{"start": 0, "end": 1, "label": at}] for at in range(len(SPELLINGS))]
        features = {"text": datasets.Value("string"), "label": labels}
        struct = datasets.List({"start": datasets.Value("int32"), "end": datasets.Value("int32"), "label": labels})
        data = {
            "tags": lambda: datasets.Dataset.from_dict({"tokens": tokens, "tags": tags}),
            "names": lambda: datasets.Dataset.from_dict(
                {"text": texts, "label": list(range(len(SPELLINGS)))}, features=datasets.Features(features)
            ),
            "spans": lambda: datasets.Dataset.from_dict(
                {"text": texts, "spans": spans},
                features=datasets.Features({"text": datasets.Value("string"), "spans": struct}),
            ),
        }[reader]()
        data.save_to_disk(path)
    corpus = load_corpus(dataset, None if dataset.startswith("hub:") else str(path))
    assert corpus.labels == (("LC",) if reader == "kmou" else ("한",))
    found = {span.label for examples in corpus.splits.values() for example in examples for span in example.spans}
    assert found == set(corpus.labels)
