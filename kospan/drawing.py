"""Drawing with matplotlib without a screen: a canvas, its fonts, and curves over epochs."""

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
# Names of fonts with Hangul on common systems.
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
# Largest number of points of a curve that are marked; a curve of one point is visible by its mark alone.
MARKED = 40
_log = logging.getLogger(__name__)
_warned: set[bool] = set()


@functools.cache
def hangul_font() -> str | None:
    """The name of an installed font with Hangul; None if there is none."""
    manager = font_manager.fontManager
    known = {font.name for font in manager.ttflist}
    if not known & set(HANGUL_FONTS):
        # matplotlib caches its list of fonts; some may have been installed since.
        files = {font.fname for font in manager.ttflist}
        for path in font_manager.findSystemFonts():
            if path not in files:
                with contextlib.suppress(OSError, RuntimeError, ValueError):
                    manager.addfont(path)
        known = {font.name for font in manager.ttflist}
    return next((name for name in HANGUL_FONTS if name in known), None)


def font_families() -> list[str]:
    """The fonts of a drawing: an installed one with Hangul, if any, and matplotlib's own."""
    return [name for name in (hangul_font(), "DejaVu Sans") if name]


def missing_characters(texts: Iterable[str]) -> str:
    """The characters of texts that no font has, each once, in order of first appearance."""
    known = _characters(tuple(font_families()))
    characters = dict.fromkeys(character for text in texts for character in text)
    return "".join(each for each in characters if each.isprintable() and ord(each) not in known)


@functools.cache
def _characters(families: tuple[str, ...]) -> frozenset[int]:
    fonts = (font_manager.get_font(font_manager.findfont(name)) for name in families)
    return frozenset(code for font in fonts for code in font.get_charmap())


def _warn_of_fonts(missing: str) -> None:
    """Warn once per process that Hangul, or that other characters, cannot be drawn."""
    hangul = _HANGUL.search(missing) is not None
    if hangul in _warned:
        return
    _warned.add(hangul)
    what, advice = "Hangul", HANGUL_ADVICE
    if not hangul:
        what, advice = f"the characters {missing[:20]!r}", "install a font that has them and draw again"
    _log.warning("fonts               no installed font has %s, which is drawn as boxes; %s", what, advice)


def plain(words: Iterable[str]) -> list[str]:
    """Escape words of the data for matplotlib.

    Text between two dollar signs would be a formula, and a name with a leading underscore would not be in the legend.
    """
    return [f"{' ' * word.startswith('_')}{word}".replace("$", r"\$") for word in words]


class Canvas:
    """Axes to draw on, as a context that sets fonts; afterwards `png` holds the image.

    If no font has some of the characters, a log line names a font to install.

    Args:
        width: Width in inches.
        height: Height in inches.
        columns: Columns of axes.
        rows: Rows of axes.
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
                    _warn_of_fonts(missing)
                file = io.BytesIO()
                with warnings.catch_warnings():
                    # matplotlib warns for every character of every label.
                    warnings.filterwarnings("ignore", message="Glyph .* missing from")
                    # Without date and version in the file, equal drawings are equal bytes.
                    self.figure.savefig(file, format="png", metadata={"Software": None})
                self.png = file.getvalue()
        finally:
            self._context.__exit__(kind, *error)


def draw_curve(axes, points: Sequence[tuple[float, float]], label: str | None, colour: str, **style) -> None:
    """Draw a line through points; a few points are marked."""
    marked = {"marker": "o", "markersize": 2.5} if len(points) <= MARKED else {}
    axes.plot(*zip(*points), color=colour, label=label, **marked, **style)
