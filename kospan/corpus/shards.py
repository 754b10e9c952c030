"""Shards of a corpus: consecutive records of one source that are predicted, written and repeated together."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from kospan.corpus.records import Raw
from kospan.corpus.sources import Source

# A shard is held in memory before it is predicted; one of long texts ends early.
MAX_SHARD_BYTES = 64 * 2**20


class Shard(NamedTuple):
    """Consecutive records of one source.

    Args:
        name: Its name, which is the beginning of the names of its files.
        source: The source.
        records: Its records, also the unreadable ones.
        input_sha256: Checksum of the records.
    """

    name: str
    source: Source
    records: list[Raw]
    input_sha256: str

    @property
    def position(self) -> int:
        """Bytes of the file, or rows of the data set, up to the end of the shard."""
        return self.records[-1].position


def shard_name(source: int, shard: int) -> str:
    """Return the name of a shard by the number of its source and its own number in the source, both from 0.

    >>> shard_name(0, 12)
    'part-00000-00012'
    """
    return f"part-{source:05d}-{shard:05d}"


def shards_of(at: int, source: Source, read: Callable[[Source], Iterator[Raw]], shard_size: int) -> Iterator[Shard]:
    """Cut the records of a source into shards.

    Args:
        at: Number of the source.
        source: The source.
        read: Yields its records.
        shard_size: Records of a shard; one whose records exceed `MAX_SHARD_BYTES` ends there.
    """
    records: list[Raw] = []
    digest, size, count = hashlib.sha256(), 0, 0
    for raw in read(source):
        records.append(raw)
        digest.update(raw.digested())
        size += raw.size
        if len(records) == shard_size or size > MAX_SHARD_BYTES:
            yield Shard(shard_name(at, count), source, records, digest.hexdigest())
            records, digest, size, count = [], hashlib.sha256(), 0, count + 1
    if records:
        yield Shard(shard_name(at, count), source, records, digest.hexdigest())


def is_written(shard: Shard, entries: Mapping[str, Mapping]) -> bool:
    """Return whether a shard is among the entries of an earlier run.

    Raises:
        ValueError: If its records have changed.
    """
    entry = entries.get(shard.name)
    if entry is not None and entry["input_sha256"] != shard.input_sha256:
        place = shard.source.place(shard.records[0].at)
        raise ValueError(
            f"{place}: expected the records that {entry['file']} was predicted from, got others; start over with "
            "--overwrite, or restore the file"
        )
    return entry is not None
