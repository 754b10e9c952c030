"""Failed writes for lack of space, as commands report them."""

import errno


def is_full(error: Exception) -> bool:
    """Whether a write failed for lack of space, and the message of the error does not say so yet."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) and "expected" not in str(error)
    if isinstance(error, (ValueError, TypeError, ImportError)):  # Mistakes, which may come before torch is loaded.
        return False
    from kospan.training.saving import is_out_of_space

    return is_out_of_space(error)
