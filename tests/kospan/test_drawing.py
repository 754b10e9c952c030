"""Fonts of pictures: what is said where letters are missing, once."""

import logging
import warnings

import pytest
from matplotlib import font_manager

from kospan import drawing


@pytest.fixture(autouse=True)
def forgetful():
    """A warning that is given once per process is given again in the next test."""

    def forget():
        drawing.hangul_font.cache_clear()
        drawing._characters.cache_clear()
        drawing._warned.clear()

    forget()
    yield
    forget()


def picture(labels: list[str]) -> bytes:
    """A picture with these labels on both axes."""
    with drawing.Canvas() as canvas:
        canvas.axes[0].set_xticks(range(len(labels)), labels)
        canvas.axes[0].set_yticks(range(len(labels)), labels)
    return canvas.png


@pytest.fixture
def no_hangul(monkeypatch):
    """A machine on which matplotlib's own font is the only one."""
    monkeypatch.setattr(drawing, "hangul_font", lambda: None)


def test_without_a_hangul_font_one_line_says_what_to_install(no_hangul, caplog):
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        for label in ("사람", "장소"):
            assert picture([label, "東京"]).startswith(b"\x89PNG")
    [line] = caplog.messages
    assert "no installed font has Hangul" in line and "apt-get install fonts-noto-cjk" in line and "\n" not in line


def test_what_every_font_has_is_drawn_in_silence(no_hangul, caplog):
    picture(["PS", "Café – “x”", "Ελλάδα", "Россия", "▁the"])
    assert not caplog.messages and drawing.missing_characters(["PS", "Россия", "a\tb"]) == ""


def test_other_letters_that_are_missing_are_named(no_hangul, caplog):
    for labels in (["東京", "京都"], ["大阪"]):
        picture(labels)
    [line] = caplog.messages
    assert "the characters '東京都'" in line and "noto" not in line
    assert drawing.missing_characters(["사람", "람x"]) == "사람"


def test_a_font_that_was_installed_since_is_found(monkeypatch):
    """matplotlib keeps a list of fonts and would not look again."""
    manager = font_manager.fontManager
    path = next(font.fname for font in manager.ttflist if font.name == "DejaVu Sans Mono")
    monkeypatch.setattr(drawing, "HANGUL_FONTS", ("DejaVu Sans Mono",))
    monkeypatch.setattr(manager, "ttflist", [font for font in manager.ttflist if font.name != "DejaVu Sans Mono"])
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])
    assert drawing.hangul_font() is None and drawing.font_families() == ["DejaVu Sans"]
    drawing.hangul_font.cache_clear()
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: ["/nowhere/broken.ttf", path])
    assert drawing.hangul_font() == "DejaVu Sans Mono"
    assert drawing.font_families() == ["DejaVu Sans Mono", "DejaVu Sans"]
