"""Calls that run code of a file's author, or may: none is in the sources, and the check finds each kind."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("kospan", "modeling", "packages", "space", "studies", "benchmarks")
# Modules that run code when they read, or expand entities without a limit.
MODULES = {"dill", "cloudpickle", "shelve", "marshal", "joblib", "xml", "runpy"}
# Functions that run code, unpack to names that the archive gives, or start a shell.
FUNCTIONS = {
    *("eval", "exec", "os.system", "os.popen", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "yaml.Loader"),
    *("pandas.read_pickle", "pd.read_pickle", "torch.hub.load", "shutil.unpack_archive", "tempfile.mktemp"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "torch.package.PackageImporter"),
}
METHODS = {"extractall", "unpack_archive"}
LOADERS = {"OnceLoader", "yaml.SafeLoader", "yaml.CSafeLoader", "SafeLoader"}
# Files that run code of a repository which the user has named for that, or that kospan has just written.
TRUSTING = {"kospan/hub/clean_environment.py", "space/app.py", "modeling/handler.py"}
# Passes the argument of the Python call on.
TRUSTING |= {"modeling/modeling_generative_ner.py"}
# Breaches that are safe in their place.
EXCEPTIONS = {
    # Objects between the processes of one cluster, which Ray itself exchanges as pickles.
    "kospan/corpus/ray_engine.py": {"call of pickle.loads"},
    # Its target refuses document types, without which XML has no entities to expand (test_labelstudio_config.py).
    "kospan/data/formats/labelstudio_config.py": {"import xml.etree", "a parser of XML that resolves entities"},
}


def name_of(node) -> str:
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else f"?.{'.'.join(reversed(parts))}"


def breaches(source: str, file: str = "kospan/x.py") -> list[str]:
    """Unsafe imports and calls, with their lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom) and node.module == "pickle":
                names += [f"{each.name} of pickle" for each in node.names if each.name != "UnpicklingError"]
            unsafe = [each for each in names if each.partition(".")[0] in MODULES or each.endswith("of pickle")]
            found += [f"{node.lineno}: import {each}" for each in unsafe]
        elif isinstance(node, ast.Call) and (problem := call_problem(node, file)):
            found.append(f"{node.lineno}: {problem}")
    return found


def call_problem(node: ast.Call, file: str) -> str | None:
    name = name_of(node.func)
    given = {each.arg: getattr(each.value, "value", ...) for each in node.keywords}
    if name in FUNCTIONS or (isinstance(node.func, ast.Attribute) and node.func.attr in METHODS):
        return f"call of {name}"
    if name == "torch.load" and given.get("weights_only") is not True:
        return "torch.load without weights_only=True"
    if name in ("np.load", "numpy.load") and given.get("allow_pickle", False) is not False:
        return "np.load with allow_pickle"
    if name == "yaml.load" and (len(node.args) < 2 or name_of(node.args[1]) not in LOADERS):
        return "yaml.load without a safe loader"
    if name.endswith("XMLParser") and (given.get("resolve_entities"), given.get("no_network")) != (False, True):
        return "a parser of XML that resolves entities"
    if name.startswith("etree.") and name.rpartition(".")[2] in ("fromstring", "parse", "XML") and len(node.args) < 2:
        return f"{name} without a parser"
    if given.get("shell", False) is not False:
        return "a shell"
    if given.get("trust_remote_code", False) is not False and file not in TRUSTING:
        return "trust_remote_code"
    return None


def sources() -> list[Path]:
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return [*found, ROOT / "train.py", ROOT / "push_to_hub.py"]


def test_no_source_runs_code_of_a_file():
    files = sources()
    assert len(files) > 250
    names = {path: path.relative_to(ROOT).as_posix() for path in files}
    found = {name: breaches(path.read_text(encoding="utf-8"), name) for path, name in names.items()}
    kinds = {name: {line.partition(": ")[2] for line in lines} for name, lines in found.items() if lines}
    assert kinds == EXCEPTIONS


@pytest.mark.parametrize(
    "source",
    [
        "import joblib",
        "from xml.etree import ElementTree",
        "from pickle import load",
        "import pickle\npickle.loads(data)",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=safe)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import yaml\nyaml.load(text)",
        "import yaml\nyaml.load(text, yaml.Loader)",
        "import yaml\nyaml.unsafe_load(text)",
        "import pandas as pd\npd.read_pickle(path)",
        "from lxml import etree\netree.fromstring(data)",
        "from lxml import etree\netree.XMLParser(no_network=True)",
        "archive.extractall(folder)",
        "import subprocess\nsubprocess.run(line, shell=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=recipe.trust)",
        "eval(text)",
    ],
)
def test_each_kind_is_found(source):
    assert len(breaches(source)) == 1, source


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\ntry: f()\nexcept pickle.UnpicklingError: pass",
        "import torch\ntorch.load(path, weights_only=True)",
        "import numpy as np\nnp.load(path, mmap_mode='r')",
        "import yaml\nyaml.load(text, OnceLoader)",
        "model.eval()",
        "AutoConfig.from_pretrained(name, trust_remote_code=False)",
    ],
)
def test_safe_calls_are_not(source):
    assert breaches(source) == []


def test_each_promise_names_tests_that_exist():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    promises = text.partition("## Promises")[2].partition("## Not promised")[0]
    items = re.split(r"^- ", promises, flags=re.MULTILINE)[1:]
    assert len(items) > 12
    for item in items:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", item)
        assert named, item
        for path, name in named:
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
            assert name in functions, (path, name)
