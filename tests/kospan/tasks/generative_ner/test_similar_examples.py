"""Examples chosen by the text: what a prompt shows, what it never shows while training, what is kept and refused."""

import json
import unicodedata

import pytest
from ablation_generative_cases import corpus, labelled, recipe_over
from generative_cases import TEXTS, byte_level, make_generative_model, tiny_lm

from kospan.card.card import template_environment
from kospan.data.corpus import Corpus
from kospan.example import Example
from kospan.modeling import KospanGenerativeNER, KospanGenerativeNERConfig
from kospan.modeling.configuration_generative_ner import NAME
from kospan.modeling.similarity import Similarity
from kospan.recipe import Recipe
from kospan.run import build_trainer, train
from kospan.tasks.generative_ner import model as model_module
from kospan.tasks.generative_ner.card import CARD
from kospan.tasks.generative_ner.model import build_model, new_config, pool_of, whole_reply
from kospan.tasks.generative_ner.task import GenerativeNERTask

SIMILAR = {"few_shot": 2, "few_shot_strategy": "similar"}
PAIRS = [[each.text, whole_reply(each)] for each in corpus().splits["train"]]


def prompt_of(generator: KospanGenerativeNER, ids: list[int]) -> str:
    return generator.subwords.text(ids)


def pairs_in(generator: KospanGenerativeNER, prompt: str) -> list[list[str]]:
    """The pool's examples that a prompt shows, in its order."""
    shown = [pair for pair in generator.config.examples if f"Text:\n{pair[0]}\nAnswer:\n{pair[1]}\n\n" in prompt]
    return sorted(shown, key=lambda pair: prompt.find(f"Text:\n{pair[0]}\nAnswer:"))


def test_a_prompt_shows_what_is_most_like_its_text_the_nearest_last():
    generator = make_generative_model("bytes", examples=PAIRS, shown=2, lm={"max_position_embeddings": 900})
    likeness = Similarity([text for text, _ in PAIRS])
    for text in ("이재용은 부산에 갔다.", "김연아가 서울에 있다.", PAIRS[2][0], "xyz"):
        nearest = likeness.nearest(text, 2)
        (passage,) = generator.passages(text)
        prompt = prompt_of(generator, passage.input_ids)
        assert pairs_in(generator, prompt) == [PAIRS[at] for at in reversed(nearest)]
        assert prompt.endswith(f"Text:\n{text}\nAnswer:\n")
        expected = make_generative_model("bytes", examples=[PAIRS[at] for at in reversed(nearest)])
        assert passage.input_ids == expected.passages(text)[0].input_ids
    # In use a text that is known is shown with its reply.
    assert f"{PAIRS[2][0]}\nAnswer:\n{PAIRS[2][1]}\n\nText:\n{PAIRS[2][0]}" in prompt_of(
        generator, generator.passages(PAIRS[2][0])[0].input_ids
    )
    together = generator.generate(TEXTS)
    assert [each.replies for each in together] == [generator.generate([text])[0].replies for text in TEXTS]
    assert any(each.spans for each in together)


def test_a_training_row_never_shows_its_own_text():
    """Also if it is in the data twice, in another spelling, or in one window of a long text."""
    data = corpus().splits["train"]
    twice = [*data, labelled(90, data[0].text), Example("nfd", unicodedata.normalize("NFD", data[2].text), ())]
    corpus_ = Corpus(("LC", "PS"), {"train": twice, "validation": data[:2]}, 0)
    config = new_config(Recipe(task="generative-ner", instruction="", **SIMILAR), corpus_)
    assert config.shown == 2 and config.examples == PAIRS
    generator = make_generative_model("bytes", examples=PAIRS, shown=2, lm={"max_position_embeddings": 900})
    task = GenerativeNERTask(corpus_, generator)
    assert task.examples("train") == twice
    features = task.train_features(twice)
    assert len(features) == len(twice)
    for example, feature in zip(twice, features):
        prompt = prompt_of(generator, feature["input_ids"][: feature["labels"].count(-100)])
        shown = pairs_in(generator, prompt)
        text = unicodedata.normalize("NFC", example.text)
        assert len(shown) == 2 and text not in [each for each, _ in shown]
        assert prompt.endswith(f"Text:\n{text}\nAnswer:\n") and prompt.count(text) == 1
    assert "of 6 examples the 2 most similar to the text shown" in "\n".join(task.spec.remarks(task))


def test_no_window_of_a_long_text_shows_that_text():
    text = " ".join([PAIRS[0][0]] * 12)
    pool = [[text, "[PS: 이재용]"], [f"{text}.", "[LC: 서울]"]]
    lm = {"max_position_embeddings": 900}
    tight = make_generative_model("characters", examples=pool, shown=1, max_new_tokens=20, lm=lm)
    tight.config.max_length = sum(map(len, tight.frame)) + 20 + 30
    assert tight.room == 30
    for learning in (False, True):
        passages = tight.passages(text, learning)
        assert len(passages) > 1
        shown = ["[ P S :   이 재 용 ]" in tight.tokenizer.decode(each.input_ids) for each in passages]
        assert any(shown) is not learning
        assert all(len(each.input_ids) + 20 <= tight.config.max_length for each in passages)
        assert all(text[each.start :].startswith(each.text) for each in passages)
        assert passages[-1].start + len(passages[-1].text) == len(text)


@pytest.mark.parametrize("kind", ["bytes", "sentencepiece", "unigram", "characters"])
@pytest.mark.parametrize("chat", [False, True])
def test_every_prompt_fits_with_its_reply_and_nothing_is_cut(kind, chat):
    pool = [*PAIRS, ["가" * 60, "[]"], ["나다 " * 20, "[]"]]
    generator = make_generative_model(
        kind, examples=pool, shown=2, max_new_tokens=20, lm={"max_position_embeddings": 4000}
    )
    if chat:
        generator.config.chat = True
        generator.tokenizer.chat_template = (
            "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}<a>"
        )
    longest = sum(map(len, generator.frame))
    for text in [*TEXTS, "가" * 50, " ".join(TEXTS)]:
        before, behind = generator.frame_about(text)
        assert len(before) + len(behind) <= longest + 4  # Subwords may melt otherwise where others stand beside them.
        generator.config.max_length = longest + 20 + 12
        passages = generator.passages(text)
        assert all(len(each.input_ids) + 20 <= generator.context for each in passages)
        assert passages[0].start == 0 and passages[-1].start + len(passages[-1].text) == len(text)
        assert all(later.start <= sooner.start + len(sooner.text) for sooner, later in zip(passages, passages[1:]))


def test_without_shown_the_prompt_is_always_the_same():
    generator = make_generative_model("bytes", examples=PAIRS[:2])
    for text in TEXTS:
        assert generator.frame_about(text) == generator.frame == generator.frame_about(text, [PAIRS[0][0]])
    config = new_config(Recipe(task="generative-ner", few_shot=2), corpus())
    assert config.shown is None and len(config.examples) == 2


def test_a_run_saves_its_pool_with_the_model_and_trains_further_with_it(tmp_path, capsys):
    metrics = train(recipe_over(tmp_path, **SIMILAR, num_train_epochs=1, packing=True))
    assert 0 <= metrics["eval_f1"] <= 1
    assert "of 6 examples the 2 most similar to the text shown" in capsys.readouterr().out
    stored = json.loads((tmp_path / "out" / NAME).read_text(encoding="utf-8"))
    assert (stored["shown"], stored["examples"]) == (2, PAIRS)
    generator = KospanGenerativeNER.from_pretrained(tmp_path / "out")
    assert KospanGenerativeNERConfig.from_dict(stored) == generator.config and generator.config.to_dict() == stored
    further = {"encoder": str(tmp_path / "out"), "output_dir": str(tmp_path / "further"), "encoder_options": {}}
    assert build_model(recipe_over(tmp_path, **further), corpus()).config == generator.config
    trainer = build_trainer(recipe_over(tmp_path, **further, **SIMILAR))
    assert len(trainer.task.examples("train")) == 6
    with pytest.raises(ValueError, match="expected few_shot to be 2 as in the model"):
        build_model(recipe_over(tmp_path, **further, few_shot=3, few_shot_strategy="similar"), corpus())
    make_generative_model("characters", examples=PAIRS[:1]).save_pretrained(tmp_path / "fixed")
    with pytest.raises(ValueError, match="expected few_shot_strategy to be 'types' as in the model"):
        recipe = recipe_over(tmp_path, encoder=str(tmp_path / "fixed"), encoder_options={}, few_shot=1)
        recipe.few_shot_strategy = "similar"
        build_model(recipe, corpus())


def test_the_pool_holds_short_texts_once_spread_over_the_data(monkeypatch):
    texts = [*map(str, range(40)), "7", "", "x" * 301, "y" * 300]
    examples = [Example(str(at), text, ()) for at, text in enumerate(texts)]
    assert [each.text for each in pool_of(examples, 1)] == [*map(str, range(40)), "y" * 300]
    monkeypatch.setattr(model_module, "POOL", 10)
    assert [int(each.id) for each in pool_of(examples[:40], 1)] == [*range(0, 40, 4)]
    with pytest.raises(ValueError, match="expected few_shot below the 41 training texts of up to 300 characters with"):
        pool_of(examples, 41)


def test_a_pool_is_no_vocabulary_of_its_own(tmp_path):
    """Seldom characters of the pool are as unknown as those of any training text."""
    flags = {"encoder_options": {"hidden_size": 16, "num_hidden_layers": 1, "min_count": 3}}
    vocabularies = [
        set(build_model(recipe_over(tmp_path, **flags, **more), corpus()).tokenizer.get_vocab())
        for more in ({}, SIMILAR, {"few_shot": 2})
    ]
    assert vocabularies[0] == vocabularies[1] < vocabularies[2]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            {"few_shot_strategy": "similar"},
            "expected no few_shot_strategy with few_shot: 0, .*; remove it, or set few_shot",
        ),
        ({"few_shot_strategy": "nearest"}, "expected few_shot_strategy to be one of types, similar, got 'nearest'"),
        ({"few_shot_strategy": "similar", "few_shot": 6}, "expected few_shot below the 6 training texts of up to 300"),
        (
            {**SIMILAR, "max_length": 80, "max_new_tokens": 30},
            "expected a context that holds instruction, examples and reply",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused(tmp_path, flags, message):
    with pytest.raises(ValueError, match=message):
        build_trainer(recipe_over(tmp_path, **flags))


def test_shown_counts_examples_there_are():
    for shown in (0, -1, 1.5, True, "2"):
        with pytest.raises(ValueError, match="expected shown to be a whole number of 1 or more, or None, got"):
            KospanGenerativeNERConfig(["LC"], examples=PAIRS, shown=shown)
    with pytest.raises(
        ValueError, match=r"^kospan.json: expected shown to be no more than the 1 examples, got 2; lower"
    ):
        KospanGenerativeNERConfig.from_dict(
            KospanGenerativeNERConfig(["LC"], examples=PAIRS[:1]).to_dict() | {"shown": 2}
        )
    tokenizer = byte_level()
    whole = KospanGenerativeNERConfig(["LC"], examples=PAIRS, shown=len(PAIRS), max_new_tokens=9)
    assert len(KospanGenerativeNER(tiny_lm(tokenizer), tokenizer, whole).config.examples) == whole.shown


@pytest.mark.parametrize(("shown", "said"), [(2, "of 6 sentences of the training data, which"), (None, ": 6, with")])
def test_the_card_says_what_is_shown_and_kept(shown, said):
    config = KospanGenerativeNERConfig(["LC", "PS"], examples=PAIRS, shown=shown).to_dict()
    template = template_environment(CARD.templates).get_template("card.en.md.jinja")

    def techniques(config: dict) -> str:
        return " ".join("".join(template.blocks["techniques"](template.new_context({"config": config}))).split())

    line = techniques(config)
    assert line.startswith("- **Examples") and said in line and "their replies" in line
    assert techniques(KospanGenerativeNERConfig(["LC"]).to_dict()) == ""
