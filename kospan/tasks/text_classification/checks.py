"""Checks of data and model for text classification."""

from collections.abc import Sequence

from kospan.data.corpus import Corpus
from kospan.data.values import value_of
from kospan.example import Example
from kospan.modeling import KospanSequenceClassificationConfig
from kospan.recipe import Recipe
from kospan.task import Task
from kospan.tasks.base import check_labels
from kospan.tasks.text_classification.confidence import pairs_of

# Pairs that are split into windows at a time when they are checked.
PORTION = 1024


def check_corpus(corpus: Corpus, recipe: Recipe) -> None:
    """Check the labels of a corpus, and the settings that do not suit values.

    Raises:
        ValueError: A label is not one over a whole text, or a setting needs classes and the labels are numbers.
    """
    for split, examples in corpus.splits.items():
        for example in examples:
            check_whole(example, f"example {example.id!r} ({split})")
    metric = str(recipe.trainer.get("metric_for_best_model")).removeprefix("eval_")
    if corpus.values and metric == "f1":
        raise ValueError(
            "expected metric_for_best_model to be pearson or spearman, because the labels were read as numbers, got "
            f"{metric!r}; add the line metric_for_best_model: pearson, or problem_type: single_label_classification "
            "for names"
        )
    if corpus.values and recipe.calibration_split:
        raise ValueError(
            "expected no calibration_split, because the labels were read as numbers, which have no probability to "
            f"calibrate, got {recipe.calibration_split!r}; remove it, or set problem_type: "
            "single_label_classification for names"
        )


def check_trainable(
    corpus: Corpus, recipe: Recipe, pairs: bool, config: KospanSequenceClassificationConfig | None
) -> None:
    """Check that a model can be trained on a corpus.

    Args:
        corpus: The data.
        recipe: The recipe.
        pairs: Whether training examples are pairs.
        config: Config of the trained model that is trained further; None for a new model.

    Raises:
        ValueError: Model and data have another `problem_type`; for a new model, the data have a single class, or
            `windowed_field` is set without pairs.
    """
    if config is not None:
        kinds = ("names of classes", "numbers")
        wanted = config.problem_type == "regression"
        if wanted != corpus.values:
            raise ValueError(
                f"expected labels that are {kinds[wanted]} as in the model {recipe.encoder} that is trained further, "
                f"got {kinds[corpus.values]}; set problem_type, or train a new model from an encoder"
            )
        return
    if not corpus.values and len(corpus.labels) < 2:
        raise ValueError(
            f"expected texts of two classes or more to train on, got only {corpus.labels[0]!r}; check the label "
            "column, or set problem_type: regression for numbers"
        )
    if recipe.windowed_field != "text" and not pairs:
        raise ValueError(
            f"expected no windowed_field for single texts, got {recipe.windowed_field!r} although no training example "
            "has a text_pair; remove it, or add the pairs"
        )


def check_examples(task: Task, examples: Sequence[Example], place: str) -> None:
    """Check texts, pairs and labels against the model.

    Raises:
        ValueError: A label is unknown to the model or covers a part of a text, or the second text of a pair is missing,
            not expected, or too long for a window.
    """
    pairs = task.model.config.pairs
    names = [f"example {example.id!r} ({place})" for example in examples]
    for example, name in zip(examples, names):
        if example.question:
            wanted = "the second text under 'text_pair'" if pairs else "a text alone"
            raise ValueError(
                f"{name}: expected {wanted}, got a 'question', which is for task: question-answering; "
                f"{'rename' if pairs else 'remove'} the key"
            )
        if pairs and not example.text_pair.strip():
            raise ValueError(
                f"{name}: expected a text_pair beside the text, because the model reads pairs, got "
                f"{example.text_pair!r}; add it"
            )
        if example.text_pair and not pairs:
            raise ValueError(
                f"{name}: expected a text alone, because the model reads single texts, got a text_pair beside it; "
                "remove it, or train a model on pairs"
            )
        check_whole(example, name)
        if not task.values:
            check_labels(task, [example], place)
        elif example.spans is not None:
            value_of(example.spans[0], name)
    # All pairs are split before the first one is read, so that one that does not fit is an error at once.
    for at in range(0, len(examples) if pairs else 0, PORTION):
        some = examples[at : at + PORTION]
        task.model.passages_of([example.text for example in some], pairs_of(task.model, some), names[at : at + PORTION])


def check_whole(example: Example, name: str) -> None:
    """Check that a labelled text has one label over the whole of it.

    Raises:
        ValueError: It has none, several, or one over a part.
    """
    whole = (0, len(example.text))
    if example.spans is not None and (len(example.spans) != 1 or example.spans[0][:2] != whole):
        got = ", ".join(f"{span.label!r} from {span.start} to {span.end}" for span in example.spans[:3]) or "none"
        raise ValueError(
            f"{name}: expected one label over the whole text (0 to {whole[1]}), got {got}; correct it, or remove the "
            "key spans from an unlabelled text"
        )
