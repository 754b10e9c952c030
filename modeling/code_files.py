"""Files saved beside a model's code: the endpoint's handler and its requirements, and file modes.

transformers' copier follows imports from a model's file, so it does not see the handler; a model carries it itself.
"""

import contextlib
import glob
import json
import os
import stat
import threading
import warnings

from transformers.utils import TRANSFORMERS_DYNAMIC_MODULE_NAME, cached_file

EXTRA_FILES = ("handler.py",)
# Arguments of from_pretrained about the location of files; the tokenizer is loaded from the same location.
LOCATION_KEYS = ("cache_dir", "force_download", "local_files_only", "token", "revision", "subfolder", "proxies")
# Beginnings of names of weights as pickles, and as safetensors.
_PICKLED = {"pytorch_model": "model", "adapter_model": "adapter_model"}
# transformers brings numpy and safetensors. torch is not listed, because the line could replace the GPU
# build of the server's image.
REQUIREMENTS = """\
# The versions of transformers that this folder was tested with, from the first to the last.
transformers>=4.51.3,<=5.23.0
"""
_HOME = os.path.dirname(os.path.abspath(__file__))


def is_remote_code() -> bool:
    """Return whether this file was copied with a model, and is not the one installed with kospan."""
    return __name__.partition(".")[0] == TRANSFORMERS_DYNAMIC_MODULE_NAME


def read_extra_files(name: str | os.PathLike, **location) -> dict[str, str]:
    """Return the text of each extra file in a folder or repository.

    Args:
        name: Name on the Hub, or a folder.
        **location: Arguments of `from_pretrained` about the location of files.
    """
    found = {}
    for extra_file in EXTRA_FILES:
        try:
            path = cached_file(name, extra_file, **location)
        except (OSError, ValueError):  # Missing or not available: loading continues, saving will warn.
            path = None
        text = None if path is None else read_text(path)
        if text is not None:
            found[extra_file] = text
    return found


def check_safetensors(name: str | os.PathLike | None, subfolder: str | None = None) -> None:
    """Check that a folder does not hold weights as pickles alone, which can run code when they are opened.

    Args:
        name: A folder; names on the Hub are not checked.
        subfolder: Folder inside it.

    Raises:
        ValueError: If it does.
    """
    folder = os.path.join(name or "", subfolder or "")
    if not name or not os.path.isdir(folder):
        return
    names = sorted(os.listdir(folder))
    for beginning, safe in _PICKLED.items():
        pickled = [each for each in names if each.startswith(beginning) and each.endswith((".bin", ".bin.index.json"))]
        if pickled and not any(each.startswith(safe) and ".safetensors" in each for each in names):
            raise ValueError(
                f"expected weights as safetensors in {folder}, got {pickled[0]}, a pickle, which can run code when it "
                "is opened; if you trust it, load it with the library that wrote it and save it as safetensors"
            )


def save_extra_files(folder: str | os.PathLike, carried: dict[str, str]) -> None:
    """Write the extra files and `requirements.txt`; an existing `requirements.txt` is kept.

    Warns if an extra file is neither in `carried` nor beside this file.

    Args:
        folder: The folder of the weights.
        carried: Result of `read_extra_files` when the model was loaded; empty for a new model.
    """
    for name in EXTRA_FILES:
        # The folder of a copy may hold the file of another model of the same name; `carried` is this model's.
        text = carried.get(name) or read_text(os.path.join(_HOME, name))
        if text is not None:
            write_text(os.path.join(folder, name), text)
            continue
        warnings.warn(
            f"expected {name} beside the model that was loaded, found none, so {folder} lacks it and an Inference "
            "Endpoint cannot serve it; copy it from a folder that kospan saved",
            stacklevel=4,
        )
    if not os.path.exists(os.path.join(folder, "requirements.txt")):
        write_text(os.path.join(folder, "requirements.txt"), REQUIREMENTS)


def read_text(path: str | os.PathLike) -> str | None:
    """A file's text; None if there is no file."""
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8") as file:
        return file.read()


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text to a temporary file and rename it, with the same bytes on every system."""
    temporary = f"{path}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def follow_umask(place: str | os.PathLike) -> None:
    """Give weights the mode that the umask gives to every other file.

    safetensors 0.8 writes a private file (0600) and renames it, so other users could not read a shared model. If modes
    cannot be changed, the files keep theirs.

    Args:
        place: A file, or a folder with `*.safetensors`.
    """
    folder = place if os.path.isdir(place) else os.path.dirname(os.path.abspath(place))
    paths = glob.glob(os.path.join(glob.escape(folder), "*.safetensors")) if folder == place else [place]
    # The umask can only be read by setting it, for all threads at once; a new file shows it too.
    probe = os.path.join(folder, f".mode-{os.getpid()}-{threading.get_ident()}")
    with contextlib.suppress(OSError):
        try:
            with open(probe, "wb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        finally:
            os.remove(probe)
        for path in paths:
            os.chmod(path, mode)


def make_tokenizer_portable(path: str) -> None:
    """Replace a tokenizer class that version 4 lacks in a saved config, and remove how the tokenizer was loaded."""
    with open(path, encoding="utf-8") as file:
        saved = json.load(file)
    settings = {key: value for key, value in saved.items() if key not in ("is_local", "local_files_only")}
    if settings.get("tokenizer_class") == "TokenizersBackend":
        settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    if settings != saved:
        write_text(path, json.dumps(settings, ensure_ascii=False, indent=2))
