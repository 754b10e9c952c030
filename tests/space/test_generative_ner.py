"""A generator behind the page, as an adapter and merged: what a visitor asks it, without a browser."""

import pytest
from release_cases import save_generative_run

from kospan.conversion.merge import merge


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The folder of an adapter, and that of the merged model."""
    home = tmp_path_factory.mktemp("generator")
    adapter, base = save_generative_run(home)
    path = adapter / "adapter_config.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"kim/tiny"', f'"{base.as_posix()}"'), encoding="utf-8")
    merge(str(adapter), home / "merged")
    return {"adapter": adapter, "merged": home / "merged"}


@pytest.mark.parametrize("kind", ["adapter", "merged"])
def test_generative_model_is_served_without_the_view_of_inner_values(kind, folders):
    import generative_ner
    from app import TABS, load_model
    from page import build_page
    from token_classification import find

    model = load_model(str(folders[kind]))
    assert TABS[model.config.model_type] == "generative_ner"
    served = generative_ner.serves(model, "mina/generator")
    assert served.labels == ["LC", "PS"] and served.facts == [("labels", {"count": 2})]
    text = "이재용 회장이 서울에서 회의를 열었다."
    [expected] = model.extract([text])
    result = find(served, text)
    assert result["spans"] == [tuple(span) for span in expected] and result["refused"] is None
    blocks = build_page(served, generative_ner.build)
    tabs = {block.id: block.visible for block in blocks.blocks.values() if type(block).__name__ == "Tab"}
    assert "inside" not in tabs and tabs["table"] and tabs["file"]


def test_the_code_that_is_shown_finds_the_same(folders):
    from served import ServedGenerativeNER, ServedTokenClassification
    from views import as_python

    code = as_python(ServedGenerativeNER(None, str(folders["merged"])).loading, "비가 온다.", 0.0)
    of_ner_model = as_python(ServedTokenClassification(None, "a/b").loading, "비", 0.5)
    assert "\nmodel = AutoModel.from_pretrained('a/b', trust_remote_code=True)\ntext = '비'\n" in of_ner_model
    assert (
        'get_class_from_dynamic_module("modeling_generative_ner.KospanGenerativeNER"' in code
        and "AutoModel" not in code
    )
    exec(code, {})


def test_the_space_of_an_adapter_brings_peft(tmp_path):
    from kospan.hub.space import prepare_space

    for adapter in (True, False):
        prepare_space(tmp_path / str(adapter), "mina/generator", adapter=adapter)
        assert ("peft" in (tmp_path / str(adapter) / "requirements.txt").read_text(encoding="utf-8")) == adapter
