"""Build a model of the package kospan-ko from the folder of a run.

    python packages/kospan_ko/build_model.py outputs/ko_ner --scored outputs/ko_ner_scored

Weights are stored in float16 and load in float32. The scores on the card are those of the second run, which was trained
by the same recipe on a part of the data. Run it in the folder in which the runs were trained.
"""

import argparse
import json
import shutil
import sys
from fnmatch import fnmatch
from pathlib import Path

import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from safetensors.torch import load_file, save_file

import kospan
from kospan.data.corpus import read_examples
from kospan.files import read_json_object, read_yaml
from kospan.hub.release import PUBLISHED
from kospan.modeling.code_files import follow_umask
from kospan.training.record import NAME as RECORD
from kospan.training.run_folder import publish_recipe
from kospan.training.saving import written_whole

try:
    from sources import NAME, SOURCES, sources_of  # (run as a script)
except ImportError:
    from packages.kospan_ko.sources import NAME, SOURCES, sources_of

HERE = Path(__file__).resolve().parent
MODELS = HERE / "src" / "kospan_ko"
# Bytes of all files of a model.
LIMIT = 8_000_000
# Share of the sample's texts in which rounded weights must find the same spans.
SAME = 0.99
# Settings that may differ between the run of the weights and that of the scores.
_DATA = ("train_file", "validation_file", "calibration_split", "max_train_samples", "max_eval_samples")
_RUN = ("name", "output_dir", "run_name", *_DATA)
# Files of a release that are written anew, or that the package does not have.
_NOT_COPIED = (
    *("config.json", "model.safetensors", "requirements.txt", "eval_results.json", "training_record.json"),
    *("calibration.json", "calibration_sample.json"),
)


def half(source: Path, target: Path) -> float:
    """Store weights in float16; return the largest relative error of a tensor's largest entry.

    Raises:
        ValueError: If an entry is beyond the range of float16.
    """
    tensors = load_file(source)
    rounded = {name: each.half() if each.is_floating_point() else each for name, each in tensors.items()}
    for name, each in rounded.items():
        if not each.isfinite().all():
            raise ValueError(f"expected weights within the range of float16, got {name} of {source} beyond it")
    save_file(rounded, target, {"format": "pt"})
    errors = [
        (tensors[name] - each.float()).abs().max() / tensors[name].abs().max().clamp(min=1e-12)
        for name, each in rounded.items()
    ]
    return float(torch.stack(errors).max())


def check_same_recipe(run: Path, scored: Path) -> None:
    """Check that two runs differ in data alone.

    Raises:
        ValueError: If another setting differs.
    """
    one, other = (read_yaml(folder / "recipe.yaml", "recipe of a run", "outputs/") for folder in (run, scored))
    different = sorted(key for key in {*one, *other} if key not in _RUN and one.get(key) != other.get(key))
    if different:
        raise ValueError(
            f"expected the same recipe in {run} and {scored}, got different values of {', '.join(different)}; train "
            "one of them again"
        )


def same_share(run: Path, target: Path) -> float:
    """Share of the sample's validation texts in which two models find the same spans."""
    texts = [example.text for example in read_examples("sample", "validation")]
    found = [kospan.load(folder).extract(texts) for folder in (run, target)]
    same = [[span[:3] for span in one] == [span[:3] for span in other] for one, other in zip(*found, strict=True)]
    return sum(same) / len(same)


def card(values: dict) -> str:
    """Model card of a token classifier."""
    loader = FileSystemLoader(HERE)
    environment = Environment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.get_template("card.md.jinja").render(values)


def attribution(used: dict[str, list[str]]) -> str:
    """Text of `ATTRIBUTION.md`: the sources of the weights and their licences."""
    lines = [
        "# Sources of the weights",
        "",
        "The weights are under CC BY-SA 4.0 (https://creativecommons.org/licenses/by-sa/4.0/). They were",
    ]
    lines += [
        "computed from the following sources, which were changed: cut, normalised, shuffled and reduced to weights.",
        "",
    ]
    for key, names in used.items():
        source = SOURCES[key]
        note = f" {source.note}" if source.note else ""
        lines.append(f"- {source.name}, {source.where}. Licence: {source.licence}.{note} Used: {', '.join(names)}.")
    return "\n".join(lines) + "\n"


def write_card(run: Path, scored: Path, target: Path, used: dict[str, list[str]]) -> None:
    """Write the card and the scores of the run that has them, and take over its temperature."""
    config, results = _read(target, "config.json"), _read(scored, "eval_results.json")
    records, calibration = [_read(each, RECORD) for each in (run, scored)], _read(scored, "calibration.json")
    config["calibration_temperature"] = calibration["temperature"]
    _write_json(target / "config.json", config)
    _write_json(target / "eval_results.json", results)
    spans = calibration["spans"]["posterior"]
    values = {
        "training": records[0]["training"],
        "scored": records[1],
        "results": results,
        "before": spans["before"]["metrics"],
        "after": spans["after"]["metrics"],
        "fitted": calibration["fitted"]["documents"],
        "temperature": calibration["temperature"],
        "used": used,
        "sources": SOURCES,
        "settings": read_yaml(target / "recipe.yaml", "recipe", "outputs/"),
        "size": sum(path.stat().st_size for path in target.iterdir()) / 1e6,
    }
    (target / "README.md").write_text(card(values), encoding="utf-8")


def _read(folder: Path, name: str) -> dict:
    if not (folder / name).is_file():
        raise FileNotFoundError(f"expected {name} in {folder}, found none; train the model with the recipe of ko-ner")
    return read_json_object(folder / name, "train the model again")


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def build(run: Path, target: Path, scored: Path | None = None, place: Path = Path()) -> list[str]:
    """Build a model, or write nothing.

    Args:
        run: Folder of the run with the weights.
        target: The model's folder; an earlier model in it is replaced.
        scored: Folder of the run with the scores, for a token classifier; an encoder keeps the card of its run.
        place: Folder that paths of the recipe are relative to.

    Returns:
        Lines for the screen.

    Raises:
        FileNotFoundError: If a file of a run is missing.
        ValueError: If a source is not allowed, the recipes differ, or the model is too large or finds other spans.
    """
    used = sources_of(run / "recipe.yaml", place)
    if scored:
        check_same_recipe(run, scored)
        sources_of(scored / "recipe.yaml", place)
    with written_whole(target) as temporary:
        config = _read(run, "config.json")
        # The package has no copy of the model code; kospan registers its classes.
        for key in ("auto_map", "custom_pipelines"):
            config.pop(key, None)
        _write_json(temporary / "config.json", {**config, "dtype": "float32"})
        error = half(run / "model.safetensors", temporary / "model.safetensors")
        for path in run.iterdir():
            if path.name not in _NOT_COPIED and any(fnmatch(path.name, pattern) for pattern in PUBLISHED):
                shutil.copyfile(path, temporary / path.name)
        publish_recipe(temporary / "recipe.yaml")
        (temporary / "ATTRIBUTION.md").write_text(attribution(used), encoding="utf-8")
        _write_json(temporary / NAME, used)
        if scored:
            write_card(run, scored, temporary, used)
        else:
            shutil.copyfile(run / "README.md", temporary / "README.md")
        follow_umask(temporary)
        size = sum(path.stat().st_size for path in temporary.iterdir())
        if size > LIMIT:
            raise ValueError(f"expected a model of {LIMIT:,} bytes or less, got {size:,}; train a smaller one")
        share = same_share(run, temporary) if scored else 1.0
        if share < SAME:
            raise ValueError(f"expected equal spans in {SAME:.0%} of the texts after rounding, got {share:.1%}")
    return [
        f"model               {target}",
        f"size                {size / 1e6:.2f} MB",
        f"rounding            relative error up to {error:.1e}; equal spans in {share:.1%} of the sample's texts",
        f"sources             {', '.join(used)}",
    ]


def build_onnx(folder: Path, target: Path) -> list[str]:
    """Export a built model to an int8 graph for all CPUs, without a copy of the runtime; return screen lines."""
    from kospan.export.export import export

    with written_whole(target) as temporary:
        done = export(folder, temporary / "exported", precision="int8", reduce_range=True)
        for path in (temporary / "exported").iterdir():
            if path.is_file():
                path.rename(temporary / path.name)
        shutil.rmtree(temporary / "exported")
        for name in ("README.md", "ATTRIBUTION.md", NAME):
            shutil.copyfile(folder / name, temporary / name)
        share, size = same_share(folder, temporary), sum(path.stat().st_size for path in temporary.iterdir())
    return [
        f"model               {target}",
        f"size                {size / 1e6:.2f} MB, int8",
        f"rounding            relative error up to {done.difference:.1e}; equal spans in {share:.1%} of the texts",
    ]


def main(words: list[str] | None = None) -> None:
    """Build a model and print a summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run with the weights")
    parser.add_argument("--scored", type=Path, help="folder of the run with the scores, for a token classifier")
    parser.add_argument("--onnx", action="store_true", help="also build NAME-onnx, an int8 graph that needs no torch")
    parser.add_argument("--name", default="ko-ner", help="name of the model (default: ko-ner)")
    parser.add_argument("--target", type=Path, help="folder to write (default: that of the package)")
    arguments = parser.parse_args(words)
    target = arguments.target or MODELS / arguments.name
    try:
        print(*build(arguments.run, target, arguments.scored), sep="\n")
        if arguments.onnx:
            print(*build_onnx(target, target.with_name(f"{target.name}-onnx")), sep="\n")
    except (OSError, ValueError, ImportError) as error:
        sys.exit(f"build_model.py: {error}")


if __name__ == "__main__":
    main()
