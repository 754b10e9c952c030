"""Prompts of a writer whose chat template inserts the current date: they do not depend on the day."""

import datetime
import json
import re
import string
import sys
import time
import warnings

import pytest
from chat_cases import DATED, FIXED, LLAMA, PLAIN
from generative_cases import byte_level, tiny_lm
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.utils import chat_template_utils

from kospan.modeling import KospanGenerativeNER, KospanGenerativeNERConfig
from kospan.modeling.prompt_dates import CODES, date_codes, with_fixed_date


@pytest.fixture
def set_today(monkeypatch):
    """Moves the calendar of chat templates."""

    def move(*date: int) -> None:
        class Moved(datetime.datetime):
            @classmethod
            def now(cls, tz=None):
                return cls(*date, 9, 30)

        monkeypatch.setattr(chat_template_utils, "datetime", Moved)

    return move


def writer_with(template: str) -> KospanGenerativeNER:
    tokenizer = byte_level()
    tokenizer.chat_template = template
    config = KospanGenerativeNERConfig(["LC"], {}, "Find.", [["a b", "[LC: a]"]], chat=True, max_new_tokens=20)
    return KospanGenerativeNER(tiny_lm(tokenizer, max_position_embeddings=1024), tokenizer, config)


def prompt_of(model: KospanGenerativeNER) -> str:
    return model.tokenizer.decode(model.passages("서울에")[0].input_ids)


@pytest.mark.parametrize("kind", DATED)
def test_a_date_of_a_chat_template_is_fixed_saved_and_read_again(kind, tmp_path, set_today):
    template, expected = DATED[kind]
    model = writer_with(template)
    model.fix_date("2025-02-03")
    assert model.config.date == "2025-02-03" and prompt_of(model).startswith(expected)
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "kospan.json").read_text(encoding="utf-8"))["date"] == "2025-02-03"
    for day in ((2025, 2, 3), (2031, 12, 24)):
        set_today(*day)
        again = KospanGenerativeNER.from_pretrained(tmp_path)
        assert again.passages("서울에") == model.passages("서울에")
    # The first date stays.
    again.fix_date("2031-12-24")
    assert again.config.date == "2025-02-03"


@pytest.mark.parametrize(
    "start", ["", "\n", "\n\n  ", "  {% if true %}\nx{% endif %}", "   {%- set a = 1 %}\n y", "a\n"]
)
@pytest.mark.parametrize("template", [PLAIN, FIXED])
def test_the_date_changes_nothing_else_of_a_template(start, template):
    tokenizer = byte_level()
    messages = [{"role": "user", "content": " a\n"}, {"role": "assistant", "content": "b"}]
    tokenizer.chat_template = start + template
    plain = tokenizer.apply_chat_template(messages, tokenize=False)
    fixed = {"chat_template": with_fixed_date(start + template), CODES: date_codes("2025-02-03")}
    assert tokenizer.apply_chat_template(messages, tokenize=False, **fixed) == plain


@settings(max_examples=60, deadline=None)
@given(day=st.dates(datetime.date(1900, 1, 1)), format=st.text("YmdBbAajyHIMSpeFDTUWVGuwhxXRn -/:.", max_size=6))
def test_codes_are_those_of_strftime(day, format):
    format = "".join(f"%{letter}" if letter.isalpha() and letter != "n" else letter for letter in format)
    assert formatted(format, day) == datetime.datetime(day.year, day.month, day.day).strftime(format)


def formatted(format: str, day: datetime.date) -> str:
    """A date as a chat template writes it."""
    tokenizer = byte_level()
    settings = {CODES: date_codes(day.isoformat()), "format": format, "tokenize": False}
    return tokenizer.apply_chat_template(
        [{"role": "user", "content": ""}], chat_template=with_fixed_date("{{ strftime_now(format) }}"), **settings
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="flags of strftime are those of Linux")
@pytest.mark.parametrize("day", [datetime.date(2025, 2, 3), datetime.date(2008, 12, 31), datetime.date(2009, 8, 30)])
def test_every_code_and_flag_is_that_of_strftime(day, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    codes = date_codes(day.isoformat())
    midnight = datetime.datetime(day.year, day.month, day.day)
    # %f is Python's own: with a flag it is no code.
    assert {code: midnight.strftime(code) for code in codes} == codes
    letters = {letter for letter in string.ascii_letters + "%" if midnight.strftime(f"%{letter}") != f"%{letter}"}
    assert letters == {code[1] for code in codes if len(code) == 2}


@pytest.mark.parametrize(
    "format",
    ["%C%y", "%%Y", "%%%Y%%", "%g|%k|%l|%P|%r|%s|%n|%t|", "%-e %-U %-W %-u %-w %-V %-G", "%_d %^a %0e %EY %Od"]
    + ["%-_d %_-d %^#p %#^a", "Y%Ym", "", "d", "100%", "%^B의 %-d일%%"],
)
def test_a_format_is_read_once_from_left_to_right(format):
    day = datetime.datetime(2024, 1, 7)
    expected = day.strftime(format).replace(day.strftime("%s"), "1704585600")
    assert formatted(format, day.date()) == expected


@pytest.mark.parametrize("code", ["%Q", "%5", "%:", "%EQ", "%OY", "%-f", "%-", "%E", "%_^"])
def test_an_unknown_code_is_refused_at_training_in_one_line(code):
    model = writer_with(PLAIN.replace("{%", "{{ strftime_now('%Y " + code + "') }}{%", 1))
    message = f"date format, got {code} in '%Y {code}'; correct the template"
    with pytest.raises(ValueError, match=f"^expected codes of strftime in the chat template's {re.escape(message)}$"):
        model.fix_date("2025-02-03")


@pytest.mark.parametrize("template", [FIXED, PLAIN])
def test_a_template_without_the_current_date_has_none(template):
    model = writer_with(template)
    before = prompt_of(model)
    model.fix_date("2025-02-03")
    assert model.config.date is None and prompt_of(model) == before
    assert ("26 Jul 2024" in before) == (template is FIXED)
    plain = writer_with(template)
    plain.config.chat = False
    plain.fix_date("2025-02-03")
    assert plain.config.date is None


def test_a_saved_model_without_a_date_works_as_before_and_says_so_once(tmp_path, set_today):
    writer_with(LLAMA).save_pretrained(tmp_path)
    stored = json.loads((tmp_path / "kospan.json").read_text(encoding="utf-8"))
    del stored["date"]
    (tmp_path / "kospan.json").write_text(json.dumps(stored), encoding="utf-8")
    set_today(2029, 5, 17)
    model = KospanGenerativeNER.from_pretrained(tmp_path)
    with pytest.warns(
        UserWarning, match=r"expected a date in kospan\.json, because the chat template inserts .* train"
    ):
        assert prompt_of(model).startswith("Today Date: 17 May 2029")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model._framed(model.config.examples)


@pytest.mark.parametrize("date", ["2025-2-3", "03.02.2025", "2025-13-01", 20250203, "", "20250203"])
def test_what_is_no_date_is_refused(date):
    with pytest.raises(ValueError, match="expected date to be a date such as 2026-01-31, or None, got"):
        KospanGenerativeNERConfig(["LC"], date=date)
