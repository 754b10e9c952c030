"""Conversion of HTML to readable text, with the source position of each character."""

import re
from bisect import bisect_left, bisect_right
from html import unescape
from html.parser import HTMLParser

# Elements that are not displayed.
HIDDEN = ("head", "script", "style", "template")
# Elements that begin and end a line.
_BLOCKS = """
address article aside blockquote body br caption center dd details dialog div dl dt fieldset figcaption figure footer
form h1 h2 h3 h4 h5 h6 header hr legend li main nav ol p pre section summary table tbody tfoot thead title tr ul
"""
BLOCKS = frozenset(_BLOCKS.split())
CELLS = ("td", "th")
# White space of HTML; a no-break space is an ordinary character.
SPACES = " \t\n\r\f"
_WORD = re.compile(f"[^{SPACES}]+")


class HtmlText:
    r"""Text of an HTML fragment: one line per block, tabs between cells of a row, runs of spaces as one.

    The contents of `head`, `script`, `style` and `template`, comments and attributes are omitted. Entities are
    replaced by their characters.

    Args:
        html: A page, or any part of one.

    >>> page = HtmlText("<p>A &amp; <b>B</b></p><table><tr><td>1</td><td>2</td></tr></table>")
    >>> page.text
    'A & B\n1\t2'
    >>> start, end = page.span(11, 21)
    >>> page.text[start:end]
    'B'
    """

    def __init__(self, html: str):
        self._found = _TextCollector(html)
        self.text = "".join(self._found.parts)

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """Map `html[start:end]` to a stretch of the text, without spaces at its ends.

        The result is None if nothing there is readable. An entity that is cut counts as a whole.
        """
        found = self._found
        first, last = bisect_right(found.ends, start), bisect_left(found.sources, end) - 1
        if start >= end or first > last:
            return None
        begin, stop = found.starts[first], found.starts[last]
        if not found.whole[first]:
            begin += max(0, start - found.sources[first])
        stop += found.whole[last] or min(end, found.ends[last]) - found.sources[last]
        return begin, stop


class _TextCollector(HTMLParser):
    """Parser that collects words and entities with their positions.

    Per run of characters without a space: `sources` and `ends`, its place in the HTML; `starts`, its place in the text;
    `whole`, for an entity the length of its text, else 0.
    """

    def __init__(self, html: str):
        super().__init__(convert_charrefs=False)
        self.html = html
        self.parts: list[str] = []
        self.sources: list[int] = []
        self.ends: list[int] = []
        self.starts: list[int] = []
        self.whole: list[int] = []
        self._length = 0
        self._between = ""
        self._hidden, self._depth = "", 0
        self._lines = [0, *(at + 1 for at, character in enumerate(html) if character == "\n")]
        self.feed(html)
        self.close()

    def _at(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column

    def _part(self, separator: str) -> None:
        # A line end replaces a tab, and a tab a space.
        self._between = max(self._between, separator, key=("", " ", "\t", "\n").index)

    def _add(self, text: str, source: int, end: int, whole: bool) -> None:
        if self._length and self._between:
            self.parts.append(self._between)
            self._length += 1
        self._between = ""
        self.sources.append(source)
        self.ends.append(end)
        self.starts.append(self._length)
        self.whole.append(len(text) if whole else 0)
        self.parts.append(text)
        self._length += len(text)

    def parse_marked_section(self, i, report=1):
        try:
            return super().parse_marked_section(i, report)
        except AssertionError:  # `<![` with a word that the parser does not know: text like any other.
            return -1

    def handle_starttag(self, tag, attrs):
        if tag == "body" and self._hidden == "head":
            self._hidden, self._depth = "", 0
        if not self._hidden and tag in HIDDEN:
            self._hidden = tag
        self._depth += tag == self._hidden
        self._boundary(tag)

    def handle_startendtag(self, tag, attrs):
        self._boundary(tag)

    def handle_endtag(self, tag):
        if self._hidden and tag == self._hidden:
            self._depth -= 1
            self._hidden = self._hidden if self._depth else ""
        self._boundary(tag)

    def _boundary(self, tag: str) -> None:
        if tag in BLOCKS:
            self._part("\n")
        elif tag in CELLS:
            self._part("\t")

    def handle_data(self, data):
        if self._hidden:
            return
        at, behind = self._at(), 0
        for word in _WORD.finditer(data):
            if word.start() > behind:
                self._part(" ")
            behind = word.end()
            self._add(word[0], at + word.start(), at + behind, whole=False)
        if behind < len(data):
            self._part(" ")

    def handle_entityref(self, name):
        self._entity(1 + len(name))

    def handle_charref(self, name):
        self._entity(2 + len(name))

    def _entity(self, length: int) -> None:
        at = self._at()
        end = at + length + self.html.startswith(";", at + length)
        text = unescape(self.html[at:end])
        if self._hidden:
            return
        if text == self.html[at:end]:
            self._add(text, at, end, whole=False)
        elif text.strip(SPACES):
            self._add(text, at, end, whole=True)
        else:
            self._part(" ")
