"""Progress of a run over a corpus on stderr."""

import sys
import time

from tqdm import tqdm


class Progress:
    """A bar with rate and time left on a terminal; elsewhere a line per shard.

    Args:
        total: Bytes of all files, or rows of a data set.
    """

    def __init__(self, total: int):
        self.total, self.records, self.errors = total, 0, 0
        self._started: float | None = None
        self._positions: dict[str, int] = {}
        self._skipped = 0
        self._bar = tqdm(
            total=total, disable=None, file=sys.stderr, bar_format="{desc}{percentage:3.0f}%|{bar}| {postfix}"
        )

    def skip(self, source: str, position: int) -> None:
        """Count a shard that an earlier run has written."""
        before = self._done
        self._positions[source] = max(position, self._positions.get(source, 0))
        self._skipped += self._done - before
        self._show()

    def advance(self, records: int) -> None:
        """Count records of a shard that is being predicted; the first call starts the clock."""
        self._started = self._started or time.monotonic()
        self.records += records
        self._show()

    def finish(self, entry: dict, source: str, position: int) -> None:
        """Count a complete shard, and print its line where there is no bar."""
        self.errors += entry["errors"]
        self._positions[source] = max(position, self._positions.get(source, 0))
        self._show()
        if self._bar.disable:
            counts = f"{entry['records']:,} records, {entry['errors']:,} errors"
            print(f"{entry['file']:<28}{counts}, {self._rates()}", file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        tqdm.write(line, file=sys.stderr)

    def close(self) -> None:
        """Finish the bar."""
        self._bar.close()

    @property
    def _done(self) -> int:
        return sum(self._positions.values())

    def _show(self) -> None:
        if not self._bar.disable:
            self._bar.n = min(self._done, self.total)
            self._bar.set_postfix_str(f"{self.records:,} records, {self.errors:,} errors, {self._rates()}")

    def _rates(self) -> str:
        if self._started is None:
            return "loading the model"
        seconds = max(time.monotonic() - self._started, 1e-9)
        new = self._done - self._skipped
        left = "?" if not new else tqdm.format_interval(seconds / new * max(self.total - self._done, 0))
        return f"{self.records / seconds:,.1f} records/s, {left} left"
