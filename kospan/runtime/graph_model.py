"""Base of exported models: the graph's session, config, tokenizer and batches."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from kospan.modeling.alignment import Aligner, aligner_settings
from kospan.modeling.character_ngrams import NGRAM_FILE, CharacterNgrams
from kospan.modeling.padded_batches import attention_mask, length_batches, padded_batch

from .tokenizer import FastTokenizer

# Version of the folder: files, inputs and outputs of the graph.
FORMAT_VERSION = 1
SETTINGS, GRAPH = "runtime.json", "model.onnx"
FORMAT_KEY = "kospan_format_version"
# Positions with padding that run at once: the states of larger batches do not fit a CPU's caches.
_POSITIONS = 512
# Its kernel for CPUs takes several times as long as the two operations that it replaces.
_DISABLED = ["SkipLayerNormFusion"]


class ExportedConfig(SimpleNamespace):
    """Config of a model, with its settings as attributes."""

    @classmethod
    def from_dict(cls, settings: Mapping) -> "ExportedConfig":
        """Build the config from the content of config.json."""
        encoder = SimpleNamespace(**settings["encoder_config"])
        labels = {int(at): label for at, label in settings["id2label"].items()}
        return cls(**{**settings, "encoder_config": encoder, "id2label": labels})

    @property
    def tags(self) -> list[str]:
        """Tag names by id."""
        return [self.id2label[at] for at in range(len(self.id2label))]

    @property
    def classes(self) -> list[str]:
        """Names of the classes by id."""
        return self.tags


class GraphModel:
    """Exported model; its methods may be called by several threads at once.

    Args:
        folder: Folder that `kospan export` wrote.
        settings: Content of its `runtime.json`.
        threads: Number of threads of a batch; None uses all cores.

    Attributes:
        config: The model's config.
        tokenizer: Its tokenizer.
        precision: "float32" or "int8".

    Raises:
        ValueError: If the graph has another format version than this code.
    """

    def __init__(self, folder: str | os.PathLike, settings: Mapping, threads: int | None = None):
        folder = Path(folder)
        self.precision = settings["precision"]
        with _whole(folder / "config.json") as path:
            self.config = ExportedConfig.from_dict(json.loads(path.read_text(encoding="utf-8")))
        with _whole(folder / "tokenizer.json") as path:
            tokenizer = Tokenizer.from_file(os.fspath(path))
        self.ngrams = None
        if getattr(self.config, "ngram_count", 0):
            with _whole(folder / NGRAM_FILE) as path:
                self.ngrams = CharacterNgrams.load(path, self.config.ngram_count)
        self.tokenizer = FastTokenizer(tokenizer, **settings["tokenizer"])
        self.aligner = Aligner(self.tokenizer, **aligner_settings(self.config, self.ngrams))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads or 0, 3
        with _whole(folder / GRAPH) as path:
            self._session = onnxruntime.InferenceSession(
                os.fspath(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=_DISABLED
            )
        found = self._session.get_modelmeta().custom_metadata_map.get(FORMAT_KEY)
        if found != str(FORMAT_VERSION):
            raise ValueError(
                f"expected a graph of format version {FORMAT_VERSION} in {folder / GRAPH}, got "
                f"{found or 'a graph without one'}; export the model again with this version of kospan"
            )
        self._inputs = [each.name for each in self._session.get_inputs()]

    def evaluating(self):
        """Return a context without effect, in place of the evaluation mode of models in torch."""
        return contextlib.nullcontext()

    def window_batches(
        self, features: Sequence[Mapping], batch_size: int
    ) -> Iterator[tuple[list[int], dict[str, np.ndarray]]]:
        """Yield batches of windows with the indices of their windows, sorted by length.

        A graph in int8 scales the values of a batch by the largest of them, so each window is a batch of its own.

        Args:
            features: Inputs of each window.
            batch_size: Maximum number of windows.
        """
        lengths = [len(window["input_ids"]) for window in features]
        for chosen in length_batches(lengths, 1 if self.precision == "int8" else batch_size, _POSITIONS):
            batch = padded_batch([features[at] for at in chosen], self.tokenizer.pad_token_id or 0)
            yield chosen, batch | {"attention_mask": attention_mask([lengths[at] for at in chosen])}

    def run(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Run the graph on a batch and return its output, float32."""
        return self._session.run(None, {name: batch[name] for name in self._inputs})[0]


def check_file(path: Path) -> None:
    """Check that a file of an exported model exists.

    Raises:
        FileNotFoundError: If it does not.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"expected an exported model in {path.parent}, found no {path.name} there; `kospan export MODEL "
            f"{path.parent}` writes one"
        )


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Turn an error in a block that reads a file into a ValueError that names the file.

    Libraries raise errors of their own types where a file is damaged.

    Raises:
        FileNotFoundError: As `check_file`.
    """
    check_file(path)
    try:
        yield path
    except Exception as error:
        raise ValueError(
            f"expected a whole file {path.name} in {path.parent}, got one that cannot be read "
            f"({' '.join(str(error).split())[:200]}); export the model again"
        ) from error
