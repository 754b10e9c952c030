"""`KospanGenerativeNER`: prompts, batches, windows, scores, saving and loading, over tiny random LMs of every
vocabulary."""

import unicodedata

import pytest
import torch
from generative_cases import TEXTS, TOKENIZERS, byte_level, make_generative_model, tiny_lm
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GenerationConfig

from kospan.modeling import KospanGenerativeNER, KospanGenerativeNERConfig
from kospan.modeling.base_models import base_record
from kospan.modeling.configuration_generative_ner import NAME
from kospan.modeling.modeling_generative_ner import decode_reply
from kospan.modeling.prompt_windows import composed, context_limit
from kospan.modeling.prompts import parse_reply
from kospan.modeling.spans import first_overlap

ODD = [*TEXTS, "", "비", "[x]\\:", "<|end|> [SEP] </s>", "서울 서울 서울"]


SINGLE_BYTES = make_generative_model("single bytes")


@pytest.mark.parametrize("kind", sorted(TOKENIZERS))
@pytest.mark.parametrize("beams", [1, 3])
def test_every_constrained_reply_of_a_random_model_parses_and_is_located(kind, beams):
    found = 0
    for seed in (0, 1, 2):
        model = make_generative_model(kind, seed, max_new_tokens=24)
        writings = model.generate(ODD, batch_size=4, num_beams=beams)
        found += sum(len(writing.spans) for writing in writings)
        for text, writing in zip(ODD, writings):
            assert (writing.dropped, writing.unmatched, writing.unparsed) == (0, 0, 0)
            assert all(parse_reply(reply, ["LC", "PS"]).whole for reply in writing.replies)
            assert all(len(model.ids_of(reply)) < 30 for reply in writing.replies)
            assert first_overlap(writing.spans) is None and writing.spans == sorted(writing.spans)
            surfaces = [text[span.start : span.end] for span in writing.spans]
            assert all(surface and surface == surface.strip() for surface in surfaces)
            assert all(0 <= span.start < span.end <= len(text) and 0 < span.score <= 1 for span in writing.spans)
    assert found


def test_a_free_random_model_never_raises_and_what_it_cannot_say_is_counted():
    for kind in TOKENIZERS:
        writings = make_generative_model(kind, constrained_decoding=False).generate(ODD, batch_size=3)
        assert all(len(writing.replies) == bool(text) for text, writing in zip(ODD, writings))
        assert any(writing.unparsed or writing.dropped for writing in writings)


@pytest.mark.parametrize("kind", ["bytes", "characters"])
def test_left_padding_changes_nothing(kind):
    model = make_generative_model(kind)
    together, alone = model.generate(ODD, batch_size=32), [model.generate([text])[0] for text in ODD]
    for one, other in zip(together, alone):
        assert one.replies == other.replies
        assert [span[:3] for span in one.spans] == [span[:3] for span in other.spans]
        assert [span.score for span in one.spans] == pytest.approx([span.score for span in other.spans], rel=1e-4)


def test_a_score_is_the_probability_of_the_subwords_of_its_bracket():
    """Against a pass over prompt and reply, with what is not allowed left out."""
    from kospan.modeling.constraints import advanced, allowed_subwords
    from kospan.modeling.reply_states import ReplyStates, State

    model = make_generative_model("characters", max_new_tokens=60)
    text = "이재용 회장이 서울에서"
    writing = model.generate([text])[0]
    reply = model.ids_of(writing.replies[0])
    assert writing.spans and model.subwords.text(reply) == writing.replies[0]
    prompt = model.passages(text)[0].input_ids
    with torch.no_grad():
        logits = model.model(torch.tensor([[*prompt, *reply]])).logits[0, len(prompt) - 1 :]
    states, state, chances = ReplyStates(text, ["LC", "PS"], model.subwords), State(), []
    for at, subword in enumerate(reply):
        allowed = allowed_subwords(states, state, 60 - at)
        allowed += [model.tokenizer.eos_token_id] * states.may_end(state)
        own = logits[at][sorted(set(allowed))].softmax(-1)
        chances.append(own[sorted(set(allowed)).index(subword)].item())
        state = advanced(states, state, model.subwords.of[subword])
    entities = parse_reply(writing.replies[0], ["LC", "PS"]).entities
    expected, reached = {}, 0
    for entity in entities:
        expected[entity.surface] = torch.tensor(chances[reached : entity.end]).prod().item()
        reached = entity.end
    assert {text[span.start : span.end]: pytest.approx(span.score, rel=1e-4) for span in writing.spans} == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.sampled_from([b"[", b"]", "서".encode(), "😀".encode()]), st.binary(max_size=2))))
def test_places_of_subwords_are_those_of_the_text_whatever_the_bytes(parts):
    """Also for bytes that are no text: their replacement counts here."""
    subwords = SINGLE_BYTES.subwords
    by_byte = {added: at for at, added in enumerate(subwords.of) if added and len(added) == 1}
    whole = b"".join(parts)
    text, starts = decode_reply(subwords, [by_byte[bytes([byte])] for byte in whole], range(len(whole)))
    assert text == whole.decode("utf-8", "replace") and [value for _, value in starts] == [*range(len(whole))]
    places = [start for start, _ in starts]
    assert places == sorted(places) and all(place < len(text) for place in places)
    # ASCII never is a part of another character.
    assert all(text[place] == chr(byte) for place, byte in zip(places, whole) if byte < 128)


def test_a_free_model_asks_nothing_of_the_grammar(monkeypatch):
    model = make_generative_model("bytes", constrained_decoding=False)
    monkeypatch.setattr("kospan.modeling.modeling_generative_ner.ReplyStates", None)
    assert model.generate(["서울"])[0].replies


def test_a_model_cannot_bring_its_own_way_of_generating():
    model = make_generative_model("characters")
    before = [writing.replies for writing in model.generate(ODD)]
    own = GenerationConfig(repetition_penalty=9.0, do_sample=True, temperature=9.0, eos_token_id=5, min_new_tokens=9)
    model.model.generation_config = own
    assert [writing.replies for writing in model.generate(ODD)] == before
    assert model.model.generation_config is own


def test_a_long_text_is_read_in_windows_that_overlap_and_miss_nothing():
    model = make_generative_model("bytes", max_length=100, max_new_tokens=20)
    text = " ".join(TEXTS) * 6
    passages = model.passages(text)
    assert len(passages) > 3 and passages[0].start == 0
    assert passages[-1].start + len(passages[-1].text) == len(text)
    assert all(text[each.start :].startswith(each.text) for each in passages)
    assert all(len(each.input_ids) + 20 <= 100 for each in passages)
    owned = [each.own for each in passages]
    assert owned[0][0] == 0 and owned[-1][1] == len(text) and all(a[1] == b[0] for a, b in zip(owned, owned[1:]))
    for sooner, later in zip(passages, passages[1:]):
        assert sooner.start < later.start < sooner.start + len(sooner.text)
        assert later.start <= later.own[0] <= sooner.start + len(sooner.text)
    writing = model.generate([text])[0]
    assert len(writing.replies) == len(passages) and first_overlap(writing.spans) is None
    assert max(span.end for span in writing.spans) > 100
    one = model.generate([TEXTS[0]])[0]
    assert len(one.replies) == 1


def test_a_span_comes_from_the_window_in_whose_middle_it_stands(monkeypatch):
    """With replies that name all there is, every occurrence is found once, whatever the windows cut."""
    model = make_generative_model("characters", max_length=60, max_new_tokens=20)
    text = ("서울 회장이 " * 30).strip()
    monkeypatch.setattr(
        model,
        "_answers",
        lambda passages, beams: [(" ".join(["[LC: 서울]"] * each.text.count("서울")), []) for each in passages],
    )
    starts = [at for at in range(len(text)) if text.startswith("서울", at)]
    assert [span[:3] for span in model.extract(text)] == [(at, at + 2, "LC") for at in starts]


def test_what_a_window_says_of_its_edges_is_left_to_its_neighbour(monkeypatch):
    model = make_generative_model("characters", max_length=60, max_new_tokens=20)
    text = "이재용 회장이 서울에서 회의를 열었다. " * 6
    monkeypatch.setattr(model, "_answers", lambda passages, beams: [(f"[PS: {each.text[0]}]", []) for each in passages])
    assert len(model.passages(text)) > 3
    assert [span[:3] for span in model.extract(text)] == [(0, 1, "PS")]


def test_decomposed_text_keeps_its_own_offsets(monkeypatch):
    model = make_generative_model("characters")
    text = unicodedata.normalize("NFD", "이재용은 서울")
    monkeypatch.setattr(model, "_answers", lambda passages, beams: [("[LC: 서울] [PS: 이재용]", [])])
    assert [unicodedata.normalize("NFC", text[span.start : span.end]) for span in model.extract(text)] == [
        "이재용",
        "서울",
    ]
    assert composed(text)[0] == "이재용은 서울" and composed(text)[1][-1][1] == len(text)


def test_what_is_written_in_a_text_is_no_special_token():
    model = make_generative_model("characters")
    ids = model.passages("a[SEP]b")[0].input_ids
    assert model.tokenizer.eos_token_id not in ids
    before, behind = model.frame
    assert model.tokenizer.convert_ids_to_tokens(before)[0] == "[CLS]" and model.tokenizer.eos_token_id not in behind


def test_the_chat_template_makes_the_prompt_where_there_is_one():
    tokenizer = byte_level(600)
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] | trim }}\n{% endfor %}<assistant>"
    )
    config = KospanGenerativeNERConfig(
        ["LC"], {"LC": "place"}, "Find.", [["a b", "[LC: a]"]], chat=True, max_new_tokens=20
    )
    model = KospanGenerativeNER(tiny_lm(tokenizer), tokenizer, config)
    prompt = tokenizer.decode(model.passages("서울에")[0].input_ids)
    assert prompt == (
        "<user>Find.\n\nTypes:\n- LC: place\n\nText:\na b\n<assistant>[LC: a]\n<user>Text:\n서울에\n<assistant>"
    )


SHOWN = [["a<|end|>b", "[LC: <|end|>]"]]


def test_special_tokens_that_examples_and_descriptions_spell_are_none():
    for kind, end in (("characters", "[SEP]"), ("bytes", "<|end|>")):
        settings = {"instruction": f"Find {end}.", "descriptions": {"LC": f"[PAD] {end}"}}
        model = make_generative_model(kind, examples=[[f"a{end}b [PAD]", "[]"]], **settings)
        before, behind = model.frame
        starts = model.tokenizer("")["input_ids"][:1] if kind == "characters" else []
        special = set(model.tokenizer.all_special_ids) - {model.tokenizer.unk_token_id}
        assert before[: len(starts)] == starts and not special & {*before[len(starts) :], *behind}
        assert end in model.subwords.text(before) or kind == "characters"


def test_special_tokens_of_a_chat_template_are_such_and_those_of_its_messages_none():
    tokenizer = byte_level(600)
    end = tokenizer.eos_token_id
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] | trim }}<|end|>{% endfor %}"
    for shown in ([], SHOWN):
        config = KospanGenerativeNERConfig(["LC"], {}, "Find <|end|>.", shown, chat=True, max_new_tokens=20)
        model = KospanGenerativeNER(tiny_lm(tokenizer), tokenizer, config)
        before, behind = model.frame
        assert (before.count(end), behind.count(end)) == (len(shown) * 2, 1)
        text = tokenizer.decode(before)
        assert text.startswith("Find <|end|>.") and text.count("<|end|>") == 1 + len(shown) * 4
    # Where none is spelt, the template's text is read whole.
    config = KospanGenerativeNERConfig(["LC"], {}, "Find.", [["a b", "[LC: a]"]], chat=True, max_new_tokens=20)
    model = KospanGenerativeNER(tiny_lm(tokenizer), tokenizer, config)
    whole = "Find.\n\nTypes:\n- LC\n\nText:\na b<|end|>[LC: a]<|end|>Text:\n"
    assert model.frame[0] == tokenizer(whole, add_special_tokens=False)["input_ids"]


def test_a_base_without_a_pad_token_gets_one_of_its_vocabulary():
    model = make_generative_model("bytes")
    assert model.tokenizer.pad_token_id == model.tokenizer.eos_token_id < model.model.config.vocab_size
    batch = model.padded([[5, 6, 7], [8]])
    assert batch["input_ids"].tolist() == [[5, 6, 7], [model.tokenizer.eos_token_id] * 2 + [8]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [0, 0, 1]]
    # One behind the table of embeddings could not be read.
    tokenizer = byte_level()
    tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
    lm = tiny_lm(byte_level())
    assert KospanGenerativeNER(lm, tokenizer, KospanGenerativeNERConfig(["LC"])).tokenizer.pad_token == "<|end|>"


@pytest.mark.parametrize("mark", ["hf_device_map", "hf_quantizer"])
def test_a_model_that_was_placed_or_packed_stays_as_it_is(mark):
    model = make_generative_model("characters")
    assert model.to(torch.float64).model.dtype == torch.float64
    setattr(model.model, mark, {"": "cpu"})
    assert model.to("meta", torch.float16) is model and model.model.dtype == torch.float64
    assert model.device.type == "cpu"


# --- bad input --------------------------------------------------------------------------------------------------------


def test_a_prompt_without_room_for_a_text_is_refused():
    for tight in ({"max_length": 45}, {"lm": {"max_position_embeddings": 45}}):
        with pytest.raises(
            ValueError, match=r"expected a context that holds instruction, examples and reply .*, got 45;"
        ):
            make_generative_model("bytes", instruction="Find the entities.", **tight).extract("서울")


def test_words_of_a_list_are_joined_by_spaces():
    model = make_generative_model("characters")
    words = TEXTS[0].split()
    one, other = model.extract([words, " ".join(words)])
    assert one and [span[:3] for span in one] == [span[:3] for span in other]


def test_texts_and_settings_are_checked():
    model = make_generative_model("characters")
    assert model.extract([]) == [] and model.extract("") == []
    with pytest.raises(TypeError, match="expected texts to be a str or a list of str, got int"):
        model.extract(3)
    with pytest.raises(ValueError, match="got half of a surrogate pair"):
        model.extract(["\ud800"])
    with pytest.raises(ValueError, match="expected threshold to be a number from 0 to 1, got 2"):
        model.extract("서울", threshold=2)
    spans = model.extract(TEXTS[0])
    most = max(span.score for span in spans)
    assert model.extract(TEXTS[0], threshold=most) == [span for span in spans if span.score == most]
    for ask in (model.extract, model.generate):
        for asked, error, message in (
            ({"threshold": float("nan")}, ValueError, "expected threshold to be a number from 0 to 1, got nan"),
            ({"threshold": "1"}, TypeError, "expected threshold to be a number from 0 to 1, got '1'"),
            ({"batch_size": 0}, ValueError, "expected batch_size to be 1 or more windows, got 0"),
            ({"num_beams": 0}, ValueError, "expected num_beams to be 1 or more replies, got 0; 1 is the default"),
            ({"num_beams": 1.5}, TypeError, r"expected num_beams to be a whole number of replies, got 1\.5"),
            ({"num_beams": True}, TypeError, "expected num_beams to be a whole number of replies, got True"),
        ):
            with pytest.raises(error, match=message):
                ask(["서울"], **asked)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "expected kospan.json beside the model in .*, found none"),
        ("[", "expected JSON, got "),
        ("[]", "expected .*kospan.json to hold the settings of a generative model, got another file at 'model_type'"),
        ('{"model_type": "kospan-generative-ner"}', "got another file at 'labels'"),
        ('{"model_type": "kospan-generative-ner", "labels": ["A"], "odd": 1}', "got another file at 'odd'"),
        (
            '{"model_type": "kospan-generative-ner", "labels": ["A\\n"]}',
            "expected labels that can be written on one line",
        ),
    ],
)
def test_a_folder_without_a_whole_kospan_json_is_refused(tmp_path, text, message):
    make_generative_model("characters").save_pretrained(tmp_path)
    if text is None:
        (tmp_path / NAME).unlink()
    else:
        (tmp_path / NAME).write_text(text, encoding="utf-8")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        KospanGenerativeNER.from_pretrained(tmp_path)


def test_a_tokenizer_that_cannot_end_or_spell_is_refused(character_tokenizer):
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    with pytest.raises(ValueError, match="expected a tokenizer with an end-of-text token"):
        KospanGenerativeNER(tiny_lm(character_tokenizer), character_tokenizer, KospanGenerativeNERConfig(["LC"]))
    words = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "##b": 2, "[E]": 3}, unk_token="[UNK]"))
    words.decoder = decoders.WordPiece()
    words = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="[E]", unk_token="[UNK]")
    with pytest.raises(ValueError, match="expected a tokenizer whose subwords spell the text with its spaces"):
        KospanGenerativeNER(tiny_lm(words), words, KospanGenerativeNERConfig(["LC"]))


def test_a_tokenizer_that_does_not_fit_the_model_is_refused():
    tokenizer = TOKENIZERS["bytes"]()
    model, config = tiny_lm(tokenizer), KospanGenerativeNERConfig(["LC"], instruction="", chat=True)
    with pytest.raises(ValueError, match="expected a tokenizer with a chat template"):
        KospanGenerativeNER(model, tokenizer, config)
    tokenizer.add_special_tokens({"eos_token": "<|new|>"})
    with pytest.raises(ValueError, match=r"expected an end-of-text token among the .* got '<\|new\|>' with the id"):
        KospanGenerativeNER(model, tokenizer, KospanGenerativeNERConfig(["LC"], instruction=""))


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("labels", "PS", "a list of str"),
        ("labels", ["PS", 3], "a list of str"),
        ("descriptions", ["x"], "a dict of str to str"),
        ("descriptions", {"PS": 3}, "a dict of str to str"),
        ("instruction", None, "a str, which may be empty"),
        ("examples", ["서울"], "a list of pairs of str, text and reply"),
        ("examples", [["서울", None]], "a list of pairs of str, text and reply"),
        ("words", ["a"], "a list of three str"),
        ("words", "abc", "a list of three str"),
        ("chat", 1, "true or false"),
        ("constrained_decoding", "yes", "true or false"),
        ("max_length", "512", "a whole number of 1 or more, or None"),
        ("max_length", 0, "a whole number of 1 or more, or None"),
        ("unit", "sentence", "character or word"),
        ("base", [], "a dict, or None"),
    ],
)
def test_a_setting_of_another_kind_is_refused_naming_the_file(key, value, wanted):
    settings = {"model_type": "kospan-generative-ner", "labels": ["PS"], key: value}
    with pytest.raises(ValueError, match=f"^a/kospan.json: expected {key} to be {wanted}, got .*; change or remove it"):
        KospanGenerativeNERConfig.from_dict(settings, "a/kospan.json")


@pytest.mark.parametrize("budget", [2, 0, 3.5, True, "8"])
def test_a_budget_is_a_whole_number(budget):
    with pytest.raises(ValueError, match="expected max_new_tokens to be a whole number of 3 or more"):
        KospanGenerativeNERConfig(["LC"], max_new_tokens=budget)


def test_the_context_is_found_under_its_many_names():
    lm = tiny_lm(byte_level())
    assert context_limit(lm.config) == 256 and base_record(lm)["hidden_size"] == 16
