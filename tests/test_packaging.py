"""The package as users install it: a wheel in a clean environment, an editable install, and a clone alone."""

import ast
import configparser
import importlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from time_limits import SECONDS

ROOT = Path(__file__).resolve().parent.parent
PUBLIC = (
    "Span, CRF, KospanForTokenClassification, KospanForQuestionAnswering, KospanForSequenceClassification, "
    "KospanGenerativeNER, KospanTrainer, build_trainer, train, evaluate, predict, load, mask, installed_models, "
    "model_path, __version__"
)
# Loads a saved folder through the Auto classes without trust_remote_code, in an order of imports.
LOAD = """
import json, sys
folder, text = sys.argv[1:]
{imports}
model = AutoModel.from_pretrained(folder)
assert type(model).__module__ == "kospan.modeling.modeling_token_classification", type(model)
assert type(AutoModelForTokenClassification.from_pretrained(folder)) is type(model)
assert "modeling" not in sys.modules
print("FOUND" + json.dumps([list(span) for span in model.extract(text)]))
"""
AUTO = "from transformers import AutoModel, AutoModelForTokenClassification\n"
ORDERS = {
    "transformers first": AUTO + "import kospan.modeling\n",
    "pipeline after kospan.modeling": "import kospan.modeling\nfrom transformers import pipeline\n" + AUTO,
    "a class of kospan": "import kospan; kospan.KospanForTokenClassification\n" + AUTO,
    "a module of the models": "import kospan.modeling.configuration_kospan, kospan.modeling.encoders\n" + AUTO,
    "kospan.modeling first": "import kospan.modeling\nfrom transformers import AutoConfig\n"
    "AutoConfig.from_pretrained(folder)\n" + AUTO,
}


def run(command: list, cwd: Path, **settings) -> subprocess.CompletedProcess:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PIP_"))}
    environment |= {"PYTHONUTF8": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        **settings,
    )


def output(command: list, cwd: Path) -> str:
    done = run(command, cwd)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """The tracked files that an installation needs."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("kospan", "modeling"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def build(clone, tmp_path_factory):
    """Builds a wheel: "build_wheel" or "build_editable"."""

    def make(kind: str) -> Path:
        target = tmp_path_factory.mktemp(kind)
        code = f"import sys; from setuptools import build_meta; build_meta.{kind}(sys.argv[1])"
        output([sys.executable, "-c", code, target], clone)
        [path] = target.glob("*.whl")
        return path

    return make


@pytest.fixture(scope="module")
def wheel(build) -> Path:
    return build("build_wheel")


@pytest.fixture(scope="module")
def install(tmp_path_factory):
    """Installs a wheel into an environment that sees the packages of this one, but not its kospan; gives its Python."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    own = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    packages = [path for path in sys.path if any(Path(path).glob("*.dist-info"))]
    # Lines of a .pth file are no site folders: an editable kospan in them is not seen.
    Path(own, "packages.pth").write_text("\n".join(packages) + "\n", encoding="utf-8")

    def run_pip(path: Path) -> Path:
        for old in Path(own).glob("kospan*"):
            shutil.rmtree(old)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps", "--no-index"]
        output([*pip, "--ignore-installed", path], folder)
        return python

    return run_pip


@pytest.fixture
def saved(make_token_classifier, texts, tmp_path) -> tuple[Path, str, list]:
    """A model's folder, a text, and the spans in it."""
    model = make_token_classifier(encoder_input="units")
    model.save_pretrained(tmp_path / "model")
    spans = [list(span) for span in model.extract(texts[0])]
    assert spans, "no spans would prove nothing"
    return tmp_path / "model", texts[0], spans


# --- contents ---------------------------------------------------------------------------------------------------------


def test_setup_lists_every_package():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = config["options"]["packages"].split()
    packages = {".".join(path.parent.relative_to(ROOT).parts) for path in ROOT.glob("kospan/**/__init__.py")}
    assert listed == sorted({*packages, "kospan.modeling"})


def test_wheel_has_one_package_with_all_files(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"kospan", next(n for n in names if "METADATA" in n).split("/")[0]}
    expected = {
        f"kospan/{path.relative_to(ROOT / 'kospan').as_posix()}"
        for path in ROOT.glob("kospan/**/*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    expected |= {f"kospan/modeling/{path.name}" for path in ROOT.glob("modeling/*.py")}
    assert expected == {name for name in names if name.startswith("kospan/")}
    assert "kospan/py.typed" in names


def test_no_file_imports_the_folder_of_the_models():
    """`modeling` beside `kospan.modeling` would be a second copy of every class."""
    files = [*ROOT.glob("*.py")]
    for folder in ("kospan", "modeling", "space", "benchmarks", "studies", "tests", "notebooks", "docs"):
        files += ROOT.glob(f"{folder}/**/*.py")
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            assert not [name for name in names if name.split(".")[0] == "modeling"], f"{path}:{node.lineno}"


def test_this_process_holds_one_copy_of_the_models():
    assert importlib.import_module("kospan.modeling.modeling_token_classification")
    assert "modeling" not in sys.modules and "modeling.crf" not in sys.modules


# --- installations ----------------------------------------------------------------------------------------------------


def test_wheel_in_a_clean_environment(install, wheel, saved, tmp_path):
    installed = install(wheel)
    folder, text, spans = saved
    code = f"import kospan\nfrom kospan import {PUBLIC}\nprint(kospan.__file__, __version__, Span(0, 1, 'PS').label)"
    place, version, label = output([installed, "-c", code], tmp_path).split()
    assert Path(place).is_relative_to(installed.parent.parent) and (version, label) == ("0.1.0", "PS")
    bare = "import kospan, sys; dir(kospan); assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)"
    output([installed, "-c", bare], tmp_path)
    failed = run([installed, "-c", "import modeling"], tmp_path)
    assert failed.returncode == 1 and "No module named 'modeling'" in failed.stderr
    for command in ([installed.parent / "kospan"], [installed, "-m", "kospan"]):
        assert "usage: kospan" in output([*command, "--help"], tmp_path)
    (tmp_path / "texts.txt").write_text(text + "\n", encoding="utf-8")
    [line] = output([installed, "-m", "kospan", "predict", folder, "texts.txt"], tmp_path).splitlines()
    assert [[span["start"], span["end"], span["label"]] for span in json.loads(line)["spans"]] == [
        span[:3] for span in spans
    ]


def test_editable_install(clone, build, install, tmp_path):
    python = install(build("build_editable"))
    code = "import kospan.modeling.alignment as one; from kospan import Span; print(one.__file__)"
    assert Path(output([python, "-c", code], tmp_path).strip()) == clone / "modeling" / "alignment.py"


def test_clone_that_is_not_installed_says_so(clone):
    failed = run([sys.executable, "-S", "-c", "import kospan"], clone)
    assert failed.returncode == 1
    message = "expected an installed kospan, got the folder kospan/ of a clone; run `pip install -e .` in the clone"
    assert failed.stderr.rstrip().splitlines()[-1] == f"ImportError: {message}"


# --- registration -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
def test_auto_classes_know_the_models_in_any_order_of_imports(order, saved, tmp_path):
    folder, text, spans = saved
    found = output([sys.executable, "-c", LOAD.format(imports=ORDERS[order]), folder, text], tmp_path)
    for theirs, ours in zip(json.loads(found.rpartition("FOUND")[2]), spans, strict=True):
        assert theirs[:3] == ours[:3] and theirs[3] == pytest.approx(ours[3], abs=1e-5)


def test_alignment_needs_no_torch(tmp_path):
    code = "import sys, kospan.modeling.alignment, kospan.modeling.tags; print('torch' in sys.modules)"
    assert output([sys.executable, "-c", code], tmp_path) == "False\n"
