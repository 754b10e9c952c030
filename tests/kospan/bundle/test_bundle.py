"""Bundles from a stub index: written, resumed, verified, and installed without an index."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest
from bundle_cases import ROOT, stub_index, write_wheel
from time_limits import SECONDS

from kospan.bundle import wheelhouse
from kospan.bundle.checksums import file_hash, verify
from kospan.bundle.command import bundle
from kospan.bundle.target import Target
from kospan.bundle.wheels import own_wheel, read_wheel
from kospan.cli import main

pytestmark = pytest.mark.optional("cyclonedx", "bundle")


@pytest.fixture(scope="module")
def stubs(tmp_path_factory) -> Path:
    return stub_index(tmp_path_factory.mktemp("index") / "stubs", ("serve",))


@pytest.fixture
def index(stubs, tmp_path, monkeypatch) -> Path:
    """A copy of the stubs, which pip takes for the only index."""
    found = shutil.copytree(stubs, tmp_path / "stubs")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    settings = {"NO_INDEX": "1", "FIND_LINKS": str(found), "CONFIG_FILE": os.devnull, "NO_BUILD_ISOLATION": "false"}
    for name, value in settings.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    (tmp_path / "constraints.txt").write_text("", encoding="utf-8")
    return found


def write(tmp_path, out="bundle", **settings) -> list[str]:
    lines: list[str] = []
    bundle(tmp_path / out, constraints=tmp_path / "constraints.txt", say=lines.append, **settings)
    return lines


def names(folder: Path) -> set[str]:
    return {read_wheel(path).name for path in (folder / "wheelhouse").glob("*.whl")}


@pytest.fixture(scope="module")
def written(stubs, tmp_path_factory):
    """A bundle with an extra and a model, and what the command printed."""
    folder = tmp_path_factory.mktemp("written")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            patch.delenv(name)
        for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(stubs), "CONFIG_FILE": os.devnull}.items():
            patch.setenv(f"PIP_{name}", value)
        patch.setenv("PIP_NO_BUILD_ISOLATION", "false")
        (folder / "constraints.txt").write_text("click<9999\n", encoding="utf-8")
        model = ROOT / "packages" / "kospan_ko" / "src" / "kospan_ko" / "ko-ner"
        lines = write(folder, extras=["serve"], models=[str(model)])
    return folder / "bundle", lines


def test_the_files_of_a_bundle(written):
    folder, lines = written
    assert {path.name for path in folder.iterdir()} == {
        *("wheelhouse", "models", "requirements.txt", "sbom.cdx.json", "SHA256SUMS", "INSTALL.md", "INSTALL.ko.md"),
    }
    assert verify(folder) == len([path for path in folder.rglob("*") if path.is_file()]) - 1
    assert {"kospan", "kospan-ko", "torch", "fastapi"} <= names(folder) and "gradio" not in names(folder)
    assert not list(folder.parent.glob(".*")) and file_hash(folder / "SHA256SUMS") in lines[-1]
    assert (folder / "models" / "ko-ner" / "model.safetensors").is_file()
    for name, word in (("INSTALL.md", "--require-hashes"), ("INSTALL.ko.md", "설치")):
        text = (folder / name).read_text(encoding="utf-8")
        assert word in text and "kospan predict models/ko-ner" in text and "{{" not in text


def test_the_bill_of_materials(written):
    folder, _ = written
    bill = json.loads((folder / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    components = {each["name"]: each for each in bill["components"]}
    assert set(components) == names(folder) | {"ko-ner"}
    for path in (folder / "wheelhouse").glob("*.whl"):
        wheel = read_wheel(path)
        found = components[wheel.name]
        assert found["purl"] == f"pkg:pypi/{wheel.name}@{quote(wheel.version)}"
        assert found["hashes"] == [{"alg": "SHA-256", "content": file_hash(path)}]
    assert components["torch"]["licenses"] == [{"license": {"id": "MIT"}}]
    edges = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
    version = components["kospan"]["version"]
    assert components["torch"]["purl"] in edges[f"pkg:pypi/kospan@{version}"]
    assert edges[f"pkg:pypi/kospan-ko@{version}"] == [f"pkg:pypi/kospan@{version}"]


def test_it_installs_without_an_index_and_predicts(written, tmp_path):
    folder, _ = written
    venv.create(tmp_path / "new", with_pip=True)
    python = tmp_path / "new" / ("Scripts" if os.name == "nt" else "bin") / "python"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "PYTHON"))}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "HF_HUB_OFFLINE": "1", "PIP_INDEX_URL": "http://127.0.0.1:9/"}
    settings = {"cwd": folder, "capture_output": True, "encoding": "utf-8", "timeout": SECONDS}
    [line] = [each.strip() for each in (folder / "INSTALL.md").read_text().splitlines() if "pip install" in each]
    words = [python, "-m", *line.split()]
    done = subprocess.run(words, env=environment, **settings)
    assert done.returncode == 0, done.stderr
    # The stubs hold no modules: those of this environment are imported, but not its kospan.
    own = sysconfig.get_path("purelib", vars={"base": str(tmp_path / "new"), "platbase": str(tmp_path / "new")})
    packages = [path for path in sys.path if any(Path(path).glob("*.dist-info"))]
    Path(own, "packages.pth").write_text("\n".join(packages) + "\n", encoding="utf-8")
    (tmp_path / "texts.txt").write_text("정하윤 교수는 대구에서 강연한다.\n", encoding="utf-8")
    for model in ("ko-ner", "models/ko-ner"):
        words = [python, "-m", "kospan", "predict", model, tmp_path / "texts.txt"]
        done = subprocess.run(words, env=environment, **settings)
        assert done.returncode == 0, done.stderr
        assert '"label": "PS"' in done.stdout
    # A file that was exchanged is not installed.
    copy = shutil.copytree(folder, tmp_path / "copy")
    [path] = (copy / "wheelhouse").glob("regex-*.whl")
    write_wheel(copy / "wheelhouse", "regex", read_wheel(path).version, requires=["evil"])
    words = [python, "-m", *line.split(), "--force-reinstall", "--no-deps"]
    done = subprocess.run(words, env=environment, **settings | {"cwd": copy})
    assert path.is_file() and done.returncode != 0 and "DO NOT MATCH THE HASHES" in done.stderr


def test_an_interrupted_call_continues(index, tmp_path, monkeypatch):
    fetched, fetch = [], wheelhouse.Wheelhouse._fetch_batch

    def failing(self, command, packages):
        if len(fetched) == 2:
            raise KeyboardInterrupt
        fetched.append({package.name for package in packages})
        fetch(self, command, packages)

    monkeypatch.setattr(wheelhouse.Wheelhouse, "_fetch_batch", failing)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path)
    assert not (tmp_path / "bundle").exists()
    first, fetched[:] = set.union(*fetched), []
    # A package or a model that is no longer needed is removed, and a part of a file is not kept.
    write_wheel(tmp_path / ".bundle.partial" / "wheelhouse", "stale")
    (tmp_path / ".bundle.partial" / "models" / "stale").mkdir(parents=True)
    (tmp_path / ".bundle.partial" / "models" / "stale" / "model.safetensors").touch()
    (tmp_path / ".bundle.partial" / "wheelhouse" / ".fetching-x").mkdir()
    monkeypatch.setattr(
        wheelhouse.Wheelhouse,
        "_fetch_batch",
        lambda self, command, packages: (
            fetched.append({each.name for each in packages}),
            fetch(self, command, packages),
        ),
    )
    write(tmp_path)
    assert len(first) == 16 and not first & set.union(*fetched)
    assert first | set.union(*fetched) | {"kospan", "kospan-ko"} == names(tmp_path / "bundle")
    verify(tmp_path / "bundle")
    assert not (tmp_path / "bundle" / "models").exists()
    with pytest.raises(FileExistsError, match=r"expected a new folder, found .*bundle; name another one"):
        write(tmp_path)


def test_another_platform(index, tmp_path):
    for path in index.glob("numpy-*"):
        path.unlink()
    tags = ("cp312-cp312-win_amd64", "cp311-cp311-win_amd64", "cp312-cp312-manylinux_2_17_x86_64")
    for tag in tags:
        write_wheel(index, "numpy", tag=tag)
    # pip's markers are those of this machine: the first would be missing, the second too many.
    markers = ['only-windows; sys_platform == "win32"', 'only-posix; os_name == "posix"']
    write_wheel(index, "rich", version="10000.0", requires=[*markers, 'old; python_version < "3.12"'])
    write_wheel(index, "only-windows", requires=["more"])
    write_wheel(index, "more")
    write_wheel(index, "only-posix")
    write_wheel(index, "old")
    write(tmp_path, "windows", target=Target("win_amd64", "3.12"))
    assert [path.name for path in (tmp_path / "windows" / "wheelhouse").glob("numpy*")] == [
        f"numpy-9999.0-{tags[0]}.whl"
    ]
    found = names(tmp_path / "windows")
    assert {"only-windows", "more"} <= found and not {"only-posix", "old"} & found
    with pytest.raises(ValueError, match=r"expected pip install to succeed, got: .*numpy"):
        write(tmp_path, "mac", target=Target("macosx_14_0_arm64", "3.12"))


def test_mistakes(index, tmp_path, capsys):
    words = ["bundle", str(tmp_path / "a"), "--constraints", str(tmp_path / "constraints.txt")]
    for extra, message in (
        (["--extra", "srve"], "expected --extra to be one of bundle, "),
        (["--platform", "amiga"], "expected --platform to be a tag of wheels"),
        (["--constraints", str(tmp_path / "none.txt")], "expected a constraints file at"),
        (["--model", str(tmp_path / "stubs")], "expected a model with weights"),
    ):
        assert main([*words, *extra]) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "constraints.txt").write_text("torch==1.0\n", encoding="utf-8")
    assert main(words) == 2
    message = capsys.readouterr().err
    assert "expected pip install to succeed, got: " in message and "torch" in message


def test_a_model_with_pickles_is_refused(index, make_token_classifier, tmp_path):
    from kospan.bundle.models import add_models

    make_token_classifier().save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "weights.pt").touch()
    with pytest.raises(ValueError, match="expected safetensors alone"):
        add_models([str(tmp_path / "model")], tmp_path / "models", print)
    (tmp_path / "model" / "weights.pt").unlink()
    assert set(add_models([str(tmp_path / "model")], tmp_path / "models", print)) == {"model"}
    with pytest.raises(ValueError, match="expected models with different names, got model twice"):
        add_models([str(tmp_path / "model")] * 2, tmp_path / "models", print)
    with pytest.raises(FileNotFoundError, match="expected a folder or a model on the Hub at kim/none"):
        add_models(["kim/none"], tmp_path / "models", print)


def test_metadata_of_a_build_in_the_working_folder_are_no_installation(tmp_path, monkeypatch):
    folder = tmp_path / "checkout" / "kospan.egg-info"
    folder.mkdir(parents=True)
    (folder / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: kospan\nVersion: 0.1.0\n", encoding="utf-8")
    (folder / "SOURCES.txt").write_text("setup.cfg\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder.parent))
    assert read_wheel(own_wheel("kospan", tmp_path)).name == "kospan"


def test_the_wheel_of_an_installed_copy_equals_the_built_one(index, tmp_path, monkeypatch):
    built = own_wheel("kospan", tmp_path)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(tmp_path / "site"),
            str(built),
        ],
        check=True,
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (tmp_path / "packed").mkdir()
    packed = own_wheel("kospan", tmp_path / "packed")
    with zipfile.ZipFile(built) as one, zipfile.ZipFile(packed) as other:
        contents = [{name: file.read(name) for name in file.namelist()} for file in (one, other)]
    records = [sorted(each.pop(next(name for name in each if name.endswith("RECORD"))).split()) for each in contents]
    assert contents[0] == contents[1] and len(contents[0]) > 200
    assert records[0] == records[1]
    assert read_wheel(packed)[1:] == read_wheel(built)[1:]
