"""Cutting of sources into shards."""

from hypothesis import given
from hypothesis import strategies as st

from kospan.corpus import shards
from kospan.corpus.records import Raw
from kospan.corpus.shards import shard_name, shards_of
from kospan.corpus.sources import Source

SOURCE = Source("a.jsonl", "jsonl", "a", 100)


def cut(values: list[bytes], size: int) -> list[shards.Shard]:
    raws = [Raw(at, value, None, at) for at, value in enumerate(values, 1)]
    return list(shards_of(3, SOURCE, lambda source: iter(raws), size))


@given(st.lists(st.binary(max_size=4), max_size=30), st.integers(1, 8))
def test_shards_hold_every_record_once_and_in_order(values, size):
    found = cut(values, size)
    assert [raw.value for shard in found for raw in shard.records] == values
    assert all(len(shard.records) == size for shard in found[:-1])
    assert [shard.name for shard in found] == [f"part-00003-{at:05d}" for at in range(len(found))]
    assert [shard.position for shard in found] == [shard.records[-1].at for shard in found]


@given(st.lists(st.binary(max_size=3), min_size=1, max_size=6), st.lists(st.binary(max_size=3), min_size=1, max_size=6))
def test_checksum_tells_records_apart(one, other):
    digests = [cut(values, 100)[0].input_sha256 for values in (one, other)]
    joined = [b"\n".join(values) for values in (one, other)]
    assert (digests[0] == digests[1]) == (joined[0] == joined[1])


def test_checksum_covers_values_of_rows_and_errors():
    kinds = [
        Raw(0, {"text": "a"}, None, 1),
        Raw(0, {"text": "b"}, None, 1),
        Raw(0, None, "bad", 1),
        Raw(1, None, "bad", 1),
    ]
    digests = {next(shards_of(0, SOURCE, lambda source, raw=raw: iter([raw]), 9)).input_sha256 for raw in kinds}
    assert len(digests) == 4


def test_shard_of_long_texts_ends_early(monkeypatch):
    monkeypatch.setattr(shards, "MAX_SHARD_BYTES", 10)
    assert [len(shard.records) for shard in cut([b"12345678"] * 3 + [b"1"] * 3, 100)] == [2, 4]


def test_names_sort_in_the_order_of_the_corpus():
    names = [shard_name(source, shard) for source in (0, 1, 10, 99_999) for shard in (0, 2, 11, 99_999)]
    assert names == sorted(names)
