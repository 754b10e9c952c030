"""Cards of runs with hostile names: what the Hub renders has the structure of a card with plain names."""

import ast
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from card_cases import card_of, change
from huggingface_hub import ModelCard, metadata_load
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from release_cases import save_run

from kospan.card.markdown import code, line, plain, quoted, shell

HOSTILE = [
    "<script>alert(1)</script>",
    "](javascript:alert(1))",
    "[x](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "<img src=x onerror=alert(1)>",
    "a|b",
    "a\\|b",
    "`a` ``b``",
    "yes: [",
    "- x\n---\nlicense: mit",
    "{{ 7 * 7 }} {% raw %}",
    "# x\n\n```\n<b>",
    "&lt;b&gt; &amp;",
    "$(touch ran); `touch ran`",
    "~~~\n<i>~~x~~",
    '"""\n\' "',
    "\u202e \x1b[2J \u2028",
]
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run's folder, made by a model for the labels of `NAMES`."""
    from conftest import TEXTS, tiny_electra, with_large_weights

    from kospan.modeling import KospanForTokenClassification, KospanTokenClassificationConfig
    from kospan.modeling.tags import tag_names
    from kospan.tasks.encoders import character_tokenizer

    tokenizer, tags = character_tokenizer(TEXTS), tag_names(["PSX", "LCX"], "BIO")
    encoder = tiny_electra(tokenizer, None)
    sizes = {"encoder_config": encoder, "max_length": 64, "stride": 8, "dropout": 0.0}
    config = KospanTokenClassificationConfig(**sizes, id2label=dict(enumerate(tags)), encoder_input="units")
    model = with_large_weights(KospanForTokenClassification(config), tokenizer)
    found = save_run(model, tmp_path_factory.mktemp("run") / "tiny", TEXTS)
    change(found / "recipe.yaml", train_file="FILEX.jsonl", validation_file="FILEX.jsonl", dataset="jsonl")
    return found


def renamed(folder: Path, name: str) -> str:
    """Put a name in place of the labels and files of a run, and write its card."""
    copy = folder.with_name("renamed")
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for each in ("config.json", "recipe.yaml", "eval_results.json"):
        value = yaml.safe_load((folder / each).read_text(encoding="utf-8"))
        value = replaced(value, name)
        text = json.dumps(value) if each.endswith(".json") else yaml.safe_dump(value)
        (copy / each).write_text(text, encoding="utf-8")
    return card_of(copy, "mina/tiny")


def replaced(value, name: str):
    if isinstance(value, dict):
        return {replaced(key, name): replaced(each, name) for key, each in value.items()}
    if isinstance(value, list):
        return [replaced(each, name) for each in value]
    return re.sub("LCX|FILEX", lambda match: name, value) if isinstance(value, str) else value


def structure(markdown: str) -> list:
    """Types and addresses of all elements but text; code keeps its language."""
    found = []
    for token in MARKDOWN.parse(re.sub(r"\A---\n.*?\n---\n", "", markdown, flags=re.DOTALL)):
        found.append((token.type, token.tag, token.info))
        for each in token.children or ():
            if each.type not in ("text", "softbreak"):
                found.append((each.type, each.tag, each.attrs.get("href"), each.attrs.get("src")))
    return found


@pytest.fixture(scope="module")
def benign(folder):
    """The card with plain names."""
    return renamed(folder, "NAME")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_card_keeps_its_structure(folder, benign, name):
    found = renamed(folder, name)
    assert structure(found) == structure(benign)
    assert "49" not in found.replace("49", "", benign.count("49"))
    metadata, expected = metadata_load(folder.with_name("renamed") / "README.md"), ModelCard(benign).data.to_dict()
    assert metadata.keys() == expected.keys() and metadata["tags"] == expected["tags"]


@settings(max_examples=20)
@given(st.text(min_size=1, max_size=12, alphabet=st.sampled_from("<>[]()!|`*_~$#&\\-=\n\r\t\x1b{}%:'\"a가 ")))
def test_any_name_keeps_the_structure(folder, benign, name):
    if name.strip():
        assert structure(renamed(folder, name)) == structure(benign)


@given(st.text(max_size=40))
def test_filters(text):
    for markdown in (f"x {plain(text)} y", f"| a | b |\n|---|---|\n| x {plain(text)} y | {code(text or 'x')} |"):
        types = {each.type for token in MARKDOWN.parse(markdown) for each in token.children or ()}
        assert types <= {"text", "code_inline"}
    assert MARKDOWN.parse(f"x {plain(text)} y")[1].content.count("\n") == 0
    assert "\n" not in line(text) + shell(text) + quoted(text)
    assert shlex.split(shell(text)) == [line(text)]
    assert ast.literal_eval(quoted(text)) == text


def test_commands_of_a_folder_with_a_hostile_name(folder, tmp_path, monkeypatch):
    copy = shutil.copytree(folder, tmp_path / "a $(touch ran); `x` b")
    monkeypatch.chdir(tmp_path)
    [command] = re.findall(
        r"^accelerate launch train\.py (.*) --output_dir outputs/again$", card_of(copy), re.MULTILINE
    )
    assert shlex.split(command) == ["a $(touch ran); `x` b/recipe.yaml"]
