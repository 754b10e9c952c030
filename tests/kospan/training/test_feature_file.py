"""Cached features equal the encoder's output, whatever happened while they were written."""

import errno
import json
import os
import pickle
import shutil
import signal
from collections import namedtuple
from threading import Thread

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModel

import kospan.training.feature_file as feature_file
from kospan.training.feature_file import compute_features, encoder_digest, readable, window_digest

CHUNK = 1200  # bytes: a few windows of 16 floats per position


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(feature_file, "_CHUNK_BYTES", CHUNK)


@pytest.fixture
def model(make_token_classifier):
    model = make_token_classifier()
    model.freeze_encoder()
    return model


def windows(count: int = 24, seed: int = 0) -> list[dict]:
    generator = np.random.default_rng(seed)
    return [{"input_ids": [2, *generator.integers(5, 30, at % 9).tolist(), 3]} for at in range(count)]


def direct(model, window) -> np.ndarray:
    with torch.no_grad():
        return model.encoder(input_ids=torch.tensor([window["input_ids"]])).last_hidden_state[0].numpy()


def said(model, found, root, **settings) -> tuple[feature_file.FeatureFile, list[str]]:
    lines = []
    return compute_features(model, found, root, "train", log=lines.append, **settings), lines


def counted(model) -> list[int]:
    calls = []
    model.encoder.register_forward_hook(lambda module, args, output: calls.append(1))
    return calls


def kept(root) -> dict[str, bytes]:
    """Every file of the only set."""
    (folder,) = root.iterdir()
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_every_window_gets_its_features(model, tmp_path):
    found = windows()
    kept_states, lines = said(model, found, tmp_path)
    for window in found:
        rows = kept_states(window)
        assert rows.dtype == np.float32 and rows.shape == (len(window["input_ids"]), 16)
        np.testing.assert_allclose(rows, direct(model, window), rtol=1e-5, atol=1e-5)
    assert kept_states({"input_ids": [2, 29, 29, 29, 3]}) is None
    # Size and place are printed before anything is computed.
    size = len({tuple(window["input_ids"]) for window in found})
    assert lines[0].startswith("encoder features    train: ") and f"{size} windows, in {tmp_path}" in lines[0]
    assert any("% computed" in line for line in lines[1:])


def test_the_file_is_plain_floats_with_offsets_beside_it(model, tmp_path):
    found = windows()
    made, _ = said(model, found, tmp_path)
    files = kept(tmp_path)
    assert set(files) == {"features.f32", "offsets.npy", "progress.json"}
    offsets = np.load(made.folder / "offsets.npy")
    values = np.frombuffer(files["features.f32"], dtype="<f4").reshape(-1, 16)
    assert offsets[0] == 0 and offsets[-1] == len(values) and (np.diff(offsets, 2) >= 0).all()
    for window in found:
        row = made.rows[window_digest(window)]
        np.testing.assert_array_equal(values[offsets[row] : offsets[row + 1]], made(window))
    progress = json.loads(files["progress.json"])
    assert progress["done"] is True and len(progress["chunks"]) > 3


def test_equal_windows_share_their_rows_and_order_plays_no_part(model, tmp_path):
    found = windows()
    one, _ = said(model, found, tmp_path)
    calls = counted(model)
    other, lines = said(model, [*reversed(found), *found[:5]], tmp_path)
    assert calls == [] and other.folder == one.folder and lines == [f"{lines[0].removesuffix('; found')}; found"]
    assert len(one.rows) == len({tuple(window["input_ids"]) for window in found}) < len(found)


def test_segments_are_part_of_a_window(make_qa_model, tmp_path):
    model = make_qa_model(encoder={"type_vocab_size": 2})
    model.freeze_encoder()
    ids = [2, 7, 8, 3, 9, 3]
    found = [{"input_ids": ids, "token_type_ids": types} for types in ([0] * 6, [0, 0, 0, 0, 1, 1])]
    made, _ = said(model, found, tmp_path)
    assert len(made.rows) == 2 and np.abs(made(found[0]) - made(found[1])).max() > 1e-3
    assert made({"input_ids": ids}) is None
    with torch.no_grad():
        expected = model.encoder(torch.tensor([ids]), token_type_ids=torch.tensor([[0, 0, 0, 0, 1, 1]]))
    np.testing.assert_allclose(made(found[1]), expected.last_hidden_state[0], rtol=1e-5, atol=1e-5)


def test_no_window_at_all_is_a_set_too(model, tmp_path):
    made, _ = said(model, [], tmp_path)
    assert made({"input_ids": [2, 3]}) is None
    again, lines = said(model, [], tmp_path)
    assert again.folder == made.folder and lines[0].endswith("found")


def test_a_process_that_loads_batches_maps_the_file_itself(model, tmp_path):
    found = windows()
    made, _ = said(model, found, tmp_path)
    values = [made(window).copy() for window in found]
    travelled = pickle.dumps(made)
    assert len(travelled) < 4000  # The states alone are 9 kB.
    again = pickle.loads(travelled)
    for window, rows in zip(found, values):
        np.testing.assert_array_equal(again(window), rows)


def test_cached_features_cannot_be_written_to(model, tmp_path):
    made, _ = said(model, windows(), tmp_path)
    with pytest.raises(ValueError, match="read-only"):
        made(windows()[3])[0, 0] = 1.0


# --- the key ----------------------------------------------------------------------------------------------------------


def test_every_part_of_what_decides_the_states_is_in_the_key(make_token_classifier, tmp_path, monkeypatch):
    found = windows()

    def folder(model=None, which=found):
        return said(model or make_token_classifier(), which, tmp_path)[0].folder.name

    one = folder()
    assert folder() == one
    others = {}
    weight = make_token_classifier()
    with torch.no_grad():
        weight.encoder.state_dict()["encoder.layer.0.output.dense.bias"][3] += 1e-6
    others["weight"] = folder(weight)
    config = make_token_classifier()
    config.config.encoder_config.layer_norm_eps *= 2
    others["config"] = folder(config)
    vocabulary = make_token_classifier()
    vocabulary.tokenizer.add_tokens(["서울"])
    others["tokenizer"] = folder(vocabulary)
    changed = [dict(window) for window in found]
    changed[-1] = {"input_ids": [*changed[-1]["input_ids"][:-2], 30, 3]}
    others["text"] = folder(which=changed)
    others["a window less"] = folder(which=found[:-1])
    monkeypatch.setattr(feature_file, "FORMAT", feature_file.FORMAT + 1)
    others["format"] = folder()
    assert len({one, *others.values()}) == 1 + len(others), others


def test_the_head_a_saved_copy_the_tokenizers_last_call_and_the_library_are_not_in_the_key(
    make_token_classifier, tmp_path
):
    model, other = make_token_classifier(lstm_hidden_size=8), make_token_classifier(head="linear")
    other.encoder.load_state_dict(model.encoder.state_dict())
    one = encoder_digest(model)
    assert encoder_digest(other) == one
    model.save_pretrained(tmp_path)
    assert encoder_digest(AutoModel.from_pretrained(tmp_path)) == one
    model.tokenizer(["비가 온다.", "비"], padding=True, truncation=True, max_length=5)
    model.config.encoder_config.transformers_version = "4.0.0"
    assert encoder_digest(model) == one


def test_another_window_setting_is_another_set_where_a_text_is_long(make_token_classifier, tmp_path):
    model = make_token_classifier(max_length=40)
    text = "비가 온다. " * 12

    def cut():
        documents = model.aligner.documents([text])
        return [{"input_ids": window.input_ids} for window in model.aligner.windows(documents[0])]

    one, _ = said(model, cut(), tmp_path)
    model.config.max_length = 24
    other, _ = said(model, cut(), tmp_path)
    assert one.folder != other.folder


@given(st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=6), max_size=12))
def test_digests_tell_windows_apart(rows):
    digests = {window_digest({"input_ids": row}) for row in rows}
    assert len(digests) == len({tuple(row) for row in rows})


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 100))
def test_chunks_cover_every_row_once_and_hold_no_more_than_they_may(lengths, most):
    offsets = np.cumsum([0, *lengths])
    chunks = feature_file._chunks(offsets, most)
    assert [row for first, last in chunks for row in range(first, last)] == list(range(len(lengths)))
    for first, last in chunks:
        assert last == first + 1 or offsets[last] - offsets[first] <= most


# --- kills, damage, and no space --------------------------------------------------------------------------------------


@pytest.fixture
def whole(model, tmp_path):
    """Files of an undisturbed run."""
    said(model, windows(), tmp_path / "whole")
    return kept(tmp_path / "whole")


@pytest.mark.parametrize("after", [0, 1, 4])
def test_an_interrupted_set_is_resumed_and_is_bit_equal(model, whole, tmp_path, monkeypatch, after):
    computed, done = feature_file._FeatureWriter._computed, []

    def dies(self, chunk):
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(chunk)
        return computed(self, chunk)

    root = tmp_path / "resumed"
    monkeypatch.setattr(feature_file._FeatureWriter, "_computed", dies)
    with pytest.raises(KeyboardInterrupt):
        said(model, windows(), root)
    again = []
    monkeypatch.setattr(
        feature_file._FeatureWriter, "_computed", lambda self, chunk: again.append(chunk) or computed(self, chunk)
    )
    _, lines = said(model, windows(), root)
    chunks = len(json.loads(whole["progress.json"])["chunks"])
    assert again == list(range(after, chunks))
    assert ("of it still to compute" in lines[0]) == bool(after)
    assert kept(root) == whole


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the child must begin with the model as it is")
def test_a_killed_process_loses_the_chunk_at_hand_alone(model, whole, tmp_path):
    root, note, count = tmp_path / "killed", feature_file._FeatureWriter._write_progress, []

    def killed(self):
        count.append(1)
        if len(count) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        note(self)

    child = os.fork()
    if not child:
        try:
            feature_file._FeatureWriter._write_progress = killed
            said(model, windows(), root)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    left = json.loads(kept(root)["progress.json"])
    assert left["done"] is False and [each is not None for each in left["chunks"][:4]] == [True, True, False, False]
    calls = counted(model)
    said(model, windows(), root)
    assert kept(root) == whole and len(calls) == len(left["chunks"]) - 2


@pytest.mark.parametrize("at", [0, 700, -1])
def test_damaged_bytes_are_named_and_computed_again(model, whole, tmp_path, at):
    root = tmp_path / "whole"
    (path,) = root.glob("*/features.f32")
    data = bytearray(whole["features.f32"])
    data[at] ^= 1
    path.write_bytes(data)
    calls = counted(model)
    _, lines = said(model, windows(), root)
    damaged = [line for line in lines if f"{path} is damaged at bytes" in line]
    assert len(damaged) == 1 and 0 < len(calls) < 8
    assert kept(root) == whole


@pytest.mark.parametrize("kind", ["cut short", "longer", "gone", "no json", "a list", "another set's", "other chunks"])
def test_a_foreign_file_is_named_and_the_set_computed_again(model, whole, tmp_path, kind):
    root = tmp_path / "whole"
    (folder,) = root.iterdir()
    path = folder / ("features.f32" if kind in ("cut short", "longer", "gone") else "progress.json")
    progress = json.loads(whole["progress.json"])
    if kind == "gone":
        path.unlink()
    else:
        text = {
            "cut short": whole["features.f32"][:-8],
            "longer": whole["features.f32"] + b"1234",
            "no json": b"{",
            "a list": b"[1]",
            "another set's": json.dumps(progress | {"key": "0" * 32}).encode(),
            "other chunks": json.dumps(progress | {"chunks": [1]}).encode(),
        }
        path.write_bytes(text[kind])
    _, lines = said(model, windows(), root)
    assert f"{path} is damaged; computed again" in lines[0]
    assert kept(root) == whole


def test_a_full_disk_is_reported_before_anything_is_written(model, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 10**6 - 500, 500))
    calls, lines = counted(model), []
    message = r"expected [\d.]+ KiB free for the features of the frozen encoder in .*, got 500 bytes; make room, name"
    with pytest.raises(OSError, match=message) as caught:
        compute_features(model, windows(), tmp_path, log=lines.append)
    assert caught.value.errno == errno.ENOSPC
    assert calls == [] and kept(tmp_path) == {}
    assert len(lines) == 1 and "KiB" in lines[0]  # The size was printed.


def test_space_is_asked_for_what_is_missing_alone(model, whole, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 10**6, 0))
    _, lines = said(model, windows(), tmp_path / "whole")
    assert lines[0].endswith("found")


def test_a_path_that_is_no_folder_is_reported(model, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"expected a folder to write to at .*file, got a file"):
        said(model, windows(), tmp_path / "file")


def test_two_runs_at_once_make_one_set(model, whole, tmp_path):
    found, lines = [], []
    root = tmp_path / "both"
    threads = [
        Thread(target=lambda: found.append(compute_features(model, windows(), root, log=lines.append)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and kept(root) == whole
    assert sum(line.endswith("; found") for line in lines) == 1


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (5 * 2**30, "5.0 GiB"), (2**41, "2.0 TiB")],
)
def test_sizes_are_written_for_people(size, text):
    assert readable(size) == text
