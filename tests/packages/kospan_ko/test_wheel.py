"""The wheel of kospan-ko: its files, its licences, and the model that it contains."""

import configparser
import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
from installed_cases import site  # noqa: F401
from time_limits import SECONDS

import kospan
import kospan.runtime
from kospan.model_names import EXTRAS, GROUP

PACKAGE = Path(__file__).resolve().parents[3] / "packages" / "kospan_ko"


def settings(path: Path) -> configparser.ConfigParser:
    found = configparser.ConfigParser(interpolation=None)
    found.read(path, encoding="utf-8")
    return found


@pytest.fixture
def wheel(make_token_classifier, tmp_path):
    """A wheel of the package with a tiny model in place of its own, and the model."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "ko-*")
    copied = shutil.copytree(PACKAGE, tmp_path / "package", ignore=ignored)
    folder, model = copied / "src" / "kospan_ko" / "ko-ner", make_token_classifier(encoder_input="units")
    model.save_pretrained(folder)
    for path in folder.glob("*.py"):
        path.unlink()
    (folder / "ATTRIBUTION.md").write_text("sources\n", encoding="utf-8")
    code = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    command = [sys.executable, "-c", code, tmp_path]
    done = subprocess.run(command, cwd=copied, capture_output=True, encoding="utf-8", timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
    [path] = tmp_path.glob("*.whl")
    return path, model


def test_wheel_brings_the_model(wheel, site, texts):  # noqa: F811
    path, model = wheel
    zipfile.ZipFile(path).extractall(site)
    assert kospan.installed_models() == {"ko-ner": str(site / "kospan_ko" / "ko-ner")}
    found = kospan.load("ko-ner").extract(texts)
    assert [[span[:3] for span in spans] for spans in found] == [
        [span[:3] for span in spans] for spans in model.extract(texts)
    ]
    assert any(found)


def test_wheel_states_its_licences(wheel, site):  # noqa: F811
    zipfile.ZipFile(wheel[0]).extractall(site)
    [dist] = importlib.metadata.distributions(name="kospan-ko", path=[str(site)])
    named = dist.metadata["License-Expression"] or dist.metadata["License"]
    assert named == "Apache-2.0 AND CC-BY-SA-4.0"
    files = [file.name for file in dist.files if "licenses" in file.parts]
    assert {"LICENSE", "ATTRIBUTION.md"} <= set(files) or {"LICENSE", "ATTRIBUTION.md"} <= set(
        dist.metadata.get_all("License-File") or []
    )


def test_shipped_graph_finds_entities():
    if "ko-ner-onnx" not in kospan.installed_models():
        pytest.skip("needs kospan-ko: pip install -e packages/kospan_ko")
    model = kospan.runtime.load(kospan.model_path("ko-ner-onnx"))
    text = "정하윤 교수는 다음 주 금요일 오후 3시에 대구에서 강연한다."
    assert ("정하윤", "PS") in {(text[span.start : span.end], span.label) for span in model.extract(text)}


def test_names_and_extras_agree():
    own, root = settings(PACKAGE / "setup.cfg"), settings(PACKAGE.parents[1] / "setup.cfg")
    entries = dict(line.split(" = ") for line in own["options.entry_points"][GROUP].split("\n") if line)
    assert entries == dict.fromkeys(EXTRAS, "kospan_ko")
    for extra in EXTRAS.values():
        assert root["options.extras_require"][extra].split() == [f"kospan-{extra}>=0.1"]


def test_package_is_small_and_has_the_licence_of_kospan():
    files = [path for path in (PACKAGE / "src").rglob("*") if path.is_file()]
    assert sum(len(zlib.compress(path.read_bytes())) for path in files) <= 10_000_000
    assert (PACKAGE / "LICENSE").read_bytes() == (PACKAGE.parents[1] / "LICENSE").read_bytes()
