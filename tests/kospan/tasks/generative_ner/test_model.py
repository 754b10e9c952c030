"""The date of a chat template: fixed when training begins, kept when it goes on, and the same for whoever loads it."""

import datetime
import json
from types import SimpleNamespace

import pytest
from ablation_generative_cases import recipe_over
from chat_cases import GRANITE, LLAMA, PLAIN
from generative_cases import byte_level, tiny_lm

from kospan.data.jsonl import read_jsonl
from kospan.hub.publish import publish
from kospan.hub.verify import verify
from kospan.run import build_trainer, train
from kospan.tasks.generative_ner import continued
from kospan.tasks.generative_ner.spec import SPEC


@pytest.fixture
def set_today(monkeypatch):
    """Moves the calendar of training."""

    def move(*date: int) -> None:
        today = SimpleNamespace(today=lambda: datetime.date(*date))
        monkeypatch.setattr(continued, "datetime", SimpleNamespace(date=today))

    return move


@pytest.fixture
def recipe_of(tmp_path):
    """A recipe over a small decoder with a chat template."""

    def build(template: str, **flags):
        tokenizer = byte_level()
        tokenizer.chat_template = template
        tiny_lm(tokenizer, max_position_embeddings=1024).save_pretrained(tmp_path / "decoder")
        tokenizer.save_pretrained(tmp_path / "decoder")
        settings = {
            "encoder": str(tmp_path / "decoder"),
            "encoder_options": {},
            "instruction": "Find.",
            "learning_rate": 1e-4,
        }
        return recipe_over(tmp_path, **{**settings, "max_new_tokens": 20, "num_train_epochs": 1, **flags})

    return build


def prompts_of(trainer) -> list[str]:
    generator = trainer.task.generator
    return [generator.tokenizer.decode(feature["input_ids"]) for feature in trainer.train_dataset]


@pytest.mark.parametrize(("template", "words"), [(LLAMA, "Today Date: 31 Jan 2020"), (GRANITE, "January 31, 2020.")])
def test_training_fixes_the_date_and_resumes_with_it(recipe_of, set_today, template, words):
    set_today(2020, 1, 31)
    trainer = build_trainer(recipe_of(template))
    assert trainer.task.generator.config.date == "2020-01-31" and all(words in prompt for prompt in prompts_of(trainer))
    train(recipe_of(template, save_strategy="epoch"))
    # The next day: from the checkpoint, from the finished model, and anew.
    set_today(2020, 2, 1)
    again = build_trainer(
        recipe_of(template, resume_from_checkpoint=True, overwrite_output_dir=False, num_train_epochs=2)
    )
    assert again.task.generator.config.date == "2020-01-31" and prompts_of(again) == prompts_of(trainer)
    model = recipe_of(template, encoder=again.args.output_dir, instruction=None)
    assert build_trainer(model).task.generator.config.date == "2020-01-31"
    assert build_trainer(recipe_of(template)).task.generator.config.date == "2020-02-01"


def test_a_template_without_a_date_saves_none(recipe_of):
    assert build_trainer(recipe_of(PLAIN)).task.generator.config.date is None


def test_a_release_is_checked_on_another_day_than_it_was_trained(recipe_of, set_today, tmp_path):
    set_today(2020, 1, 31)
    recipe = recipe_of(LLAMA)
    train(recipe)
    folder = tmp_path / "out"
    assert any(example.spans for example in read_jsonl(folder / "predictions.jsonl"))
    publish(folder, "kim/generator", SPEC, dry_run=tmp_path / "release", say=lambda line: None)
    released = tmp_path / "release" / "model"
    assert "always 2020-01-31" in (released / "README.md").read_text(encoding="utf-8")
    # With another date, as it would be without a fixed one, something else is found.
    settings = json.loads((released / "kospan.json").read_text(encoding="utf-8"))
    (released / "kospan.json").write_text(json.dumps({**settings, "date": "2026-11-30"}), encoding="utf-8")
    with pytest.raises(ValueError, match="expected the release to predict the spans in predictions"):
        verify(released, folder / "predictions.jsonl", SPEC)
