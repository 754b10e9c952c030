"""Pictures with matplotlib, without a screen: one canvas, its fonts, curves over epochs."""

import contextlib
import functools
import io
import logging
import re
import warnings
from collections.abc import Iterable, Sequence

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

INK, FAINT, ACCENT, SECOND = "#1c2230", "#d5dae3", "#2f6fde", "#d9822b"
# Fonts that have Hangul, by the names that the usual systems give them.
HANGUL_FONTS = (
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "Noto Sans CJK JP",
    "NanumGothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "AppleGothic",
    "UnDotum",
)
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
HANGUL_ADVICE = (
    "install one (Debian, Ubuntu: apt-get install fonts-noto-cjk; Fedora: dnf install google-noto-sans-cjk-fonts; "
    "macOS: brew install --cask font-noto-sans-cjk) and draw again"
)
# Points of a curve that are marked one by one; a curve of one point is nothing but its mark.
MARKED = 40
_log = logging.getLogger(__name__)
_told: set[bool] = set()


@functools.cache
def hangul_font() -> str | None:
    """The name of an installed font that has Hangul; None where there is none."""
    manager = font_manager.fontManager
    known = {font.name for font in manager.ttflist}
    if not known & set(HANGUL_FONTS):
        # matplotlib keeps a list of the fonts that were there once; some may have been installed since.
        files = {font.fname for font in manager.ttflist}
        for path in font_manager.findSystemFonts():
            if path not in files:
                with contextlib.suppress(OSError, RuntimeError, ValueError):
                    manager.addfont(path)
        known = {font.name for font in manager.ttflist}
    return next((name for name in HANGUL_FONTS if name in known), None)


def font_families() -> list[str]:
    """The fonts of a figure: one that has Hangul where one is installed, and matplotlib's own."""
    return [name for name in (hangul_font(), "DejaVu Sans") if name]


def missing_characters(texts: Iterable[str]) -> str:
    """The characters of texts that no font of a figure has, each once, in order of first appearance."""
    known = _characters(tuple(font_families()))
    characters = dict.fromkeys(character for text in texts for character in text)
    return "".join(each for each in characters if each.isprintable() and ord(each) not in known)


@functools.cache
def _characters(families: tuple[str, ...]) -> frozenset[int]:
    fonts = (font_manager.get_font(font_manager.findfont(name)) for name in families)
    return frozenset(code for font in fonts for code in font.get_charmap())


def _tell_of_fonts(missing: str) -> None:
    """Says once in a process that Hangul, or that other characters, cannot be drawn."""
    hangul = _HANGUL.search(missing) is not None
    if hangul in _told:
        return
    _told.add(hangul)
    what, advice = "Hangul", HANGUL_ADVICE
    if not hangul:
        what, advice = f"the characters {missing[:20]!r}", "install a font that has them and draw again"
    _log.warning("pictures            no installed font has %s, which is drawn as boxes; %s", what, advice)


def plain(words: Iterable[str]) -> list[str]:
    """Words of the data as matplotlib draws them as they are.

    Between two dollar signs it would see a formula, and names that begin with an underscore it keeps out of legends.
    """
    return [f"{' ' * word.startswith('_')}{word}".replace("$", r"\$") for word in words]


class Canvas:
    """One figure to draw on; as a context it sets fonts, and afterwards `png` holds the picture.

    Where no font has some of the characters, one line on the log says so, and which font to install.

    Args:
        width: In inches.
        height: In inches.
        columns: Axes side by side.
        rows: Axes one above the other.
    """

    def __init__(self, width: float = 7.2, height: float = 3.2, columns: int = 1, rows: int = 1):
        self.size, self.columns, self.rows, self.png = (width, height), columns, rows, b""

    def __enter__(self):
        self._context = matplotlib.rc_context(
            {"font.family": font_families(), "font.size": 9, "axes.unicode_minus": False}
        )
        self._context.__enter__()
        self.figure = Figure(figsize=self.size, dpi=144, layout="constrained")
        FigureCanvasAgg(self.figure)
        self.axes = np.ravel(self.figure.subplots(self.rows, self.columns))
        for axes in self.axes:
            axes.spines[["top", "right"]].set_visible(False)
        return self

    def __exit__(self, kind, *error):
        try:
            if kind is None:
                missing = missing_characters(text.get_text() for text in self.figure.findobj(Text))
                if missing:
                    _tell_of_fonts(missing)
                file = io.BytesIO()
                with warnings.catch_warnings():
                    # matplotlib says it for every character of every label.
                    warnings.filterwarnings("ignore", message="Glyph .* missing from")
                    # No date and no version in the file: equal figures are equal bytes.
                    self.figure.savefig(file, format="png", metadata={"Software": None})
                self.png = file.getvalue()
        finally:
            self._context.__exit__(kind, *error)


def draw_curve(axes, points: Sequence[tuple[float, float]], label: str | None, colour: str, **style) -> None:
    """A line through points, which are marked unless they are many."""
    marked = {"marker": "o", "markersize": 2.5} if len(points) <= MARKED else {}
    axes.plot(*zip(*points), color=colour, label=label, **marked, **style)
