"""Sources that may enter the weights of kospan-ko, and the check of a run's recipe against them."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from kospan.files import read_json_object, read_yaml
from kospan.recipe_defaults import FILES as FILES_OF_RECIPES
from kospan.tasks.encoders import locate

# File of a built model with the result of `sources_of`.
NAME = "sources.json"


class Source(NamedTuple):
    """A public source of text or labels.

    Args:
        name: Its name, with authors.
        where: Repository, with the commit that the data were taken from.
        licence: Licence, as the source states it.
        note: Restriction or doubt, if there is one.
    """

    name: str
    where: str
    licence: str
    note: str = ""


BY_SA = "CC BY-SA 4.0 (https://creativecommons.org/licenses/by-sa/4.0/)"
SOURCES = {
    "klue": Source(
        "KLUE: Korean Language Understanding Evaluation (Park et al. 2021)",
        "https://github.com/KLUE-benchmark/KLUE, commit 3efd98708a40ff49251fddde35453f8fbb11f536",
        BY_SA,
    ),
    "ud_kaist": Source(
        "UD Korean Kaist (Chun, Han, Hwang and Choi 2018)",
        "https://github.com/UniversalDependencies/UD_Korean-Kaist, commit ef244243b578e7cd0fb4fe45cd80b63de2a60e00",
        BY_SA,
    ),
    "kornlu": Source(
        "KorNLU data sets: KorNLI and KorSTS (Ham, Choe, Park, Choi and Soh 2020)",
        "https://github.com/kakaobrain/KorNLUDatasets, commit 0df0fe7d496eb61b092e022e238c2230b29f1cbc",
        BY_SA,
    ),
    "nsmc": Source(
        "Naver sentiment movie corpus (Lucy Park)",
        "https://github.com/e9t/nsmc, commit cc0670e872d4ac27bfe36c87456783004b39ef6c",
        "CC0 1.0, as its repository states",
        "The rights of the reviewers and of the portal were not verified.",
    ),
    "own": Source("Sentences and lists of names written for kospan", "the repository of kospan", "Apache-2.0"),
}
# Data sets of recipes, with their source; no other data set may be used.
DATASETS = {"klue_ner": "klue", "sample": "own"}


class File(NamedTuple):
    """A file that recipes may name.

    Args:
        sha256: Digest of its bytes.
        sources: Keys of `SOURCES`.
    """

    sha256: str
    sources: tuple[str, ...]


FILES = {
    "klue-ner-v1.1_dev_4000.tsv": File("f5f805e11b65700a80893626460ad6de35e3d3955aa96c25b6c20b93a5a08275", ("klue",)),
    "nsmc-reviews.txt.xz": File("955d047546b9552d9678b8dddde0e2692a8cc326c9aa1c1ea3cf05d95901b01e", ("nsmc",)),
    # Learned from the two files of text around it.
    "ko.vec": File(
        "d928cd7216357780f0da77bdf57d122784b74f6da695dd84644de2220213d317", ("nsmc", "klue", "ud_kaist", "kornlu")
    ),
    "sentences.txt.xz": File(
        "ded60b6a0cca0c4201bde5a0f453075cfbc2446faae6f5b6cee5b07fa41e4b43", ("klue", "ud_kaist", "kornlu")
    ),
}
# Settings that name no source of the weights.
_NO_SOURCE = ("name", "output_dir", "run_name", "feature_cache_dir", "logging_dir")
_DATA_FILE = re.compile(r".*\.(tsv|csv|txt|jsonl?|parquet|conll|arrow|npz|npy|vec|bin|safetensors|gz|bz2|xz|zip)")


def named_sources(settings: Mapping) -> Iterator[tuple[str, str]]:
    """Yield the kind ("dataset", "file" or "encoder") and the value of each source that a recipe names."""
    for key, value in settings.items():
        if key == "dataset":
            # Pretraining reads `sources` instead, and a saved recipe holds the default of every setting.
            if not settings.get("sources"):
                yield "dataset", str(value)
        elif key == "encoder" and value != "scratch":
            yield "encoder", str(value)
        elif key not in _NO_SOURCE:
            for each in _paths(value) if key == "sources" else _strings(value):
                if each.startswith("hub:"):
                    yield "dataset", each
                elif key in ("sources", *FILES_OF_RECIPES) or _DATA_FILE.fullmatch(each):
                    yield "file", each


def _paths(sources) -> Iterator[str]:
    """Path of each entry of `sources`; of an entry without one, every string."""
    for each in sources.values() if isinstance(sources, Mapping) else sources or ():
        yield from _strings(each.get("path") or each if isinstance(each, Mapping) else each)


def _strings(value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (Mapping, list, tuple)):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(each)


def sources_of(recipe: Path, place: Path) -> dict[str, list[str]]:
    """Check the sources of a run, those of its encoder among them.

    Args:
        recipe: `recipe.yaml` of the run.
        place: Folder that paths of the recipe are relative to.

    Returns:
        Names of data sets and files that the run used, for each key of `SOURCES` that they come from.

    Raises:
        FileNotFoundError: If a named file, or the recipe of the encoder, is missing.
        ValueError: If a source is not allowed, or is a folder.
    """
    found: dict[str, list[str]] = {}
    settings = read_yaml(recipe, "recipe of a run", "outputs/")
    for kind, value in named_sources(settings):
        if kind == "encoder":
            for key, names in _encoder(place / locate(value), place).items():
                found.setdefault(key, []).extend(name for name in names if name not in found.get(key, ()))
            continue
        keys = _dataset(value) if kind == "dataset" else _file(place / value)
        for key in keys:
            name = value if kind == "dataset" else Path(value).name
            if name not in found.setdefault(key, []):
                found[key].append(name)
    return found


def _encoder(folder: Path, place: Path) -> dict[str, list[str]]:
    """Sources of an encoder: stored, if it is a model of this package, else those of its run."""
    if (folder / NAME).is_file():
        return read_json_object(folder / NAME, "build the encoder again")
    return sources_of(folder / "recipe.yaml", place)


def _dataset(name: str) -> tuple[str, ...]:
    if name not in DATASETS:
        raise ValueError(
            f"expected a data set that may enter the weights ({', '.join(DATASETS)}), got {name!r}; train without it"
        )
    return (DATASETS[name],)


def _file(path: Path) -> tuple[str, ...]:
    if path.is_dir():
        raise ValueError(
            f"expected a file that may enter the weights, got the folder {path}; name its files one by one"
        )
    if not path.is_file():
        raise FileNotFoundError(f"expected the file {path}, which the recipe names, found none; run in the same folder")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for file in FILES.values():
        if file.sha256 == digest:
            return file.sources
    raise ValueError(
        f"expected a file that may enter the weights ({', '.join(FILES)}), got {path} with the SHA-256 {digest}; train "
        "without it, or add it to FILES of sources.py with its source and licence"
    )
