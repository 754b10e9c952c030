"""Build a model of the package kospan-ko from the folder of a run.

    python packages/kospan_ko/build_model.py outputs/ko_ner --scored outputs/ko_ner_scored

Weights are stored as int8 with a scale per row, those of encoders in float16, and load in float32. The scores on the
card are those of the second run, which was trained by the same recipe on a part of the data. Run it in the folder in
which the runs were trained.
"""

import argparse
import json
import shutil
import sys
import zlib
from fnmatch import fnmatch
from pathlib import Path

from safetensors.torch import load_file, save_file

import kospan
from kospan.card.card import template_environment
from kospan.data.corpus import read_examples
from kospan.export.int8_rows import rounded_weights
from kospan.files import read_json_object, read_yaml
from kospan.hub.refusals import check_configs, check_no_secrets
from kospan.hub.release import PUBLISHED
from kospan.modeling.code_files import follow_umask, make_tokenizer_portable
from kospan.modeling.int8_weights import restored_weights
from kospan.training.record import NAME as RECORD
from kospan.training.run_folder import publish_recipe
from kospan.training.saving import written_whole

try:
    from sources import NAME, SOURCES, sources_of  # (run as a script)
except ImportError:
    from packages.kospan_ko.sources import NAME, SOURCES, sources_of

HERE = Path(__file__).resolve().parent
MODELS = HERE / "src" / "kospan_ko"
# Bytes of all files of a model, and of the wheel with a model and its graph.
LIMIT, WHEEL = 8_000_000, 10_000_000
# Share of the sample's texts in which rounded weights must find the same spans. The sample has many uncertain spans:
# fewer equal texts than this, and F1 on KLUE has to be compared first (benchmarks/stored_weights.py).
SAME = 0.95
# Settings that may differ between the run of the weights and that of the scores.
_DATA = ("train_file", "validation_file", "calibration_split", "max_train_samples", "max_eval_samples")
_RUN = ("name", "output_dir", "run_name", *_DATA)
# Files of a release that are written anew, or that the package does not have.
_NOT_COPIED = (
    *("config.json", "model.safetensors", "requirements.txt", "eval_results.json", "training_record.json"),
    *("calibration.json", "calibration_sample.json"),
)


def store(source: Path, target: Path, bits: int) -> float:
    """Round weights to the bits of `rounded_weights`; return the largest error as a share of a tensor's largest entry.

    Raises:
        ValueError: If an entry is beyond the range of float16.
    """
    tensors = load_file(source)
    save_file(rounded_weights(tensors, bits), target, {"format": "pt"})
    restored = restored_weights(target) or load_file(target)
    errors = [(each - restored[name]).abs().max() / each.abs().max().clamp(min=1e-12) for name, each in tensors.items()]
    return float(max(errors))


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
    return template_environment(HERE).get_template("card.md.jinja").render(values) + "\n"


def attribution(used: dict[str, list[str]]) -> str:
    """Text of `ATTRIBUTION.md`: the sources of the weights and their licences."""
    lines = [
        "# Sources of the weights",
        "",
        "The weights are under CC BY-SA 4.0 (https://creativecommons.org/licenses/by-sa/4.0/). They were computed "
        "from the following sources, which were changed: cut, normalised, shuffled and reduced to weights.",
        "",
    ]
    for key, names in used.items():
        source = SOURCES[key]
        note = f" {source.note}" if source.note else ""
        lines.append(f"- {source.name}, {source.where}. Licence: {source.licence}.{note} Used: {', '.join(names)}.")
    return "\n".join(lines) + "\n"


def take_scores(scored: Path, target: Path) -> None:
    """Write the scores of the run that has them, and take over its temperature."""
    config, calibration = _read(target, "config.json"), _read(scored, "calibration.json")
    config["calibration_temperature"] = calibration["temperature"]
    _write_json(target / "config.json", config)
    _write_json(target / "eval_results.json", _read(scored, "eval_results.json"))


def write_card(run: Path, scored: Path, target: Path, name: str, bits: int, share: float | None = None) -> None:
    """Write the card of a model.

    Args:
        run: Folder of the run with the weights.
        scored: Folder of the run with the scores.
        target: Folder with all other files of the model.
        name: Name of the model.
        bits: Bits of its stored weights.
        share: Result of `same_share` for an exported graph; None for weights.
    """
    records, calibration = [_read(each, RECORD) for each in (run, scored)], _read(scored, "calibration.json")
    spans = calibration["spans"]["posterior"]
    values = {
        "name": name,
        "bits": bits,
        "onnx": share is not None,
        "equal": share,
        "training": records[0]["training"],
        "scored": records[1],
        "results": _read(scored, "eval_results.json"),
        "before": spans["before"]["metrics"],
        "after": spans["after"]["metrics"],
        "fitted": calibration["fitted"]["documents"],
        "temperature": calibration["temperature"],
        "used": _read(target, NAME),
        "sources": SOURCES,
        "settings": read_yaml(run / "recipe.yaml", "recipe", "outputs/"),
        "size": _bytes(target) / 1e6,
    }
    (target / "README.md").write_text(card(values), encoding="utf-8")


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def deflated(*folders: Path) -> int:
    """Bytes of the files of folders in a zip file, such as a wheel."""
    return sum(len(zlib.compress(path.read_bytes())) for folder in folders for path in folder.iterdir())


def _check_share(share: float, change: str) -> None:
    if share < SAME:
        raise ValueError(f"expected equal spans in {SAME:.0%} of the texts after {change}, got {share:.1%}")


def _remove_earlier(temporary: Path, target: Path) -> None:
    """Remove files of an earlier model that the new one in `temporary` lacks."""
    for path in target.iterdir():
        if path.is_file() and not (temporary / path.name).exists():
            path.unlink()


def _read(folder: Path, name: str) -> dict:
    if not (folder / name).is_file():
        raise FileNotFoundError(f"expected {name} in {folder}, found none; train the model with the recipe of ko-ner")
    return read_json_object(folder / name, "train the model again")


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def build(
    run: Path, target: Path, scored: Path | None = None, place: Path = Path(), bits: int | None = None
) -> list[str]:
    """Build a model, or write nothing.

    Args:
        run: Folder of the run with the weights.
        target: The model's folder; an earlier model in it is replaced.
        scored: Folder of the run with the scores, for a token classifier; an encoder keeps the card of its run.
        place: Folder that paths of the recipe are relative to.
        bits: Bits of the weights, as for `rounded_weights`; None: 7 for a token classifier, 16 for an encoder, which
            loads without kospan.

    Returns:
        Lines for the screen.

    Raises:
        FileNotFoundError: If a file of a run is missing.
        ValueError: If a source is not allowed, the recipes differ, bits do not suit an encoder, or the model is too
            large or finds other spans.
    """
    bits = bits or (7 if scored else 16)
    if bits != 16 and not scored:
        raise ValueError(f"expected 16 bits for an encoder, which loads without kospan, got {bits}; use --bits 16")
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
        error = store(run / "model.safetensors", temporary / "model.safetensors", bits)
        for path in run.iterdir():
            if path.name not in _NOT_COPIED and any(fnmatch(path.name, pattern) for pattern in PUBLISHED):
                shutil.copyfile(path, temporary / path.name)
        publish_recipe(temporary / "recipe.yaml")
        make_tokenizer_portable(temporary / "tokenizer_config.json")
        (temporary / "ATTRIBUTION.md").write_text(attribution(used), encoding="utf-8")
        _write_json(temporary / NAME, used)
        if scored:
            take_scores(scored, temporary)
            write_card(run, scored, temporary, target.name, bits)
        else:
            shutil.copyfile(run / "README.md", temporary / "README.md")
        check_configs(temporary)
        check_no_secrets(temporary)
        follow_umask(temporary)
        size = _bytes(temporary)
        if size > LIMIT:
            raise ValueError(f"expected a model of {LIMIT:,} bytes or less, got {size:,}; train a smaller one")
        share = same_share(run, temporary) if scored else 1.0
        _check_share(share, "rounding")
        _remove_earlier(temporary, target)
    return [
        f"model               {target}",
        f"size                {size / 1e6:.2f} MB, {bits} bits",
        f"rounding            relative error up to {error:.1e}; equal spans in {share:.1%} of the sample's texts",
        f"sources             {', '.join(used)}",
    ]


def build_onnx(run: Path, folder: Path, target: Path, scored: Path) -> list[str]:
    """Export a built model to an int8 graph for all CPUs, without a copy of the runtime, or write nothing.

    Args:
        run: Folder of the run with the weights.
        folder: Folder of the built model.
        target: Folder of the exported model; an earlier model in it is replaced.
        scored: Folder of the run with the scores.

    Returns:
        Lines for the screen.

    Raises:
        ValueError: If the exported model finds other spans, or the wheel would be too large.
    """
    from kospan.export.export import export

    with written_whole(target) as temporary:
        # With the weights of the run: those in `folder` would be rounded twice.
        source = shutil.copytree(folder, temporary / "source")
        shutil.copyfile(run / "model.safetensors", source / "model.safetensors")
        done = export(source, temporary / "exported", precision="int8", reduce_range=True)
        for path in (temporary / "exported").iterdir():
            if path.is_file():
                path.rename(temporary / path.name)
        for name in ("source", "exported"):
            shutil.rmtree(temporary / name)
        for name in ("ATTRIBUTION.md", NAME):
            shutil.copyfile(folder / name, temporary / name)
        share = same_share(run, temporary)
        _check_share(share, "rounding to int8")
        write_card(run, scored, temporary, target.name, 8, share)
        size, wheel = _bytes(temporary), deflated(folder, temporary)
        if wheel > WHEEL:
            raise ValueError(
                f"expected a wheel of {WHEEL:,} bytes or less, got {wheel:,} for model and graph; use --bits 7, or "
                "train a smaller model (kospan vectors --count)"
            )
        _remove_earlier(temporary, target)
    return [
        f"model               {target}",
        f"size                {size / 1e6:.2f} MB, int8; wheel with both {wheel / 1e6:.2f} MB",
        f"rounding            relative error up to {done.difference:.1e}; equal spans in {share:.1%} of the texts",
    ]


def main(words: list[str] | None = None) -> None:
    """Build a model and print a summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run with the weights")
    parser.add_argument("--scored", type=Path, help="folder of the run with the scores, for a token classifier")
    parser.add_argument("--onnx", action="store_true", help="also build NAME-onnx, an int8 graph that needs no torch")
    parser.add_argument("--name", default="ko-ner", help="name of the model (default: ko-ner)")
    parser.add_argument(
        "--bits",
        type=int,
        choices=(7, 8, 16),
        help="bits of the weights; 7 makes the wheel smaller (default: 7, for an encoder 16)",
    )
    parser.add_argument("--target", type=Path, help="folder to write (default: that of the package)")
    arguments = parser.parse_args(words)
    if arguments.onnx and not arguments.scored:
        parser.error("expected --scored beside --onnx, found none; name the run with the scores")
    target = arguments.target or MODELS / arguments.name
    try:
        print(*build(arguments.run, target, arguments.scored, bits=arguments.bits), sep="\n")
        if arguments.onnx:
            graph = target.with_name(f"{target.name}-onnx")
            print(*build_onnx(arguments.run, target, graph, arguments.scored), sep="\n")
    except (OSError, ValueError, ImportError) as error:
        sys.exit(f"build_model.py: {error}")


if __name__ == "__main__":
    main()
