"""The served model, the line in front of it, and the results of requests, without a browser."""

import json
import shutil
import subprocess
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import app
import pytest
import token_classification as tabs
from documents import DOCUMENT_CHARACTERS
from huggingface_hub import metadata_load
from installed_cases import install, site  # noqa: F401
from page import build_page
from served import Line, Served, ServedTokenClassification
from space_cases import KOREAN
from texts import InputError
from time_limits import SECONDS

ROOT = Path(__file__).resolve().parents[2]


# --- which model ------------------------------------------------------------------------------------------------------


def test_the_model_comes_from_the_flag_the_file_the_package_or_the_quickstart(site, tmp_path):  # noqa: F811
    here, quickstart = tmp_path / "space", tmp_path / "quickstart"
    here.mkdir()
    with pytest.raises(ValueError, match=r"^expected a model in --model.*accelerate launch train\.py"):
        app.settings_from(None, here, quickstart)
    quickstart.mkdir()
    (quickstart / "config.json").write_text("{}", encoding="utf-8")
    assert app.settings_from(None, here, quickstart) == {"model": str(quickstart)}
    folder = install(site, "kospan-ko", "ko-ner")
    assert app.settings_from(None, here, quickstart) == {"model": str(quickstart)}, "the package has no model"
    (folder / "config.json").write_text("{}", encoding="utf-8")
    assert app.settings_from(None, here, quickstart) == {"model": "ko-ner"}
    (here / "space.json").write_text(json.dumps({"model": "user/name", "examples": ["가"]}), encoding="utf-8")
    assert app.settings_from(None, here, quickstart)["model"] == "user/name"
    assert app.settings_from("folder", here, quickstart) == {"model": "folder", "examples": ["가"]}


@pytest.mark.parametrize("text", ["{", "[]", '{"model": 3}', "{}"])
def test_a_malformed_space_json_is_named(tmp_path, text):
    (tmp_path / "space.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"space\.json: expected .*(correct it|name the model in it)$"):
        app.settings_from(None, tmp_path, tmp_path)


def test_without_a_model_it_ends_with_one_line(tmp_path):
    """A copy of the page with its own model code, as when it is published: no model of a package is served."""
    (tmp_path / "space" / "kospan").mkdir(parents=True)
    (tmp_path / "space" / "kospan" / "__init__.py").write_text("", encoding="utf-8")
    for name in ("app.py", "installed.py"):
        (tmp_path / "space" / name).write_text((ROOT / "space" / name).read_text(encoding="utf-8"), encoding="utf-8")
    command = [sys.executable, tmp_path / "space" / "app.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.count("\n") == 1 and "train.py recipes/quickstart.yaml" in done.stderr


def test_what_is_no_model_of_ours_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"^expected --model to be a folder, an installed model or a name .*nowhere"):
        app.load_model(str(tmp_path / "nowhere"))
    (tmp_path / "config.json").write_text('{"model_type": "no-such-model"}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"^expected --model"):
        app.load_model(str(tmp_path))


def test_a_tokenizer_must_lie_beside_the_model(ner_folder, tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((ner_folder / name).read_bytes())
    with pytest.raises(ValueError, match=r"^expected a tokenizer beside the model"):
        app.load_model(str(tmp_path))


def test_an_installed_model_is_served_by_its_name(site, ner_folder, ner_model):  # noqa: F811
    shutil.copytree(ner_folder, install(site, "kospan-ko", "ko-ner"), dirs_exist_ok=True)
    served = ServedTokenClassification(app.load_model("ko-ner"), "ko-ner")
    assert served.extract([KOREAN]) == ServedTokenClassification(ner_model, "tiny").extract([KOREAN])
    assert served.loading == "import kospan\n\nmodel = kospan.load('ko-ner')\n"
    assert "AutoModel.from_pretrained('tiny'" in ServedTokenClassification(ner_model, "tiny").loading


def test_flags():
    assert app.arguments_from(["--share", "true", "--port", "80"]).share is True
    with pytest.raises(SystemExit):
        app.arguments_from(["--share", "maybe"])


@pytest.mark.parametrize("published", [True, False])
def test_a_published_space_imports_its_own_model_code(tmp_path, published):
    """One copy of the model code, never two: the Space's own where it has one, else the installed package's."""
    here = tmp_path / "space"
    here.mkdir()
    (here / "app.py").write_text((ROOT / "space" / "app.py").read_text(encoding="utf-8"), encoding="utf-8")
    package = (here / "kospan" if published else ROOT) / "modeling"
    if published:
        package.mkdir(parents=True)
        for path in (package / "__init__.py", package.parent / "__init__.py"):
            path.write_text("", encoding="utf-8")
    code = "import app, sys, kospan.modeling; print(kospan.modeling.__file__, 'modeling' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, timeout=SECONDS)
    place, flat = done.stdout.split()
    assert Path(place).resolve() == (package / "__init__.py").resolve() and flat == "False", done.stderr


def test_versions_are_those_that_are_tested():
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split() if "==" in line
    )
    card = metadata_load(ROOT / "space" / "README.md")
    assert card["sdk"] == "gradio" and card["sdk_version"] == pinned["gradio"]
    assert (ROOT / "space" / card["app_file"]).is_file() and card["title"] and card["license"] == "apache-2.0"
    for line in (ROOT / "space" / "requirements.txt").read_text(encoding="utf-8").splitlines():
        name, _, version = line.partition("==")
        assert line.startswith("#") or pinned[name] == version


def test_every_kind_of_model_has_a_module_with_build():
    import importlib

    for module in app.TABS.values():
        tabs = importlib.import_module(module)
        assert callable(tabs.build) and issubclass(tabs.serves, Served)


def test_guarantees_are_stated_in_the_language_of_the_page(ner_model):
    wording = {"en": "at least 95 % <found>", "ko": "95% 이상"}
    points = {"recall-0.95": {"guarantee": {"wording": wording}}}
    shown = tabs.guarantees(points, "en")
    assert "at least 95 % &lt;found&gt;" in shown and "operating_point=&#x27;recall-0.95&#x27;" in shown
    assert "95% 이상" in tabs.guarantees(points, "ko")
    config = types.SimpleNamespace(**vars(ner_model.config), tags=ner_model.config.tags)
    config.operating_points = points
    model = types.SimpleNamespace(config=config, extract=ner_model.extract, inspect=ner_model.inspect)
    for served, expected in ((model, True), (ner_model, False)):
        blocks = build_page(ServedTokenClassification(served, "tiny"), tabs.build)
        assert any(getattr(block, "elem_id", "") == "guarantees" for block in blocks.blocks.values()) == expected


# --- the line ---------------------------------------------------------------------------------------------------------


def test_a_full_line_refuses_and_opens_again():
    line, go = Line(places=3), threading.Event()
    with ThreadPoolExecutor(4) as pool:
        inside = threading.Event()

        def work(number: int) -> int:
            inside.set()
            go.wait(SECONDS)
            return number

        waiting = [pool.submit(line.call, work, number) for number in range(3)]
        inside.wait(SECONDS)
        # All three hold a place once none is left to take.
        while line._places.acquire(blocking=False):
            line._places.release()
        with pytest.raises(InputError) as caught:
            line.call(work, 9)
        assert caught.value.key == "busy"
        patient = pool.submit(line.call, work, 10, patient=True)
        go.set()
        assert [each.result(SECONDS) for each in waiting] == [0, 1, 2] and patient.result(SECONDS) == 10
    assert line.call(len, "four") == 4


def test_one_thread_runs_all_calls():
    """A loaded model is used by one caller at a time: `inspect` switches the attention's implementation."""
    line = Line(places=20)
    with ThreadPoolExecutor(8) as pool:
        threads = set(pool.map(lambda _: line.call(threading.get_ident), range(200)))
    assert len(threads) == 1 and threading.get_ident() not in threads


def test_a_failure_inside_is_said_politely_and_logged(caplog):
    line = Line(places=1)
    for _ in range(3):
        with pytest.raises(InputError) as caught:
            line.call(lambda: 1 / 0)
        assert caught.value.key == "failed"
    assert "ZeroDivisionError" in caplog.text


# --- a request --------------------------------------------------------------------------------------------------------

STRANGE = {
    "control characters": "".join(map(chr, range(32))) + "\x7f\x80\x9f",
    "right to left": "서울 \u202eabc\u202c \u2067مرحبا\u2069 \u200f",
    "joiners": "👨\u200d👩\u200d👧\u200d👦 क\u094d\u200dष \u200b\ufeff",
    "half surrogate": "가\ud83d나\ude00",
    "composed in the end": "e" + "\u0301" * 3000,
    "decomposed Hangul": "\u1109\u1165\u110b\u116e\u11af" * 100,
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>" * 100,
    "spaces": " \n\t\u3000" * 50,
    "last planes": "\U0010ffff\U000e0001\ue000\uffff",
    "empty": "",
    "longest": "이재용 " * (DOCUMENT_CHARACTERS // 4),
    "a megabyte of emoji": "😀" * 262_144,
    "100 kB of HTML": "<div onclick=alert(1)>" * 4600,
}


@pytest.mark.parametrize("name", STRANGE)
def test_any_text_gives_an_answer_or_a_refusal(ner_model, name):
    text = STRANGE[name]
    found = tabs.find(ServedTokenClassification(ner_model, "tiny"), text)
    if len(text) > DOCUMENT_CHARACTERS:
        assert found == {
            "text": "",
            "spans": [],
            "refused": ("too_long", {"got": len(text), "most": DOCUMENT_CHARACTERS}),
        }
        return
    assert found["refused"] is None and len(found["text"]) == len(text)
    json.dumps(found, ensure_ascii=False).encode("utf-8")
    assert all(0 <= start < end <= len(text) for start, end, _, _ in found["spans"])
    if "surrogate" not in name:
        assert [tuple(span) for span in ner_model.extract(text)] == [
            tuple(span) for span in found["spans"]
        ] or not text.strip()


def test_invalid_offsets_fall_back_to_the_first_span(ner_model):
    result = {"text": "가나다", "spans": [(1, 2, "PS", 0.5)], "refused": None}
    for place in (None, "", "2-1", "5-9", "-1", "a-b", "1-2-3"):
        assert tabs._offsets(place, result) == (1, 2)
    assert tabs._offsets("0-3", result) == (0, 3)
    assert tabs._offsets(None, {"text": "", "spans": [], "refused": None}) == (0, 0)
