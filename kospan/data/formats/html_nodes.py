"""HTML as displayed to annotators, and the text nodes whose characters their tools count."""

from html.parser import HTMLParser

from kospan.data.html_text import BLOCKS, CELLS, HIDDEN, SPACES


class HtmlNodes:
    r"""Text nodes of a body as a browser holds them, and a text with line ends between blocks.

    Args:
        html: A page, or a part of one.

    Attributes:
        counted: The text nodes one behind the other, white space kept, a <br> as a line end; offsets count these.
        text: The same with a line end between blocks that no white space parts.

    >>> page = HtmlNodes("<p>A &amp; <b>B</b></p><p>C<br>D</p>")
    >>> page.counted, page.text
    ('A & BC\nD', 'A & B\nC\nD')
    >>> page.span(5, 6)
    (6, 7)
    """

    def __init__(self, html: str):
        # Browsers know no other line end.
        collector = _NodeCollector(html.replace("\r\n", "\n").replace("\r", "\n"))
        counted = "".join(collector.parts)
        # In front of the body's first content they drop white space where no <body> tag has begun it.
        dropped = 0 if collector.has_body else len(counted) - len(counted.lstrip(SPACES))
        self.counted = counted[dropped:]
        borders = {at - dropped for at in collector.borders}
        parts: list[str] = []
        self._places: list[int] = []
        for at, character in enumerate(self.counted):
            if at in borders and at and not (self.counted[at - 1].isspace() or character.isspace()):
                parts.append("\n")
            self._places.append(len(parts))
            parts.append(character)
        self.text = "".join(parts)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Map a non-empty stretch of `counted` to `text`."""
        return self._places[start], self._places[end - 1] + 1


class _NodeCollector(HTMLParser):
    """Parser that collects text nodes and the positions of block boundaries."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.borders: set[int] = set()
        self.has_body = False
        self._length = 0
        self._hidden = ""
        try:
            self.feed(html)
            self.close()
        except AssertionError:  # `<![` with a word that the parser does not know.
            self.parts, self.borders = [html], set()

    def _add(self, text: str) -> None:
        if not self._hidden:
            self.parts.append(text)
            self._length += len(text)

    def _border(self, tag: str) -> None:
        if tag in BLOCKS or tag in CELLS:
            self.borders.add(self._length)

    def handle_starttag(self, tag, attrs):
        if tag == "body":
            self.has_body, self.parts, self.borders, self._length, self._hidden = True, [], set(), 0, ""
        elif tag == "br":
            self._add("\n")
        elif tag in HIDDEN and not self._hidden:
            self._hidden = tag
        self._border(tag)

    def handle_endtag(self, tag):
        if tag == self._hidden:
            self._hidden = ""
        self._border(tag)

    def handle_data(self, data):
        self._add(data)
