"""The training in a card: data, procedure, settings, curve, speed, how to do it again, licence, citation."""

import re

import yaml

from kospan.card.kinds.registry import kind_of
from kospan.card.markdown import code, decimal, duration, listed, plain, table
from kospan.card.procedure import settings
from kospan.card.run_record import RunRecord
from kospan.training.loss_parts import part_names

# Rows of the learning curve that are shown at most.
ROWS = 20
# What had to be changed in the training data, or could not be learnt -> the words behind the number.
ADJUSTED = {
    "skipped": "records of the data could not be read and were skipped.",
    "widened": "gold spans that began or ended inside a unit were widened to it.",
    "trimmed": "gold spans that began or ended with white space were trimmed.",
    "dropped": "gold spans that overlapped a longer one were dropped.",
    "unheld": "answers stand whole in no window, so that nothing was trained on them.",
    "too_long": "replies were longer than the most that is written, so that nothing was trained on them.",
}
CURVE = {
    "epoch": ("epoch", 2),
    "step": ("step", 0),
    "loss": ("training loss", 4),
    "eval_loss": ("validation loss", 4),
    "eval_f1": ("F1", 4),
    "eval_precision": ("precision", 4),
    "eval_recall": ("recall", 4),
    "eval_exact_match": ("exact match", 4),
    "eval_rouge_w": ("ROUGE-W", 4),
    "eval_accuracy": ("accuracy", 4),
    "eval_macro_f1": ("macro F1", 4),
    "eval_pearson": ("Pearson", 4),
    "eval_spearman": ("Spearman", 4),
    "eval_klue_sts_f1": ("F1 at 3", 4),
}


def training_parts(left: RunRecord, path: str, on_hub: bool) -> dict[str, str | None]:
    """Everything from "Training" on that is not a list of its own."""
    rows = [[code(key), code(_written(value))] for key, value in settings(left)]
    parts = {
        "data": _data(left),
        "settings": table(["setting", "value"], rows, 2) if rows else None,
        "licence": _licence(left),
        "citation": _citation(left),
        **_again(left, path, on_hub),
    }
    if left.record is None:
        return parts
    training, speed, items = left.record["training"], left.record["evaluation"]["speed"], kind_of(left).ITEMS
    parts |= {"procedure": _procedure(left), **_curve(training)}
    parts["speed"] = (
        f"{speed['texts_per_second']:,.0f} {items} per second ({speed['characters_per_second']:,.0f} characters per "
        f"second) while the validation part was scored, from string to {kind_of(left).CLAIM}s, in float32, on "
        f"{plain(speed['device'])}; one measurement over {left.record['evaluation']['documents']:,} {items}, not a "
        "benchmark."
    )
    return parts


def _written(value) -> str:
    """A setting as a recipe writes it; flags are stored as the words that they were."""
    if isinstance(value, str):
        return value
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000).removesuffix("...\n").strip()


def _data(left: RunRecord) -> str:
    about = left.about
    kind = f", {about.texts[0]}" if about.texts[0] else ""
    lines = [f"{plain(about.title)}{kind}{_read_from(left)}."]
    if left.record is not None:
        training, adjusted = left.record["training"], left.record["adjusted"]
        first = "the first " if left.setting("max_train_samples") else ""
        lines.append(
            f"Trained on {first}{training['documents']:,} {kind_of(left).ITEMS}, {training['windowed']:,} of which "
            f"needed more than one window ({training['windows']:,} windows)."
        )
        lines += [f"{adjusted[name]:,} {words}" for name, words in ADJUSTED.items() if adjusted.get(name)]
    lines.append(f"Scored on {kind_of(left).held_out(left)[0]}.")
    share = left.setting("calibration_split")
    if share:
        lines.append(f"The temperature was fitted on {code(share)}.")
    return " ".join(lines)


def _read_from(left: RunRecord) -> str:
    """Where the training data were read: on the Hub, with the commit where it is known, or in files."""
    name, file = left.trained_on_hub, left.setting("train_file")
    if name:
        revision = left.origin("train")["hub"]["revision"]
        at = f" at {code(revision[:8])}" if revision else ""
        return f" ([{name}](https://huggingface.co/datasets/{name}){at})"
    return f", read from {code(file)}" if file else ""


def _procedure(left: RunRecord) -> str:
    training = left.record["training"]
    parameters, versions = training["parameters"], dict(training["versions"])
    trained = f"{parameters['trained']:,} of {parameters['all']:,}"
    kept = "The last weights were kept."
    if training["best_step"] is not None:
        kept = f"The weights of step {training['best_step']:,} were kept, which scored best on the validation part."
    seconds = training["seconds"]
    took = f"took {duration(seconds)}" if seconds is not None else "was resumed, so its length is not known"
    processes = training["processes"]
    rows = [
        ["parameters trained", trained],
        ["epochs, steps", f"{training['epochs']:g}, {training['steps']:,}"],
        ["windows per step", f"{training['batch']:,}"],
        ["seed", plain(left.setting("seed"))],
        ["precision really in use", plain(training["precision"])],
        ["device", plain(training["device"]) + (f", {processes} processes" if processes > 1 else "")],
        ["versions", plain(", ".join(f"{name} {version}" for name, version in versions.items()))],
    ]
    return f"The training {took}. {kept}\n\n{table(['what', 'value'], rows, 2)}"


def _curve(training: dict) -> dict[str, str | None]:
    history = training["history"]
    if not history:
        return {"curve": None}
    best = training["best_step"]
    shown = history
    if len(history) > ROWS:
        kept = {round(at * (len(history) - 1) / (ROWS - 1)) for at in range(ROWS)}
        shown = [entry for at, entry in enumerate(history) if at in kept or entry["step"] == best]
    titles = CURVE | {name: (name.replace("_", " "), 4) for name in part_names(history)}
    # The parts of the loss stand behind it.
    order = sorted(titles, key=lambda key: [*CURVE].index(key if key in CURVE else "loss"))
    columns = [key for key in order if any(entry.get(key) is not None for entry in shown)]
    rows = [
        [
            f"**{entry[key]:,}**"
            if key == "step" and entry[key] == best
            else _cell(key, entry.get(key), titles[key][1])
            for key in columns
        ]
        for entry in shown
    ]
    evaluated = any({"eval_f1", "eval_pearson"} & set(entry) for entry in history)
    intro = "Scores on the validation part after each evaluation" if evaluated else "The training loss as it was logged"
    intro += ", with the training loss last logged before it" if evaluated else ""
    intro += "; the step in bold was kept." if best is not None and best in {entry["step"] for entry in shown} else "."
    if len(shown) < len(history):
        intro += f" {len(shown)} of {len(history):,} rows."
    return {"curve_intro": intro, "curve": table([titles[key][0] for key in columns], rows, 0)}


def _cell(key: str, value: float | None, digits: int) -> str:
    return f"{value:,}" if key == "step" and value is not None else decimal(value, digits)


def _again(left: RunRecord, path: str, on_hub: bool) -> dict[str, str]:
    files = [left.setting(key) for key in ("train_file", "validation_file") if left.setting(key)]
    split = str(left.setting("calibration_split") or "")
    if "." in split and not re.fullmatch(r"[\d.]+", split):
        files.append(split)
    intro = "`recipe.yaml` lies beside the weights and holds every setting. In a clone of kospan"
    if left.record is not None:
        training = left.record["training"]
        version, commit = training["versions"].get("kospan"), training["commit"]
        if version:
            intro += f", version {plain(version)}"
        if commit:
            intro += f", commit {code(commit.partition(' ')[0])}"
            intro += " (files differed from it)" if " " in commit else ""
    intro += ":"
    if files:
        intro = f"{intro[:-1]}, with {listed([code(name) for name in files])} where the recipe says:"
    processes = left.record["training"]["processes"] if left.record is not None else 1
    start = f"torchrun --nproc_per_node {processes}" if processes > 1 else "accelerate launch"
    lines = ["pip install -c constraints.txt -e ."]
    if on_hub:
        lines.append(f"hf download {path} recipe.yaml --local-dir again")
    recipe = f"{'again' if on_hub else path}/recipe.yaml"
    lines.append(f"{start} train.py {recipe} --output_dir outputs/again")
    same = (
        "With the same versions on the same kind of machine the metrics come out the same; elsewhere they differ a bit."
    )
    return {"reproduce_intro": intro, "reproduce": "\n".join(lines), "reproduce_end": same}


def _licence(left: RunRecord) -> str:
    about = left.about
    lines = ["The Python files beside the weights are part of kospan, under Apache-2.0."]
    if about.licence is None:
        lines.append(
            "The weights come from data whose terms are not known here; whoever publishes the model states them."
        )
    elif about.licence == "unknown":
        lines.append(f"Training data, {plain(about.title)}: {about.terms[0]}. Check before you use the weights.")
    else:
        source = f" ([terms]({about.link}))" if about.link else ""
        lines.append(
            f"Training data, {plain(about.title)}: {about.terms[0]}{source}. The licence named at the top is that of "
            "the data, because weights may inherit its terms."
        )
    if left.base_model:
        lines.append(f"The terms of the pretrained encoder {code(left.base_model)} hold beside it.")
    elif left.setting("encoder") != "scratch":
        lines.append("The terms of the pretrained encoder hold beside it.")
    return " ".join(lines)


def _citation(left: RunRecord) -> str:
    version = left.record["training"]["versions"].get("kospan") if left.record is not None else None
    entry = ["@software{kospan,", "  title = {kospan: models that find spans in text, Korean first},"]
    if version:
        entry.append(f"  version = {{{version}}},")
    return "\n".join([*entry, "  license = {Apache-2.0}", "}"])
