import pytest

from kospan.data.formats.html_nodes import HtmlNodes


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("서울에 <b>비</b>가 온다", "서울에 비가 온다"),
        ("a < b &lt; c &amp; d&nbsp;e", "a < b < c & d\u00a0e"),
        ("\n  <h1>제목</h1>\r\n  <p>글</p>\n", "제목\n  글\n"),
        ("<html><head><title>t</title></head><body>\n <p>글</p></body></html>", "\n 글"),
        ("가<br>나<br/>다", "가\n나\n다"),
        ("<style>p { }</style>가<script>x < 1</script><!-- c -->나", "가나"),
        ("<![odd[ 가", "<![odd[ 가"),
        ("", ""),
    ],
)
def test_text_nodes_as_browsers_hold_them(html, text):
    assert HtmlNodes(html).counted == text


def test_blocks_do_not_run_together():
    lists = "<ul><li>하나<li>둘</ul><table><td>1<td>2</table>끝"
    page = HtmlNodes(f"<h1>비 소식</h1><p>대구에 <b>비</b>가<br>온다.</p> {lists}")
    assert page.counted == "비 소식대구에 비가\n온다. 하나둘12끝"
    assert page.text == "비 소식\n대구에 비가\n온다. 하나\n둘\n1\n2\n끝"
    for surface in ("비 소식", "대구에", "온다.", "둘", "2", "끝"):
        at = page.counted.index(surface)
        start, end = page.span(at, at + len(surface))
        assert page.text[start:end] == surface
    assert page.text[slice(*page.span(3, 7))] == "식\n대구에"
