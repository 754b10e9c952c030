"""`kospan train | predict | evaluate | analyze | calibrate | ablate | convert | push`: what the shell does."""

import argparse
import json
import os
import sys
from pathlib import Path

# What shells give for a program that Ctrl-C has ended, and for one whose output nobody reads any more.
INTERRUPTED, UNREAD = 130, 141


def main(words: list[str] | None = None) -> int:
    """Runs one command; a mistake of the user's is one line on stderr and exit status 2."""
    try:
        try:
            return _main(sys.argv[1:] if words is None else words)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # `head` has closed the pipe; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD


def _main(words: list[str]) -> int:
    if words and words[0] in ("train", "ablate"):
        return _guarded({"train": _train, "ablate": _ablate}[words[0]], words[1:])
    parser = _parser()
    arguments = parser.parse_args(words)
    return _guarded(arguments.command, arguments)


def _guarded(command, arguments) -> int:
    """Runs a command; what is left to do after it has checked everything (a callable it gives back) is not guarded.

    Ctrl-C is no mistake of anybody's: a line, and the status that shells give it.
    """
    try:
        rest = command(arguments)
    except BrokenPipeError:
        raise
    except (ValueError, TypeError, OSError, ImportError) as error:
        # Libraries' messages may have several lines; the promise is one.
        print(f"kospan: {' '.join(line.strip() for line in str(error).splitlines())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("kospan: stopped by Ctrl-C; the same command begins again", file=sys.stderr)
        return INTERRUPTED
    return (rest() if rest is not None else None) or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kospan", description="Models that find spans in text, Korean first.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    commands.add_parser("train", help="train as a recipe says; `kospan train --help` lists the settings")

    predict = commands.add_parser("predict", help="write what is found in a file of texts as JSON Lines")
    predict.add_argument("model", help="folder or Hub name of a model")
    predict.add_argument(
        "file", help="texts: JSON Lines (for a reader with questions), or plain text with a document per line"
    )
    predict.add_argument(
        "--dataset", help="the file's format where it is neither of these: a data set's name, such as conll"
    )
    predict.add_argument(
        "--output", default="-", help="where the JSON Lines go, compressed to .gz; - is the screen (default)"
    )
    predict.add_argument("--threshold", type=float, help="leave out spans with a lower score (default: the model's)")
    predict.add_argument("--batch_size", type=int, default=32, help="windows read at once")
    predict.add_argument("--skip_invalid", action="store_true", help="continue without records that cannot be read")
    predict.set_defaults(command=_predict)

    evaluate = commands.add_parser("evaluate", help="score a model on labelled data, and sort its errors")
    evaluate.add_argument("model", help="folder or Hub name of a model of ours, or of a stock token classifier")
    evaluate.add_argument("--data", required=True, help="labelled file, or a split of a set that brings its own data")
    evaluate.add_argument("--dataset", default="jsonl", help="the file's format: a data set's name (default: jsonl)")
    _add_reading(evaluate)
    evaluate.add_argument("--train", help="what the model was trained on, for scores of what was seen and unseen")
    evaluate.add_argument(
        "--aggregation", help="stock models: how subwords become entities: simple (default), first, average, max"
    )
    evaluate.add_argument("--output", help="also write the metrics to this JSON file, the rest under `examination`")
    evaluate.set_defaults(command=_evaluate)

    analyze = commands.add_parser(
        "analyze", help="write a page that shows what a model gets right and what it confuses"
    )
    analyze.add_argument(
        "model", nargs="?", help="folder or Hub name of a model of ours, or of a stock token classifier"
    )
    analyze.add_argument("--tokenizer", help="instead of a model: what this tokenizer does to the texts")
    analyze.add_argument("--data", required=True, help="labelled file, or a split of a set that brings its own data")
    analyze.add_argument("--dataset", default="jsonl", help="the file's format: a data set's name (default: jsonl)")
    _add_reading(analyze)
    analyze.add_argument("--train", help="what the model was trained on, for scores of what was seen and unseen")
    analyze.add_argument("--aggregation", help="stock models: simple (default), first, average, max")
    analyze.add_argument(
        "--attention",
        nargs="?",
        const="",
        metavar="SENTENCE",
        help="also show where the model looks in a sentence, or for a question of the data (default: one of the data), "
        "and test what that is worth",
    )
    analyze.add_argument("--output", help="folder of the report (default: MODEL/report, else report)")
    analyze.set_defaults(command=_analyze)

    benchmark = commands.add_parser("benchmark", help="measure how fast a model reads, and in how much memory")
    benchmark.add_argument("model", help="folder or Hub name of a model of ours, or of a stock token classifier")
    benchmark.add_argument(
        "--data",
        help="texts: JSON Lines (with questions for a reader), or a document per line (default: the shipped sample)",
    )
    benchmark.add_argument("--lengths", type=int, nargs="+", help="characters of a text (default: 32 128 512)")
    benchmark.add_argument("--batches", type=int, nargs="+", help="texts in a call (default: 1 8 32)")
    benchmark.add_argument("--calls", type=int, default=10, help="calls of each setting (default: 10)")
    benchmark.add_argument("--output", help="folder for speed.json and speed.png")
    benchmark.set_defaults(command=_benchmark)

    calibrate = commands.add_parser("calibrate", help="fit a saved model's confidence to labelled data")
    calibrate.add_argument("folder", metavar="MODEL", help="folder of a model, as a run leaves it")
    calibrate.add_argument("--data", required=True, help="labelled texts, neither trained on nor scored: file or split")
    calibrate.add_argument("--dataset", default="jsonl", help="the file's format: a data set's name (default: jsonl)")
    calibrate.add_argument(
        "--report", help="labelled texts to show confidence before and after on (default: every other one of --data)"
    )
    calibrate.add_argument(
        "--precision",
        type=float,
        help="also choose the threshold at which this share of what is kept is right (a reader keeps it in its config)",
    )
    _add_reading(calibrate)
    calibrate.set_defaults(command=_calibrate)

    ablate = commands.add_parser(
        "ablate", help="run the variants of a study with their seeds; `kospan ablate --help` lists its flags"
    )
    ablate.add_argument("study", help="the study file")
    ablate.add_argument("flags", nargs=argparse.REMAINDER, help="flags of the command, and settings of every run")

    convert = commands.add_parser("convert", help="change the form of data or of an encoder").add_subparsers(
        required=True, metavar="WHAT"
    )
    data = convert.add_parser("data", help="annotations of another tool <-> JSON Lines")
    data.add_argument("file", help="file or folder to read")
    data.add_argument("output", help="file or folder to write")
    formats = "jsonl (default), doccano, label-studio, brat, prodigy"
    data.add_argument("--from", dest="from_format", default="jsonl", help=formats)
    data.add_argument("--to", dest="to_format", default="jsonl", help=formats)
    data.add_argument(
        "--offsets",
        choices=("characters", "utf16", "graphemes"),
        help="what the offsets of the other tool's file count (default: read what is possible if all possible counts "
        "give the same spans, write what the tool itself counts)",
    )
    data.add_argument(
        "--model_version", default="kospan", help="model's name beside predictions in Label Studio (default: kospan)"
    )
    data.set_defaults(command=_convert_data)
    bigbird = convert.add_parser("bigbird", help="a BERT-class encoder -> a BigBird that reads more, without training")
    bigbird.add_argument("source", help="encoder: Hub name, folder, or package:NAME/FOLDER")
    bigbird.add_argument("output", metavar="OUT", help="folder to make")
    bigbird.add_argument(
        "--max_length", type=int, default=4096, help="positions it reads, rounded up to whole blocks (default: 4096)"
    )
    bigbird.add_argument(
        "--schedule", default="exp", help="decay schedule of repeated positions: exp (default), power, geometric, none"
    )
    bigbird.add_argument("--tau", type=float, default=2.0, help="parameter of the schedule (default: 2.0)")
    bigbird.add_argument("--block_size", type=int, default=64, help="positions of an attention block (default: 64)")
    bigbird.add_argument("--random_blocks", type=int, default=3, help="random blocks that a row sees (default: 3)")
    rows = "the second text's row: own (default where the source has one), copied (default elsewhere), noised, absent"
    bigbird.add_argument("--segments", help=rows)
    bigbird.add_argument(
        "--segment_noise", type=float, default=0.02, help="noise of `noised`, in the row's deviations (default: 0.02)"
    )
    bigbird.add_argument("--seed", type=int, default=0, help="seed of that noise (default: 0)")
    bigbird.add_argument("--overwrite", action="store_true", help="replace the model in OUT")
    bigbird.set_defaults(command=_convert_bigbird)
    back = convert.add_parser("back", help="a conversion -> the encoder it came from, bit for bit")
    back.add_argument("folder", help="what `kospan convert bigbird` has written")
    back.add_argument("output", metavar="OUT", help="folder to make")
    back.add_argument("--overwrite", action="store_true", help="replace the model in OUT")
    back.set_defaults(command=_convert_back)
    merge = convert.add_parser("merge", help="an adapter of a writer and its base -> a language model without adapter")
    merge.add_argument("adapter", help="folder or Hub name of the adapter")
    merge.add_argument("output", metavar="OUT", help="folder to make")
    merge.add_argument("--base", help="where the base model lies (default: where the adapter says)")
    merge.add_argument("--overwrite", action="store_true", help="replace the model in OUT")
    merge.set_defaults(command=_convert_merge)

    push = commands.add_parser("push", help="publish what a run has left on the Hub, checked as a stranger loads it")
    push.add_argument("folder", metavar="OUTPUT_DIR", help="what a run has left")
    push.add_argument("--repo_id", required=True, help="user/name on the Hub; it is made if it is not there")
    push.add_argument("--private", action="store_true", help="make a new repository private")
    push.add_argument("--revision", help="branch to push to, made if it is not there (default: main)")
    push.add_argument("--create_pr", action="store_true", help="propose it as a pull request")
    push.add_argument("--space", help="user/name of a Gradio Space that serves the model; pushed after it")
    push.add_argument("--commit_message", help="first line of the commit (default: Release and the folder's name)")
    push.add_argument(
        "--predictions",
        action="store_true",
        help="also publish predictions.jsonl, which holds the validation texts: only where their licence allows it",
    )
    push.add_argument("--token", help="access token (default: HF_TOKEN or `hf auth login`)")
    push.add_argument(
        "--dry_run",
        nargs="?",
        const=True,
        metavar="FOLDER",
        help="send nothing; write it all to a folder (default: OUTPUT_DIR/release) and list it",
    )
    push.set_defaults(command=_push)
    return parser


def _add_reading(parser: argparse.ArgumentParser) -> None:
    """Adds how labelled data are read, the flags that a recipe has too."""
    parser.add_argument("--overlaps", default="error", choices=("error", "longest"), help="overlapping gold spans")
    parser.add_argument(
        "--quoting",
        default="auto",
        choices=("auto", "minimal", "none"),
        help="CSV and TSV: whether quotation marks quote fields (minimal) or are text (none)",
    )
    parser.add_argument("--token_column", help="columns: the tokens' column, a number from 0 or a name")
    parser.add_argument("--tag_column", help="columns: the tags' column, in the same way")
    parser.add_argument("--skip_invalid", action="store_true", help="continue without records that cannot be read")


def _read_split(arguments, path: str, whole_texts: bool = False):
    """The labelled examples of a file or split as the flags ask, and how to read on; what is missing is printed."""
    from kospan.data.corpus import read_split
    from kospan.data.records import ReadOptions, ReadSession

    options = ReadOptions(arguments.quoting, arguments.token_column, arguments.tag_column, arguments.skip_invalid)
    split = read_split(arguments.dataset, path, arguments.overlaps, options, labelled=True, whole_texts=whole_texts)
    print("".join(line + "\n" for line in split.issues.lines(path)), end="")
    return split, ReadSession(options, collect=True)


def _train(words: list[str]):
    from kospan.flags import from_command_line

    recipe = from_command_line(words)
    if recipe is None:
        return None
    from safetensors import SafetensorError

    from kospan.run import prepare, train
    from kospan.training.saving import is_out_of_space

    prepared = prepare(recipe)

    def rest() -> int:
        try:
            train(*prepared)
        except ConnectionError as error:  # A push that did not arrive; the run itself is done.
            print(f"kospan: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(
                "kospan: stopped by Ctrl-C; pass --resume_from_checkpoint to go on from the last checkpoint in "
                f"{recipe.output_dir}, if there is one, or --overwrite_output_dir to start again",
                file=sys.stderr,
            )
            return INTERRUPTED
        except (OSError, RuntimeError, SafetensorError) as error:
            if not is_out_of_space(error):
                raise
            print(
                f"kospan: expected room on the disk of {recipe.output_dir}, got none while saving; free some, then "
                "pass --resume_from_checkpoint to go on from its last whole checkpoint, or --overwrite_output_dir "
                "to start again",
                file=sys.stderr,
            )
            return 1
        return 0

    return rest


def _ablate(words: list[str]):
    from kospan.ablation.command import ablate

    return ablate(words)


def _predict(arguments) -> None:
    from kospan.data.corpus import read_split
    from kospan.data.jsonl import record
    from kospan.data.records import ReadOptions, ReadSession
    from kospan.data.text import write_text
    from kospan.data.texts import read_texts
    from kospan.tasks.loading import open_saved, readable
    from kospan.training.saving import check_output

    if arguments.output != "-":
        check_output(arguments.output)
    reading = ReadSession(ReadOptions(skip_invalid=arguments.skip_invalid), collect=True)
    if arguments.dataset is None:
        examples = read_texts(arguments.file, reading)
    else:
        # Gold spans are neither used nor written.
        examples, missing = read_split(arguments.dataset, arguments.file, "longest", reading.options, whole_texts=True)
        sys.stderr.writelines(line + "\n" for line in missing.lines(arguments.file))
    task = open_saved(arguments.model)
    examples = readable(task, examples, arguments.file, reading)
    found = task.find(task.model, examples, arguments.threshold, arguments.batch_size)
    lines = [
        json.dumps(record(example, spans=spans), ensure_ascii=False) + "\n" for example, spans in zip(examples, found)
    ]
    if reading.invalid:
        # Not on the screen, where the JSON Lines may go.
        print(f"skipped {reading.invalid:,} invalid records, the first: {reading.first}", file=sys.stderr)
    if arguments.output == "-":
        sys.stdout.writelines(lines)
    else:
        write_text(arguments.output, "".join(lines))
        print(f"{len(lines):,} documents, {sum(map(len, found)):,} spans -> {arguments.output}")


def _labelled(arguments):
    """What evaluate and analyze need: the task over the model, labelled texts, what it was trained on (or None), and
    what is missing from the texts."""
    from kospan.tasks.loading import open_saved, readable

    task = open_saved(arguments.model, arguments.aggregation, arguments.dataset)
    split, reading = _read_split(arguments, arguments.data, task.whole_texts)
    training = _read_split(arguments, arguments.train, task.whole_texts)[0].examples if arguments.train else None
    examples = readable(task, split.examples, arguments.data, reading)
    if reading.invalid:
        print(f"skipped records     {reading.invalid:,} that the model cannot read, the first: {reading.first}")
    task.left_out = split.issues.left_out
    return task, examples, training, split.issues._replace(invalid=split.issues.invalid + reading.invalid)


def _evaluate(arguments) -> None:
    from kospan.card.kinds.registry import kind_named
    from kospan.data.text import write_text
    from kospan.evaluation.summary import print_examination
    from kospan.training.saving import check_output

    if arguments.output:
        check_output(arguments.output)
    task, examples, training, missing = _labelled(arguments)
    found = task.examine(examples, task.find(task.model, examples), training)
    noun = (
        kind_named(task.model_type).ITEMS
        if any(example.question or example.text_pair for example in examples)
        else "documents"
    )
    print_examination(f"{arguments.model} on {arguments.data}, {len(examples):,} {noun}", found)
    if arguments.output:
        metrics = {f"eval_{name}": value for name, value in found["metrics"].items()}
        found |= {"skipped": missing.invalid, "left_out": missing.left_out}
        write_text(arguments.output, json.dumps(metrics | {"examination": found}, indent=2) + "\n")


def _analyze(arguments) -> None:
    if (arguments.model is None) == (arguments.tokenizer is None):
        given = "both" if arguments.model else "neither"
        raise ValueError(f"expected a model or --tokenizer NAME to analyze, got {given}; name one of the two")
    if arguments.tokenizer:
        return _analyze_tokenizer(arguments)
    from kospan.report.analysis import analyze, check_look, look
    from kospan.report.page import write_report
    from kospan.training.saving import check_output

    folder = arguments.output or (Path(arguments.model) / "report" if Path(arguments.model).is_dir() else "report")
    check_output(folder, folder=True)
    task, examples, training, missing = _labelled(arguments)
    if arguments.attention is not None:
        check_look(task.model, examples, arguments.attention)
    title = f"{Path(arguments.model).name} on {Path(arguments.data).name}"
    analysis = analyze(task, arguments.model, examples, training)
    analysis.metrics.update(skipped=missing.invalid, left_out=missing.left_out)
    if arguments.attention is not None:
        analysis = analysis._replace(looked=look(task.model, examples, arguments.attention))
    page = write_report(folder, title, analysis)
    print(f"report              {page}")


def _analyze_tokenizer(arguments) -> None:
    from kospan.evaluation.subword_analysis import examine_subwords
    from kospan.evaluation.summary import print_subwords
    from kospan.tasks.encoders import load_tokenizer
    from kospan.training.saving import check_output, write_whole

    if arguments.output:
        check_output(arguments.output, folder=True)
    examples = _read_split(arguments, arguments.data)[0].examples
    found = examine_subwords(load_tokenizer(arguments.tokenizer), examples)
    print_subwords(f"{arguments.tokenizer} on {arguments.data}", found)
    if arguments.output:
        Path(arguments.output).mkdir(parents=True, exist_ok=True)
        write_whole(Path(arguments.output) / "subwords.json", json.dumps(found, indent=2) + "\n")


def _benchmark(arguments) -> None:
    from kospan.data.corpus import read_examples
    from kospan.data.texts import read_texts
    from kospan.evaluation.speed import BATCHES, LENGTHS, measure
    from kospan.evaluation.summary import print_speed
    from kospan.report.plots import speed
    from kospan.tasks.loading import open_saved
    from kospan.training.record import device_in_words
    from kospan.training.saving import check_output, written_whole

    if arguments.output:
        check_output(arguments.output, folder=True)
    examples = read_texts(arguments.data) if arguments.data else read_examples("sample", "validation")
    task = open_saved(arguments.model)
    rows = measure(task, examples, arguments.lengths or LENGTHS, arguments.batches or BATCHES, arguments.calls)
    device = device_in_words(getattr(task.model, "device", "cpu"))
    print_speed(f"{arguments.model}, float32, {device}", rows)
    if arguments.output:
        found = {"model": Path(arguments.model).name, "device": device, "rows": [row._asdict() for row in rows]}
        with written_whole(arguments.output, last="speed.json") as temporary:
            (temporary / "speed.png").write_bytes(speed(rows))
            (temporary / "speed.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _calibrate(arguments) -> None:
    from kospan.evaluation.summary import print_calibration
    from kospan.report.calibrate import calibrate, config_of
    from kospan.tasks.registry import spec_of_model

    whole_texts = spec_of_model(config_of(Path(arguments.folder))["model_type"]).task.whole_texts
    paths = arguments.data, arguments.report
    fitted, reported = (path and _read_split(arguments, path, whole_texts)[0].examples for path in paths)
    print_calibration(arguments.folder, calibrate(arguments.folder, fitted, reported, precision=arguments.precision))


def _push(arguments) -> None:
    from kospan.hub.hub import Hub
    from kospan.hub.publish import publish

    publish(
        arguments.folder,
        arguments.repo_id,
        private=arguments.private or None,
        revision=arguments.revision,
        create_pr=arguments.create_pr,
        space=arguments.space,
        message=arguments.commit_message,
        predictions=arguments.predictions,
        dry_run=arguments.dry_run
        and (Path(arguments.folder) / "release" if arguments.dry_run is True else arguments.dry_run),
        hub=None if arguments.dry_run else Hub(arguments.token),
    )


def _convert_data(arguments) -> None:
    from kospan.data.formats.convert import convert_file

    print(
        convert_file(
            arguments.file,
            arguments.output,
            arguments.from_format,
            arguments.to_format,
            arguments.offsets,
            arguments.model_version,
        )
    )


def _convert_bigbird(arguments) -> None:
    from kospan.conversion.command import bigbird
    from kospan.conversion.parity import SENTENCES
    from kospan.conversion.settings import Settings
    from kospan.data.corpus import read_examples
    from kospan.tasks.encoders import check_no_file, locate

    settings = Settings(
        max_length=arguments.max_length,
        schedule=arguments.schedule,
        tau=arguments.tau,
        block_size=arguments.block_size,
        random_blocks=arguments.random_blocks,
        segments=arguments.segments,
        segment_noise=arguments.segment_noise,
        seed=arguments.seed,
    )
    check_no_file(arguments.source)
    place = locate(arguments.source)
    texts = [*SENTENCES, *(example.text for example in read_examples("sample", "validation")[:4])]
    name = arguments.source if arguments.source.startswith("package:") else None
    print(*bigbird(place, arguments.output, settings, texts, name=name, overwrite=arguments.overwrite), sep="\n")


def _convert_back(arguments) -> None:
    from kospan.conversion.command import back

    print(*back(arguments.folder, arguments.output, overwrite=arguments.overwrite), sep="\n")


def _convert_merge(arguments) -> None:
    from kospan.conversion.merge import merge
    from kospan.modeling.configuration_generative_ner import NAME
    from kospan.training.saving import dot_notes

    out = Path(arguments.output)
    lines = merge(arguments.adapter, out, base=arguments.base, overwrite=arguments.overwrite)
    # Only a writer's folder holds code of its own.
    print(*lines, *(dot_notes(out) if (out / NAME).is_file() else []), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
