"""Questions in the columns that the `datasets` library has them in."""

import datasets
import pytest

from kospan.data.corpus import load_corpus, read_examples

CONTEXT = "수도는 서울이고, 서울 다음은 부산이다."


def row(name="q1", texts=("서울",), starts=(4,), **more):
    answers = {"text": list(texts), "answer_start": list(starts)}
    return {"id": name, "title": "서울", "context": CONTEXT, "question": "수도는?", "answers": answers} | more


def table(*rows, without=()):
    names = [name for name in rows[0] if name not in without]
    return datasets.Dataset.from_dict({name: [row[name] for row in rows] for name in names})


def saved(tmp_path, **splits):
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "set")
    return f"hub:{tmp_path / 'set'}"


def test_a_saved_set_is_read_as_its_json_would_be(tmp_path):
    name = saved(
        tmp_path, train=table(row(), row("q2", ("서울", "서울이고"), (10, 4))), dev=table(row("q3", (), ()), row())
    )
    corpus = load_corpus(name)
    assert (sorted(corpus.splits), corpus.labels) == (["train", "validation"], ("answer",))
    example = corpus.splits["train"][1]
    assert (example.id, example.text, example.question, example.source) == ("q2", CONTEXT, "수도는?", "서울")
    assert [span[:3] for span in example.spans] == [(4, 8, "answer"), (10, 12, "answer")]
    # SQuAD 2.0 has no mark: no answer in the row means that there is none.
    assert corpus.splits["validation"][0].spans == ()
    assert read_examples(name, "train")[0].spans[0][:2] == (4, 6)


def test_a_list_of_structs_is_read_too(tmp_path):
    rows = [row(answers=[{"text": "부산", "answer_start": 17}, {"text": "서울", "answer_start": 4}])]
    name = saved(tmp_path, train=table(*rows), validation=table(*rows))
    assert [span[:2] for span in read_examples(name, "train")[0].spans] == [(4, 6), (17, 19)]


def test_klue_s_columns(tmp_path):
    rows = [
        {"guid": "k1"} | row(is_impossible=False),
        # What only looks like an answer stands among the answers there.
        {"guid": "k2"} | row(texts=("부산",), starts=(17,), is_impossible=True),
    ]
    split = table(*rows, without=("id",))
    name = saved(tmp_path, train=split, validation=split)
    assert [(example.id, len(example.spans)) for example in read_examples(name, "train")] == [("k1", 1), ("k2", 0)]


def test_without_ids_titles_and_answers(tmp_path):
    split = table(row(), row(), without=("id", "title", "answers"))
    name = saved(tmp_path, test=split)
    examples = read_examples(name, "test")
    assert [example.id for example in examples] == ["test-1", "test-2"]
    assert [example.spans for example in examples] == [None, None] and examples[0].source == ""
    # A text is kept once.
    assert examples[0].text is examples[1].text


@pytest.mark.parametrize("key", ["title", "context"])
def test_a_split_is_cut_between_titles_or_between_texts(tmp_path, key):
    rows = [row(f"q{at}", **{key: f"{CONTEXT} {at // 2 % 9}"}) for at in range(36)]
    name = saved(tmp_path, train=table(*rows, without=() if key == "title" else ("title",)))
    splits = load_corpus(name).splits
    assert [example.id for example in splits["validation"]] == ["q0", "q1", "q18", "q19", "q16", "q17", "q34", "q35"]
    held = {getattr(example, "source" if key == "title" else "text") for example in splits["validation"]}
    assert not held & {getattr(example, "source" if key == "title" else "text") for example in splits["train"]}


@pytest.mark.parametrize(
    "split, message",
    [
        (
            lambda: table(row(), row("q2", starts=(5,))),
            r"row 1, question 'q2': expected the answer '서울' at .* 4, the",
        ),
        (lambda: table(row("q2", question=" ")), r"row 0, question 'q2': expected a question, got ' '"),
        (lambda: table(row("q2", context="")), r"row 0, question 'q2': expected a text to find the answer in"),
        (
            lambda: table(row("q2", ("서울",), (4, 5))),
            r"row 0, question 'q2': expected answers with as many answer_start",
        ),
        (lambda: table(row("q2", answers="서울")), r"question 'q2': expected 'answers' to be a list, got '서울'"),
        (lambda: table(row("q2", answers=[{"text": "서울"}])), r"'q2': expected the key 'answer_start', got 'text'"),
        (
            lambda: table(row("q2", answers=[{"text": "서울", "answer_start": "4"}])),
            r"row 0, question 'q2': expected 'answer_start' to be an integer, got '4' \(str\); write it without quot",
        ),
        (lambda: table(row("q2", is_impossible="false")), "'q2': expected 'is_impossible' to be true or false, got"),
        (
            lambda: datasets.Dataset.from_dict({"passage": ["가"], "question": ["?"], "answers": [[]]}),
            "got passage, question, answers; rename passage to context, and save the set with save_to_disk",
        ),
        (lambda: table(row(is_impossible=False, texts=(), starts=())), "'q1': expected an answer or more, got none"),
        (lambda: table(row(), row()), "expected unique ids in a split, got 'q1'"),
        (
            lambda: table(row() | {"answer": {"text": "x", "answer_start": 1}}, without=("answers",)),
            r"split 'train': expected a column answers with .* \(dataset: korquad2\)",
        ),
    ],
)
def test_bad_sets(tmp_path, split, message):
    name = saved(tmp_path, train=split())
    with pytest.raises((ValueError, TypeError), match=message):
        read_examples(name, "train")


@pytest.mark.parametrize(
    "dataset, asked",
    [
        ("korquad", ("KorQuAD/squad_kor_v1",)),
        ("squad", ("rajpurkar/squad",)),
        ("squad_v2", ("rajpurkar/squad_v2",)),
        ("klue_mrc", ("klue/klue", "mrc")),
    ],
)
def test_names_without_a_file_take_the_hub_s_set(monkeypatch, dataset, asked):
    calls = []

    def load_dataset(*words):
        calls.append(words)
        return datasets.DatasetDict(train=table(row("q1"), row("q2")), validation=table(row("q3")))

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert [example.id for example in load_corpus(dataset).splits["train"]] == ["q1", "q2"]
    assert read_examples(dataset, "validation")[0].id == "q3" and set(calls) == {asked}

    def unreachable(*words):
        raise ConnectionError("Couldn't reach the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(OSError, match="or pass the set's own JSON with --train_file"):
        load_corpus(dataset)


def test_korquad2_needs_files():
    with pytest.raises(ValueError, match="expected a train_file for the data set 'korquad2'"):
        load_corpus("korquad2")
