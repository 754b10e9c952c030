"""Progress of a run."""

import io
import sys

import pytest

from kospan.corpus import progress
from kospan.corpus.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that the test sets."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_line_of_a_shard_has_counts_rate_and_time_left(clock, capsys):
    bar = Progress(1000)
    bar.skip("a", 200)
    bar.advance(0)
    clock[0] += 10
    bar.advance(50)
    bar.finish({"file": "part-00000-00001.jsonl", "records": 48, "errors": 2}, "a", 400)
    bar.close()
    # 200 of 1000 bytes in 10 seconds, 600 are left.
    expected = "part-00000-00001.jsonl      48 records, 2 errors, 5.0 records/s, 00:30 left\n"
    assert capsys.readouterr().err == expected


def test_terminal_shows_a_bar(clock, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    bar = Progress(1000)
    bar.advance(0)
    clock[0] += 1
    bar.advance(1000)
    bar.finish({"file": "part-00000-00000.jsonl", "records": 1000, "errors": 0}, "a", 500)
    bar.close()
    assert (
        " 50%|" in terminal.getvalue()
        and "1,000 records, 0 errors, 1,000.0 records/s, 00:01 left" in terminal.getvalue()
    )
    assert "part-" not in terminal.getvalue()
