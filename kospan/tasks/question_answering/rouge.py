"""ROUGE-W as the KLUE benchmark computes it for KLUE-MRC (Park et al. 2021).

In spite of its name the metric is simple: F1 of the longest run of characters that both answers contain without a
gap ("longest common consecutive subsequence"), with equal weight on precision and recall (beta = 1). There is no weight
such as the 1.2 of Lin (2004), and no subsequence with gaps. Spaces count as characters.
"""

from difflib import SequenceMatcher


def klue_rouge_w(predicted: str, gold: str) -> float:
    """F1 of the longest common run of characters; 1.0 if both are empty, 0.0 if one is.

    The run is found as in the benchmark's own code, by `difflib.SequenceMatcher` with its defaults. In a gold
    answer of 200 characters and more it starts no run at a character that makes up more than a hundredth of the answer,
    so the run may then be shorter than the longest.

    Args:
        predicted: The answer, normalised.
        gold: The right answer, normalised.

    >>> klue_rouge_w("서울특별시", "서울시"), klue_rouge_w("서울 시청", "시청"), klue_rouge_w("", "")
    (0.5, 0.5714285714285714, 1.0)
    """
    if not predicted or not gold:
        return float(predicted == gold)
    run = SequenceMatcher(None, predicted, gold).find_longest_match().size
    return 2 * run / (len(predicted) + len(gold))
