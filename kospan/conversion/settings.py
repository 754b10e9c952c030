"""Settings of a conversion to BigBird."""

import math
from dataclasses import dataclass

from kospan.conversion.segments import NOISE, SEGMENTS
from kospan.conversion.taper import SCHEDULE, TAU, check_schedule


@dataclass(frozen=True)
class Settings:
    """Settings of a conversion to BigBird.

    Args:
        max_length: Positions of the BigBird, special tokens included; that of the source or more. Above `full_up_to` it
            is rounded up to whole blocks, see `positions`.
        schedule: TAPER's decay schedule, a name of `taper.SCHEDULES`; "none" repeats positions at full strength.
        tau: Parameter of the schedule: a larger tau weakens repetitions more slowly.
        block_size: Positions of a block of sparse attention.
        random_blocks: r, the blocks that a row sees beside its neighbours and the ends; 0 turns them off, which stock
            transformers allows only with full attention, so up to `full_up_to`.
        segments: The second text's row, a name of `segments.SEGMENTS`; None is "own" where the source has a second row
            and "copied" where it has none.
        segment_noise: Standard deviation of the noise of "noised", in those of the row's values.
        seed: Of that noise.
    """

    max_length: int = 4096
    schedule: str = SCHEDULE
    tau: float = TAU
    block_size: int = 64
    random_blocks: int = 3
    segments: str | None = None
    segment_noise: float = NOISE
    seed: int = 0

    def __post_init__(self):
        check_schedule(self.schedule, self.tau)
        for name, least in (("max_length", 1), ("block_size", 1), ("random_blocks", 0), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"expected {name} to be a whole number, got {value!r}; correct it")
            if value < least:
                raise ValueError(f"expected {name} of {least} or more, got {value}; correct it")
        if self.segments is not None and self.segments not in SEGMENTS:
            raise ValueError(
                f"expected segments to be one of {', '.join(SEGMENTS)}, got {self.segments!r}; choose one of them"
            )
        if not (math.isfinite(self.segment_noise) and self.segment_noise >= 0):
            raise ValueError(f"expected segment_noise of 0 or more, got {self.segment_noise}; {NOISE} is the default")

        if not self.random_blocks and self.max_length > self.full_up_to:
            raise ValueError(
                f"expected random_blocks of 1 or more for a max_length above {self.full_up_to}, got 0, with which "
                f"stock transformers fails there; set 1, or a max_length of {self.full_up_to} or less"
            )

    @property
    def positions(self) -> int:
        """Rows of the position table: `max_length`, above `full_up_to` rounded up to whole blocks.

        Sparse attention pads an input to whole blocks, and a stock BigBird looks up positions for the padding too.

        >>> [Settings(max_length=length).positions for length in (700, 704, 705, 1000, 1024)]
        [700, 704, 768, 1024, 1024]
        """
        if self.max_length <= self.full_up_to:
            return self.max_length
        return -(-self.max_length // self.block_size) * self.block_size

    @property
    def full_up_to(self) -> int:
        """Positions up to which a stock BigBird can only attend to everything."""
        return (5 + 2 * self.random_blocks) * self.block_size
