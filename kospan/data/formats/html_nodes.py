"""The text nodes of HTML, which offsets of HTML annotation tools count."""

from html.parser import HTMLParser

# Elements whose text is not part of the body.
HIDDEN = ("head", "script", "style", "template", "iframe")
# What HTML takes for a space.
SPACES = " \t\n\r\f"


def shown_text(html: str) -> str:
    """The text of the body's text nodes as a browser holds them: white space is kept, a <br> is a line end.

    >>> shown_text("<p>A &amp; <b>B</b></p>\\r\\n<p>C<br>D</p>")
    'A & B\\nC\\nD'
    """
    # Browsers know no other line end.
    walk = _Walk(html.replace("\r\n", "\n").replace("\r", "\n"))
    text = "".join(walk.parts)
    # In front of the body's first content they drop white space where no <body> tag has begun it.
    return text if walk.has_body else text.lstrip(SPACES)


class _Walk(HTMLParser):
    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.has_body = False
        self._hidden = ""
        try:
            self.feed(html)
            self.close()
        except AssertionError:  # `<![` with a word that the parser does not know.
            self.parts = [html]

    def handle_starttag(self, tag, attrs):
        if tag == "body":
            self.has_body, self.parts, self._hidden = True, [], ""
        elif tag == "br" and not self._hidden:
            self.parts.append("\n")
        elif tag in HIDDEN and not self._hidden:
            self._hidden = tag

    def handle_endtag(self, tag):
        if tag == self._hidden:
            self._hidden = ""

    def handle_data(self, data):
        if not self._hidden:
            self.parts.append(data)
