"""Files of an exported model: graph, config, tokenizer, settings, and the runtime as a package of its own."""

import json
import os
import re
import shutil
from pathlib import Path

import onnx

import kospan
import kospan.modeling
import kospan.runtime
from kospan.runtime.graph_model import FORMAT_VERSION, GRAPH, SETTINGS

PACKAGE = "kospan_runtime"
# Graphs above this many bytes have their weights in a file beside them: protobuf holds at most 2 GiB.
LARGEST_GRAPH = 2**31 - 2**20
_MODELING = re.compile(r"^from (?:kospan\.modeling)?\.(\w+) import ", re.MULTILINE)
# Keys of a config that only transformers reads, or that name a folder of this machine.
_UNUSED_KEYS = ("_name_or_path", "auto_map", "custom_pipelines", "architectures", "dtype", "transformers_version")


def write_folder(model, folder: Path, graph: onnx.ModelProto, precision: str) -> None:
    """Write the files of an exported model.

    Args:
        model: The model in torch.
        folder: An existing folder.
        graph: Its graph.
        precision: "float32" or "int8".
    """
    large = graph.ByteSize() > LARGEST_GRAPH
    onnx.save_model(graph, folder / GRAPH, save_as_external_data=large, location=f"{GRAPH}.data" if large else None)
    config = {key: value for key, value in model.config.to_dict().items() if key not in _UNUSED_KEYS}
    _write_json(folder / "config.json", config)
    model.tokenizer.backend_tokenizer.save(os.fspath(folder / "tokenizer.json"))
    if model.ngrams is not None:
        model.ngrams.save(folder)
    settings = {
        "format_version": FORMAT_VERSION,
        "kospan_version": kospan.__version__,
        "model_type": model.config.model_type,
        "precision": precision,
        "tokenizer": {name: getattr(model.tokenizer, name) for name in ("pad_token_id", "unk_token_id")},
    }
    if hasattr(model, "head"):
        crf = model.head.crf
        names = ("start", "start_transitions"), ("transitions", "transitions"), ("end", "end_transitions")
        settings["chain"] = {name: getattr(crf, own).detach().float().cpu().tolist() for name, own in names}
    _write_json(folder / SETTINGS, settings)
    copy_runtime(folder / PACKAGE)


def _write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def copy_runtime(folder: Path) -> None:
    """Copy `kospan.runtime` and the modules of `kospan.modeling` that it needs into a flat package."""
    folder.mkdir(exist_ok=True)
    sources = {path.stem: path for path in Path(kospan.runtime.__file__).parent.glob("*.py")}
    modeling = Path(kospan.modeling.__file__).parent
    new = list(sources)
    while new:
        text = sources[new.pop()].read_text(encoding="utf-8")
        needed = [name for name in _MODELING.findall(text) if name not in sources]
        sources |= {name: modeling / f"{name}.py" for name in needed}
        new += needed
    for name, path in sources.items():
        text = path.read_text(encoding="utf-8").replace("from kospan.modeling.", "from .")
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    license_file = Path(kospan.__file__).parent.parent / "LICENSE"
    if license_file.is_file():
        shutil.copyfile(license_file, folder / "LICENSE")
