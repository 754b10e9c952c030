"""`kospan pseudo-label`: label texts by a model where it is certain, for self-training."""

from kospan.cli.reading import add_data, add_texts, data_settings, texts_of


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "pseudo-label", help="label texts by a model where it is certain, for self-training (extra_train_file)"
    )
    parser.add_argument("model", help="folder or Hub name of a token classification model")
    add_texts(parser)
    add_data(parser)
    parser.add_argument("--output", required=True, help="file for the JSON Lines")
    parser.add_argument(
        "--precision",
        type=float,
        default=0.95,
        help="share of right spans above the threshold of each label, on --data (default: 0.95)",
    )
    parser.add_argument(
        "--doubt",
        type=float,
        default=0.1,
        help="leave out texts with another span of at least this posterior beside the predicted ones; 1 turns it off "
        "(default: 0.1)",
    )
    parser.add_argument("--max_texts", type=int, help="number of labelled texts, a random part (default: all)")
    parser.add_argument("--with_spans", action="store_true", help="leave out texts without any span")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random part (default: 0)")
    parser.add_argument("--batch_size", type=int, default=32, help="windows per batch (default: 32)")
    parser.set_defaults(run=run)


def run(arguments) -> None:
    """Write the texts and print how many there are."""
    from collections import Counter

    from rich.console import Console

    from kospan.api import open_labelled, task_over
    from kospan.data.jsonl import write_jsonl
    from kospan.evaluation.summary import print_table
    from kospan.pseudo_labels import Certainty, fit_thresholds, pseudo_labelled
    from kospan.training.saving import check_output

    check_output(arguments.output, inputs=[*arguments.files, arguments.data])
    if arguments.max_texts is not None and arguments.max_texts < 1:
        raise ValueError(f"expected --max_texts of 1 or more, got {arguments.max_texts}; remove it to label all")
    task = task_over(arguments.model)
    if not hasattr(task.model, "tag_units"):
        raise ValueError(
            f"expected a token classification model of kospan in {arguments.model}, got another one, whose posteriors "
            "are not exact; train one with task: token-classification"
        )
    labelled = open_labelled(task.model, arguments.data, **data_settings(arguments))
    predictions = labelled.task.predict(labelled.examples, batch_size=arguments.batch_size)
    fitted = fit_thresholds(labelled.examples, predictions, task.labels, arguments.precision)
    thresholds = {label: each.threshold for label, each in fitted.items() if each.threshold is not None}
    texts = texts_of(arguments, task)
    rules = Certainty(thresholds, arguments.doubt)
    settings = {name: getattr(arguments, name) for name in ("seed", "batch_size", "with_spans")}
    found = list(pseudo_labelled(task.model, texts, rules, arguments.max_texts, **settings))
    if not found:
        raise ValueError(
            f"expected texts of which the model is certain, got none of {len(texts):,}; lower --precision, or raise "
            "--doubt"
        )
    write_jsonl(arguments.output, found)
    counts = Counter(span.label for example in found for span in example.spans)
    rows = [[label, *each, counts[label]] for label, each in fitted.items()]
    print_table(
        Console(width=120),
        f"thresholds for precision {arguments.precision:g} on {len(labelled.examples):,} labelled texts",
        ["", "threshold", "predicted", "kept", "precision", "pseudo-labels"],
        rows,
    )
    print(f"{len(found):,} of {len(texts):,} texts, {counts.total():,} spans -> {arguments.output}")
