"""The pipeline gives what `extract` gives, in the form that users of the stock pipeline know."""

import json
import os
import unicodedata

import pytest
import torch
import transformers
from pipeline_cases import KEYS, close, dicts
from transformers import AutoModel, pipeline

from kospan.data.corpus import Corpus
from kospan.example import Example
from kospan.modeling import KospanForTokenClassification, KospanTokenClassificationPipeline, code_files
from kospan.modeling.code_files import EXTRA_FILES, REQUIREMENTS
from kospan.modeling.handler import EndpointHandler
from kospan.tasks.token_classification.task import TokenClassificationTask


@pytest.fixture
def ner_model(make_token_classifier) -> KospanForTokenClassification:
    return make_token_classifier(encoder_input="units", lstm_hidden_size=8, max_length=16, stride=4)


@pytest.fixture
def pipe(ner_model) -> KospanTokenClassificationPipeline:
    return KospanTokenClassificationPipeline(model=ner_model, device="cpu", task="token-classification")


@pytest.fixture
def hard(texts) -> list[str]:
    """Texts that are hard for offsets: several windows, nothing, spaces, decomposed Hangul, emoji, zero-width signs."""
    return [
        *texts,
        " ".join(texts * 4),
        "",
        " \n\t　",
        unicodedata.normalize("NFD", texts[0]),
        "👩‍👩‍👧 서울 🇰🇷🎉 이재용",
        "서\u200b울\ufeff에서",
    ]


# --- one text, one answer ---------------------------------------------------------------------------------------------


def test_evaluation_pipeline_and_endpoint_agree(ner_model, pipe, hard, tmp_path):
    """One string, one answer, with its offsets, labels and scores."""
    ner_model.save_pretrained(tmp_path / "model")
    handler = EndpointHandler(str(tmp_path / "model"))
    task = TokenClassificationTask(Corpus(("LC", "OG", "PS"), {"validation": []}, 0), ner_model)
    evaluated = task.predict([Example(str(at), text, ()) for at, text in enumerate(hard)])
    assert sum(map(len, evaluated)) > 10
    for text, spans, piped, served in zip(hard, evaluated, pipe(hard), handler({"inputs": hard}), strict=True):
        close(piped, dicts(text, spans))
        close(served, dicts(text, spans))
        # By itself as in company.
        close(pipe(text), piped)
        close(handler({"inputs": text}), piped)


def test_the_dicts_are_those_of_the_stock_pipeline(pipe, ner_model, texts):
    found = pipe(texts[0])
    assert found and all(list(entity) == KEYS for entity in found)
    for entity, span in zip(found, ner_model.extract(texts[0]), strict=True):
        assert entity == {**dicts(texts[0], [span])[0]}
        assert type(entity["score"]) is float and type(entity["start"]) is int and type(entity["end"]) is int
        assert entity["word"] == texts[0][entity["start"] : entity["end"]]
    assert json.loads(json.dumps(found, ensure_ascii=False)) == found


def test_nothing_of_a_long_text_is_cut(pipe, ner_model, texts):
    text = " ".join(texts * 4)
    assert len(ner_model.aligner.windows(ner_model.aligner.documents([text])[0])) > 5
    assert max(entity["end"] for entity in pipe(text)) > len(text) - len(texts[-1])


# --- what may come in -------------------------------------------------------------------------------------------------


class Places(torch.utils.data.Dataset):
    """A data set without an iterator that does not end by an IndexError."""

    def __init__(self, texts):
        self.texts = texts

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, at):
        return self.texts[at % len(self.texts)]


@pytest.mark.parametrize("form", ["tuple", "generator", "data set of torch", "column", "key of a data set"])
def test_every_stream_gives_the_same(pipe, texts, form):
    import datasets
    from transformers.pipelines.pt_utils import KeyDataset

    table = datasets.Dataset.from_dict({"text": texts})
    given = {
        "tuple": tuple(texts),
        "generator": (text for text in texts),
        "data set of torch": Places(texts),
        "column": table["text"],
        "key of a data set": KeyDataset(table, "text"),
    }[form]
    found = pipe(given, batch_size=2)
    assert isinstance(found, list) == (form == "tuple")
    if form not in ("tuple", "generator"):
        assert len(found) == len(texts)
    for one, expected in zip(list(found), pipe(texts), strict=True):
        close(one, expected)


def test_a_stream_is_read_no_further_than_needed(pipe, texts):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield texts[len(taken) % len(texts)]

    found = pipe(endless(), batch_size=3)
    assert not taken
    first = next(found)
    assert len(taken) == 3
    close(first, pipe(texts[1]))
    next(found), next(found), next(found)
    assert len(taken) == 6


def test_no_text_gives_no_answer(pipe):
    assert pipe([]) == [] and list(pipe(iter(()))) == [] and pipe("") == [] and pipe(["", ""]) == [[], []]


@pytest.mark.parametrize("inputs", [None, 3, b"abc", bytearray(b"a"), {"text": "a"}])
def test_what_is_no_text_is_refused(pipe, inputs):
    with pytest.raises(TypeError, match="expected inputs to be a str, a list of str or a stream of str, got"):
        pipe(inputs)


def test_an_item_that_is_no_text_is_named(pipe):
    with pytest.raises(TypeError, match="to be a str, got int at index 1"):
        pipe(["비가 온다.", 3])
    with pytest.raises(TypeError, match=r"every item of inputs\[1\] to be a str, got int at index 0"):
        pipe(["비가 온다.", [3, "온다."]])
    with pytest.raises(TypeError, match=r"inputs to be a str, got dict at index 1; .*dataset\[\"text\"\]"):
        list(pipe(iter(["비가 온다.", {"text": "비가 온다."}])))
    with pytest.raises(ValueError, match=r"half of a surrogate pair, '\\ud800', as character 2 at index 0"):
        pipe("서울\ud800")


# --- settings ---------------------------------------------------------------------------------------------------------


def test_threshold_and_ignored_labels_leave_out(pipe, ner_model, texts):
    everything = pipe(texts[0])
    threshold = sorted(entity["score"] for entity in everything)[len(everything) // 2]
    kept = pipe(texts[0], threshold=threshold)
    assert kept == [entity for entity in everything if entity["score"] >= threshold] and 0 < len(kept) < len(everything)
    label = everything[0]["entity_group"]
    without = pipe(texts[0], ignore_labels=["O", label])
    assert without == [entity for entity in everything if entity["entity_group"] != label]
    # Set once for all calls; a call's own setting wins.
    settled = KospanTokenClassificationPipeline(
        model=ner_model, device="cpu", threshold=threshold, ignore_labels=[label], batch_size=2
    )
    assert settled(texts[0]) == [entity for entity in kept if entity["entity_group"] != label]
    assert settled(texts[0], threshold=0, ignore_labels=[]) == everything


@pytest.mark.parametrize("strategy", [None, "simple", "first", "average", "max"])
def test_every_aggregation_gives_whole_spans(pipe, texts, strategy):
    assert pipe(texts[0], aggregation_strategy=strategy, num_workers=0, stride=None) == pipe(texts[0])
    assert pipe(texts[0], aggregation_strategy=strategy and strategy.upper(), stride=16) == pipe(texts[0])


@pytest.mark.parametrize("unit", ["character", "word"])
def test_no_aggregation_gives_the_tag_of_every_unit(make_token_classifier, texts, unit):
    """Against `inspect`, whose marginals come by another way, and the tags of `extract`'s spans."""
    model = make_token_classifier(unit=unit, encoder_input="subwords", lstm_hidden_size=8)
    pipe = model.pipeline(aggregation_strategy="none")
    everything = pipe([*texts, "", " ".join(texts * 4)], ignore_labels=[])
    for text, found in zip([*texts, "", " ".join(texts * 4)], everything, strict=True):
        seen = model.inspect(text)
        assert all(list(each) == ["entity", "score", "index", "word", "start", "end"] for each in found)
        # White space is no entity, whatever its tag.
        visible = [at for at, (start, end) in enumerate(seen.units) if text[start:end].strip()]
        assert [(each["start"], each["end"]) for each in found] == [seen.units[at] for at in visible]
        assert [each["word"] for each in found] == [text[slice(*seen.units[at])] for at in visible]
        rows = seen.marginals[visible].tolist()
        marginals = [row[seen.tags.index(each["entity"])] for row, each in zip(rows, found)]
        assert [each["score"] for each in found] == pytest.approx(marginals, abs=1e-5)
        starts = [each["start"] for each in found if each["entity"].startswith("B-")]
        # A span that begins with white space has its `B-` there.
        behind_space = [span.start for span in seen.spans if text[span.start - 1 : span.start] == " "]
        assert [at for at in starts if at not in behind_space] == [
            span.start for span in seen.spans if span.start not in behind_space
        ]
    # As in the stock pipeline "O" is left out unless told otherwise, and a label stands for its tags.
    first = pipe(texts[0], ignore_labels=[])
    assert unit == "word" or {each["entity"] for each in first} >= {"O", "B-LC"}
    assert pipe(texts[0]) == [each for each in first if each["entity"] != "O"]
    assert pipe(texts[0], ignore_labels=["O", "PS"]) == [each for each in first if each["entity"][2:] in ("LC", "OG")]
    assert pipe(texts[0], ignore_labels=["B-LC"]) == [each for each in first if each["entity"] != "B-LC"]
    assert all(each["score"] >= 0.9 for each in pipe(texts[0], threshold=0.9))


def test_batch_size_reaches_the_encoder(pipe, ner_model, texts, monkeypatch):
    seen = []
    forward = ner_model.forward
    monkeypatch.setattr(ner_model, "forward", lambda **batch: seen.append(len(batch["input_ids"])) or forward(**batch))
    pipe(" ".join(texts * 3), batch_size=3)
    assert max(seen) == 3


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"threshold": float("nan")}, ValueError, "expected threshold to be a number from 0 to 1, got nan"),
        ({"threshold": 1.5}, ValueError, "from 0 to 1, got 1.5"),
        ({"threshold": "0.5"}, TypeError, "from 0 to 1, got '0.5'"),
        ({"threshold": True}, TypeError, "from 0 to 1, got True"),
        ({"batch_size": 0}, ValueError, "expected batch_size to be 1 or more windows, got 0"),
        ({"batch_size": 2.5}, TypeError, "expected batch_size to be a whole number of windows, got 2.5"),
        ({"ignore_labels": "PS"}, TypeError, "expected ignore_labels to be a list of labels, got 'PS'"),
        ({"ignore_labels": ["PX"]}, ValueError, "expected ignore_labels to hold labels of LC, OG, PS, got 'PX'"),
        ({"aggregation_strategy": "mean"}, ValueError, "one of none, simple, first, average, max, got 'mean'"),
        ({"aggregation_strategy": 3}, ValueError, "one of none, simple, first, average, max, got 3"),
        ({"delimiter": "_"}, ValueError, "expected a space as the delimiter, got '_'; offsets count the words joined"),
        ({"num_workers": 2}, ValueError, "expected num_workers to be 0, got 2"),
        ({"treshold": 0.5}, TypeError, "only the settings threshold, .* got treshold"),
    ],
)
def test_a_setting_without_a_meaning_is_refused(pipe, ner_model, settings, error, says):
    with pytest.raises(error, match=says):
        pipe("비가 온다.", **settings)
    if "num_workers" not in settings:  # In the base class's hands until the call.
        with pytest.raises(error, match=says):
            KospanTokenClassificationPipeline(model=ner_model, device="cpu", **settings)


def test_words_of_a_list_are_one_document(make_token_classifier):
    model = make_token_classifier(unit="word", encoder_input="units", word_splitting="punctuation")
    pipe = KospanTokenClassificationPipeline(model=model, device="cpu")
    words, others = ["이재용이", "(서울.", "부산에서", "3%"], ["비가", "온다."]
    [expected, of_others] = model.extract([words, others])
    text = " ".join(words)
    [found] = pipe(words, is_split_into_words=True)
    assert found and [(each["start"], each["end"], each["entity_group"]) for each in found] == [
        span[:3] for span in expected
    ]
    assert all(each["word"] == text[each["start"] : each["end"]] for each in found)
    both = pipe([words, others], is_split_into_words=True, delimiter=" ")
    assert [len(each) for each in both] == [len(expected), len(of_others)] and both[0] == found
    # A list in a list is one without the setting, which may also be that of the pipeline.
    assert pipe([words, text])[0] == found and pipe([words, text])[1] == pipe(text)
    settled = KospanTokenClassificationPipeline(model=model, device="cpu", is_split_into_words=True)
    assert settled(words) == [found] and settled(text, is_split_into_words=False) == pipe(text)
    assert list(pipe(iter([words, others]), is_split_into_words=True)) == both
    for given, got in ((text, "a str"), ([words, "비가"], "lists beside other items")):
        with pytest.raises(ValueError, match=f"expected a list of words, .* with is_split_into_words, got {got}"):
            pipe(given, is_split_into_words=True)


# --- device, tokenizer, mode ------------------------------------------------------------------------------------------


def test_the_model_goes_to_the_device_that_is_asked_for(ner_model, monkeypatch):
    assert KospanTokenClassificationPipeline(model=ner_model, device="cpu").model.device == torch.device("cpu")
    moved = []
    monkeypatch.setattr(ner_model, "to", lambda device: moved.append(device) or ner_model)
    assert KospanTokenClassificationPipeline(model=ner_model, device="meta").device == torch.device("meta")
    assert moved == [torch.device("meta")]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_finds_what_the_cpu_finds(ner_model, hard):
    on_cpu = KospanTokenClassificationPipeline(model=ner_model, device="cpu")(hard)
    on_gpu = KospanTokenClassificationPipeline(model=ner_model, device=0)
    assert on_gpu.model.device.type == "cuda"
    for one, other in zip(on_gpu(hard), on_cpu, strict=True):
        assert [entity["word"] for entity in one] == [entity["word"] for entity in other]
        assert [entity["score"] for entity in one] == pytest.approx([entity["score"] for entity in other], abs=1e-4)


def test_another_tokenizer_is_refused(ner_model, tmp_path):
    from kospan.tasks.encoders import character_tokenizer

    assert (
        KospanTokenClassificationPipeline(model=ner_model, tokenizer=ner_model.tokenizer).tokenizer
        is ner_model.tokenizer
    )
    with pytest.raises(ValueError, match="expected no tokenizer but the model's own, got "):
        KospanTokenClassificationPipeline(model=ner_model, tokenizer=character_tokenizer(["다른 글"]))
    with pytest.raises(ValueError, match="expected no tokenizer but the model's own, got someone/else"):
        KospanTokenClassificationPipeline(model=ner_model, tokenizer="someone/else")
    tokenizer, ner_model.tokenizer = ner_model.tokenizer, None
    assert KospanTokenClassificationPipeline(model=ner_model, tokenizer=tokenizer).model.tokenizer is tokenizer


def test_a_model_that_trains_is_read_in_evaluation_mode(make_token_classifier, texts):
    model = make_token_classifier(dropout=0.5, encoder_input="units").train()
    pipe = KospanTokenClassificationPipeline(model=model, device="cpu")
    assert not model.training and pipe(texts) == pipe(texts)


# --- saving and loading -----------------------------------------------------------------------------------------------


def test_a_saved_folder_names_and_holds_its_pipeline(ner_model, tmp_path):
    ner_model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert set(config["custom_pipelines"]) == {"token-classification"}
    needed = ("pipelines", "pipeline_base", "pipeline_token_classification", "input_checks", "tags")
    assert all((tmp_path / f"{name}.py").exists() for name in needed)
    for entry in config["custom_pipelines"].values():
        assert entry["impl"] == "pipelines.KospanTokenClassificationPipeline" and entry["pt"] == [
            "AutoModelForTokenClassification"
        ]
    for name in EXTRA_FILES:
        home = os.path.join(code_files._HOME, name)
        assert (tmp_path / name).read_text(encoding="utf-8") == code_files.read_text(home)
    assert (tmp_path / "requirements.txt").read_text(encoding="utf-8") == REQUIREMENTS
    assert not list(tmp_path.glob("*.tmp"))


def test_requirements_say_what_is_tested(tmp_path):
    root = os.path.dirname(code_files._HOME)
    pins = code_files.read_text(os.path.join(root, "constraints.txt"))
    (newest,) = [line.partition("==")[2] for line in pins.splitlines() if line.startswith("transformers==")]
    lines = [line for line in REQUIREMENTS.splitlines() if not line.startswith("#")]
    assert lines == [f"transformers>=4.51.3,<={newest}"]


def test_requirements_of_the_user_stay(ner_model, tmp_path):
    (tmp_path / "requirements.txt").write_text("mine==1.0\n", encoding="utf-8")
    ner_model.save_pretrained(tmp_path)
    assert (tmp_path / "requirements.txt").read_text(encoding="utf-8") == "mine==1.0\n"


def test_only_the_main_process_writes(ner_model, tmp_path):
    ner_model.save_pretrained(tmp_path, is_main_process=False)
    assert not [path.name for path in tmp_path.iterdir() if path.name in (*EXTRA_FILES, "requirements.txt")]


def test_a_copy_without_its_extra_files_says_what_is_missing(ner_model, tmp_path, monkeypatch):
    monkeypatch.setattr(code_files, "_HOME", str(tmp_path / "nowhere"))
    with pytest.warns(UserWarning, match="expected handler.py beside the model that was loaded, found none"):
        ner_model.save_pretrained(tmp_path / "model")
    assert (tmp_path / "model" / "model.safetensors").exists()
    monkeypatch.undo()
    ner_model._extra_files = {"handler.py": "# of the repository\n"}
    ner_model.save_pretrained(tmp_path / "model")
    assert (tmp_path / "model" / "handler.py").read_text(encoding="utf-8") == "# of the repository\n"


def test_a_push_while_saving_leaves_last(ner_model, tmp_path, monkeypatch):
    """The parent's own push would leave before tokenizer, pipeline and handler are there."""
    pushed = []

    def push_to_hub(self, repo_id, **kwargs):
        pushed.append((repo_id, kwargs, {path.name for path in (tmp_path / "model").iterdir()}))

    monkeypatch.setattr(KospanForTokenClassification, "push_to_hub", push_to_hub)
    ner_model.save_pretrained(tmp_path / "model", push_to_hub=True, token="secret", max_shard_size="1GB")
    ner_model.save_pretrained(tmp_path / "model", push_to_hub=True, repo_id="me/it", private=True)
    (first, settings, files), (second, others, _) = pushed
    assert (first, settings, second, others) == ("model", {"token": "secret"}, "me/it", {"private": True})
    assert {"tokenizer.json", "pipelines.py", "handler.py", "requirements.txt", "model.safetensors"} <= files


def test_the_pipeline_saves_as_its_model_does(pipe, tmp_path):
    pipe.save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert settings["tokenizer_class"] != "TokenizersBackend", "version 4.51 knows no such class"
    assert (tmp_path / "pipelines.py").exists() and (tmp_path / "handler.py").exists()


@pytest.mark.parametrize("task", ["token-classification", "ner"])
def test_without_trust_transformers_refuses(ner_model, tmp_path, task):
    """Also where the model's class is known: its pipeline comes from the folder."""
    ner_model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        pipeline(task, model=str(tmp_path))


def test_what_transformers_puts_into_the_config_is_taken_out(ner_model, tmp_path, texts):
    ner_model.save_pretrained(tmp_path)
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    transformers.pipelines.clean_custom_task(config.custom_pipelines["ner"])
    with pytest.raises(TypeError):
        json.dumps(config.custom_pipelines)
    pipe = KospanTokenClassificationPipeline(model=AutoModel.from_pretrained(tmp_path, config=config))
    assert json.dumps(pipe.model.config.custom_pipelines) and "custom_pipelines" in repr(pipe.model.config)
