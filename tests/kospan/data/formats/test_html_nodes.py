import pytest

from kospan.data.formats.html_nodes import shown_text


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
    assert shown_text(html) == text
