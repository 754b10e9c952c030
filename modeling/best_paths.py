"""Best and k best tag paths of a linear chain, in NumPy.

On a CPU the many small steps of Viterbi's recursion cost less in NumPy than in torch, so tensors are converted once.
Forbidden scores are -inf. Rows are padded on the right; the padding must be finite.
"""

import numpy as np

# Up to this many rows a copy of the transitions for each row makes the sums of a step one run through memory.
NARROW_BATCH = 16
# Above this a float32 score has steps of 0.001 nats and more, and Viterbi runs in float64.
LARGEST_FLOAT32_SCORE = 2.0**14


def best_paths(
    emissions: np.ndarray, lengths: np.ndarray, first: np.ndarray, transitions: np.ndarray, last: np.ndarray
) -> tuple[list[list[int]], np.ndarray]:
    """Return the best path of each row (Viterbi, 1967); ties go to the lowest tags, compared from the end.

    The sums run in the order `(score + transition) + emission`, in the type of the arrays, as in pytorch-crf, so that
    rounding breaks near-ties in the same way.

    Args:
        emissions: Tag scores `(length, batch, tags)`.
        lengths: Units per row `(batch,)`.
        first: Scores of a row's first tag `(batch, tags)`.
        transitions: Scores from tag to tag `(tags, tags)`.
        last: Scores of a row's last tag `(batch, tags)`.

    Returns:
        The paths, and their scores `(batch,)`, -inf where a row has no allowed path and 0 where it is empty.

    >>> paths, scores = best_paths(np.array([[[1.0, 0.0]], [[0.0, 0.5]]]), np.array([2]), np.zeros((1, 2)),
    ...                            np.array([[0.0, -2.0], [0.0, 0.0]]), np.zeros((1, 2)))
    >>> paths, scores
    ([[0, 0]], array([1.]))
    """
    length, batch, tags = emissions.shape
    if not length or not batch:
        return [[] for _ in range(batch)], np.zeros(batch)
    # Longest rows first: the rows that are still open at a position are then a prefix, and no step needs a mask.
    order = np.argsort(-lengths, kind="stable")
    lengths, first, last, emissions = lengths[order], first[order], last[order], emissions[:, order]
    # shape: (length, tags, batch); the batch comes last because a maximum over a short last dimension is slow.
    by_tag = np.ascontiguousarray(emissions.transpose(0, 2, 1))
    scores = np.empty_like(by_tag)
    np.add(first.T, by_tag[0], out=scores[0])
    # shape: (tags, tags, batch), from tag, to tag
    candidates = np.empty((tags, tags, batch), dtype=by_tag.dtype)
    steps = np.ascontiguousarray(transitions[:, :, None])
    if batch <= NARROW_BATCH:
        steps = np.ascontiguousarray(np.broadcast_to(steps, candidates.shape))
    add, highest = np.add, np.maximum.reduce
    # Views are made before the loop: with three small operations per unit, indexing would take a third of the time.
    for before, here, emission in zip(scores[:-1, :, None, :], scores[1:], by_tag[1:]):
        add(before, steps, candidates)
        highest(candidates, 0, None, here)
        add(here, emission, here)

    # shape: (length, batch, tags)
    scores = np.ascontiguousarray(scores.transpose(0, 2, 1))
    rows = np.arange(batch)
    ends = scores[np.maximum(lengths - 1, 0), rows] + last
    tag = ends.argmax(axis=1)
    best = np.where(lengths > 0, ends[rows, tag], 0.0)

    # Backtracking computes the winning predecessor for the tags on the path only; storing all of them costs more.
    paths = np.empty((length, batch), dtype=np.intp)
    flat = emissions.reshape(length, batch * tags, 1)
    into = np.ascontiguousarray(transitions.T)
    offsets = rows * tags
    still_open = np.searchsorted(-lengths, -np.arange(length), side="left").tolist()
    paths[length - 1] = tag
    for before, emission, count, path in zip(scores[-2::-1], flat[:0:-1], still_open[:0:-1], paths[-2::-1]):
        if count == batch:
            options = into.take(tag, 0)
            options += before
            options += emission.take(tag + offsets, 0)
            options.argmax(1, tag)
        elif count:
            reached = tag[:count]
            options = into.take(reached, 0)
            options += before[:count]
            options += emission.take(reached + offsets[:count], 0)
            options.argmax(1, reached)
        path[:] = tag

    found: list[list[int]] = [[] for _ in range(batch)]
    for row, path, count in zip(order.tolist(), paths.T.tolist(), lengths.tolist(), strict=True):
        found[row] = path[:count]
    unsorted = np.empty(batch, dtype=best.dtype)
    unsorted[order] = best
    return found, unsorted


def k_best_paths(
    emissions: np.ndarray, lengths: np.ndarray, first: np.ndarray, transitions: np.ndarray, last: np.ndarray, k: int
) -> list[list[tuple[list[int], float]]]:
    """Return the k best paths of each row, best first; fewer if a row has fewer allowed ones.

    List Viterbi (Seshadri & Sundberg, 1994): each tag at each position keeps its k best ways there.

    Args:
        emissions: Tag scores `(length, batch, tags)`.
        lengths: Units per row `(batch,)`.
        first: Scores of a row's first tag `(batch, tags)`.
        transitions: Scores from tag to tag `(tags, tags)`.
        last: Scores of a row's last tag `(batch, tags)`.
        k: Maximum number of paths per row.

    Returns:
        Per row its paths with their scores. An empty row has none.

    >>> k_best_paths(np.array([[[1.0, 0.0]]]), np.array([1]), np.zeros((1, 2)), np.zeros((2, 2)), np.zeros((1, 2)), 5)
    [[([0], 1.0), ([1], 0.0)]]
    """
    length, batch, tags = emissions.shape
    if not length or not batch:
        return [[] for _ in range(batch)]
    # shape: (batch, tags, k); a tag has one way into the first position, and none in its other places
    scores = np.full((batch, tags, k), -np.inf)
    scores[:, :, 0] = first + emissions[0]
    history, finals = [], np.full((batch, tags, k), -np.inf)
    finals[lengths == 1] = scores[lengths == 1]
    for at in range(1, length):
        # shape: (batch, tags, tags * k), to tag, from tag and rank
        ways = (scores[:, None, :, :] + transitions.T[None, :, :, None]).reshape(batch, tags, tags * k)
        scores, came_from = _highest(ways, k)
        scores += emissions[at][:, :, None]
        history.append(came_from)
        ended = lengths == at + 1
        finals[ended] = scores[ended]
    # shape: (batch, k)
    totals, places = _highest((finals + last[:, :, None]).reshape(batch, tags * k), k)

    found: list[list[tuple[list[int], float]]] = []
    for row, count in enumerate(lengths.tolist()):
        ranked = []
        for total, place in zip(totals[row].tolist(), places[row].tolist(), strict=True):
            if total == -np.inf or count == 0:
                break
            tag, rank = divmod(place, k)
            path = [tag]
            for came_from in reversed(history[: count - 1]):
                tag, rank = divmod(int(came_from[row, tag, rank]), k)
                path.append(tag)
            ranked.append((path[::-1], total))
        found.append(ranked)
    return found


def _highest(values: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k highest values of the last dimension, highest first, and their places."""
    places = np.argpartition(-values, k - 1, axis=-1)[..., :k]
    # Sorted by place first: a stable sort by value then keeps equal values in the order of their tags.
    places.sort(axis=-1)
    chosen = np.take_along_axis(values, places, axis=-1)
    ranks = np.argsort(-chosen, axis=-1, kind="stable")
    return np.take_along_axis(chosen, ranks, axis=-1), np.take_along_axis(places, ranks, axis=-1)
