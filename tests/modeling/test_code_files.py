"""The modes of saved files."""

import os
import stat

import pytest
import torch
from generative_cases import make_generative_model
from safetensors.torch import save_file

from kospan.modeling.code_files import follow_umask


def mode(path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture(params=[0o022, 0o002, 0o027, 0o077], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_weights_get_the_mode_of_any_new_file(umask, tmp_path):
    for name in ("model.safetensors", "model-00001-of-00002.safetensors"):
        save_file({"a": torch.zeros(2)}, tmp_path / name)
    (tmp_path / "secret.json").write_text("{}", encoding="utf-8")
    os.chmod(tmp_path / "secret.json", 0o600)
    follow_umask(tmp_path)
    assert [mode(path) for path in tmp_path.glob("*.safetensors")] == [0o666 & ~umask] * 2
    assert mode(tmp_path / "secret.json") == 0o600, "what somebody else has written is left as it is"
    assert len(list(tmp_path.iterdir())) == 3
    assert os.umask(umask) == umask, "the umask itself is not touched"


def test_one_file_alone(tmp_path, monkeypatch):
    for name in ("one", "other"):
        save_file({"a": torch.zeros(2)}, tmp_path / f"{name}.safetensors")
        os.chmod(tmp_path / f"{name}.safetensors", 0o600)
    monkeypatch.chdir(tmp_path)
    follow_umask("one.safetensors")
    (tmp_path / "new").touch()
    assert mode("one.safetensors") == mode("new") != mode("other.safetensors") == 0o600


def test_a_folder_that_cannot_be_written_to_stops_nothing(tmp_path, monkeypatch):
    save_file({"a": torch.zeros(2)}, tmp_path / "a.safetensors")
    os.chmod(tmp_path / "a.safetensors", 0o600)

    def refuse(*_, **__):
        raise PermissionError("no")

    monkeypatch.setattr("builtins.open", refuse)
    follow_umask(tmp_path)
    assert mode(tmp_path / "a.safetensors") == 0o600


@pytest.mark.parametrize("umask", [0o022, 0o027], ids=oct, indirect=True)
def test_every_model_saves_so(umask, make_token_classifier, make_qa_model, make_text_classifier, tmp_path):
    for at, model in enumerate(
        (make_token_classifier(), make_qa_model(), make_text_classifier(), make_generative_model())
    ):
        folder = tmp_path / str(at)
        model.save_pretrained(folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert {path.name for path in files} >= {"model.safetensors", "handler.py", "tokenizer.json"}
        assert {mode(path) for path in files} == {0o666 & ~umask}
    make_token_classifier().save_pretrained(tmp_path / "shards", max_shard_size="2KB")
    weights = list((tmp_path / "shards").glob("model-*.safetensors"))
    assert len(weights) > 1 and {mode(path) for path in weights} == {0o666 & ~umask}
