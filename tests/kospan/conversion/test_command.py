"""Converting as a person does: the command, its page and picture, and what it refuses."""

import os
import re

import numpy as np
import pytest
import torch
from conversion_cases import save_source
from drawing_cases import drawn, texts_of  # noqa: F401
from transformers import AutoModel

from kospan.cli import main
from kospan.conversion.checkpoint import new_folder
from kospan.conversion.page import picture, position_norms
from kospan.conversion.taper import factor

FILES = {
    *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
    *("conversion.json", "conversion.safetensors", "conversion.md", "conversion.png"),
}


def refused(words: list[str], capsys) -> str:
    assert main(words) == 2
    message = capsys.readouterr().err
    assert message.startswith("kospan: ") and message.count("\n") == 1, message
    return message


@pytest.mark.parametrize("kind", ["roberta head", "electra"])
def test_there_and_back_on_the_command_line(tmp_path, capsys, kind):
    source, out, back = save_source(tmp_path / "tiny", kind), tmp_path / "deep" / "out", tmp_path / "back"
    schedule = ["--max_length", "61", "--schedule", "power", "--tau", "4", "--block_size", "4", "--random_blocks", "1"]
    assert main(["convert", "bigbird", source, str(out), *schedule]) == 0
    output = capsys.readouterr().out
    assert "source              tiny" in output
    assert "positions           64 (61 in whole blocks of 4), schedule power, tau 4" in output
    assert "long inputs         29 positions and one of 64 positions read by the stock class" in output
    assert output.count("parity  ") == 4 and f"page                {out / 'conversion.md'}" in output
    assert set(os.listdir(out)) == FILES and os.listdir(out.parent) == ["out"]
    page = (out / "conversion.md").read_text(encoding="utf-8")
    # Five blocks and two more for the random one, of four positions each.
    assert "attends to everything up to 28 positions" in page and "one input of 28 positions or fewer" in page
    said = re.findall(r"^parity +states (\S+?)(?:, scores (\S+))?: (.*) \((\d+) subwords\)$", output, re.MULTILINE)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")]
    compared = {(row[2], row[4], row[0], row[1]) for row in rows if len(row) == 6 and row[1].isdigit()}
    assert set(said) <= compared and len(said) == 4
    config = AutoModel.from_pretrained(out).config
    assert (config.block_size, config.num_random_blocks, config.source_length) == (4, 1, 24)

    assert main(["convert", "back", str(out), str(back)]) == 0
    assert "weights             bit for bit the source" in capsys.readouterr().out
    for name in os.listdir(source):
        assert (back / name).read_bytes() == (tmp_path / "tiny" / name).read_bytes(), name
    assert set(os.listdir(back)) == set(os.listdir(source))


def test_the_page_tells_what_was_done(tmp_path):
    source, out = save_source(tmp_path / "tiny", "roberta"), tmp_path / "out"
    words = ["--max_length", "61", "--segments", "noised", "--segment_noise", "0.5", "--seed", "3"]
    assert main(["convert", "bigbird", source, str(out), *words]) == 0
    page = (out / "conversion.md").read_text(encoding="utf-8")
    assert "# tiny as a BigBird of 61 positions" in page and str(tmp_path) not in page
    assert "The stock class of transformers also read an input of 61 positions." in page
    assert "row 1 is row 0 with noise (standard deviation 0.5 of the row's, seed 3)" in page
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| ") and " to " in line]
    assert [row[1].strip() for row in rows if row[0].strip().isdigit()] == ["0 to 23", "24 to 47", "48 to 60"]
    norms = position_norms(AutoModel.from_pretrained(out).embeddings.position_embeddings.weight.detach(), 24)
    for k, row in enumerate(rows[-3:]):
        assert float(row[2]) == pytest.approx(factor(k), abs=5e-5)
        output = [float(cell) for cell in row[3:]]
        assert output == pytest.approx([norms[k].mean(), norms[k].min(), norms[k].max()], abs=5e-5)
    assert "`pooler.bias`" not in page  # A RobertaModel has a pooler of its own.
    assert (out / "conversion.png").read_bytes().startswith(b"\x89PNG")


def test_norms_fade_by_the_law():
    table = torch.cat([torch.ones(3, 4), torch.ones(3, 4) / 2, torch.ones(1, 4) / 4])
    norms = position_norms(table, 3)
    assert [row.tolist() for row in norms] == [[2.0] * 3, [1.0] * 3, [0.5]]
    info = {"source_length": 3, "max_length": 7, "schedule": "none", "tau": 2.0}
    assert picture(info, norms) == picture(info, norms) != picture(info, [np.zeros(3)])


def test_what_prevents_the_output_is_reported_and_kept(tmp_path, capsys):
    source, out = save_source(tmp_path / "tiny", "bert"), tmp_path / "out"
    out.mkdir()
    (out / "letter.txt").write_text("Dear", encoding="utf-8")
    short = ["--max_length", "61"]
    command = ["convert", "bigbird", source]
    message = refused([*command, str(out), *short], capsys)
    assert (
        f"expected no folder or an empty one at {out}, found files in it; name another or pass --overwrite" in message
    )
    message = refused([*command, str(out), *short, "--overwrite"], capsys)
    assert f"expected a model to overwrite in {out}, found no config.json there" in message
    assert "expected a folder other than the source" in refused([*command, source, "--overwrite"], capsys)
    assert "expected a folder to write to at" in refused([*command, str(out / "letter.txt")], capsys)
    assert "got the file" in refused(["convert", "bigbird", str(out / "letter.txt"), str(tmp_path / "new")], capsys)
    assert (out / "letter.txt").read_text(encoding="utf-8") == "Dear"

    good = tmp_path / "good"
    assert main([*command, str(good), *short]) == 0
    (good / "old").write_text("", encoding="utf-8")
    capsys.readouterr()
    # What is refused leaves the model that was there.
    assert "expected max_length of 24 or more" in refused(
        [*command, str(good), "--max_length", "9", "--overwrite"], capsys
    )
    assert "old" in os.listdir(good)
    assert main([*command, str(good), "--max_length", "70", "--overwrite"]) == 0
    assert set(os.listdir(good)) == FILES and AutoModel.from_pretrained(good).config.max_position_embeddings == 70
    assert sorted(os.listdir(tmp_path)) == ["good", "out", "tiny"]


def test_mistakes_on_the_command_line_are_one_line(tmp_path, capsys):
    source = save_source(tmp_path / "tiny", "bert")
    command = ["convert", "bigbird", source, str(tmp_path / "out")]
    for words, output in (
        (["--schedule", "linear"], "expected schedule to be one of exp, power, geometric, none, got 'linear'"),
        (["--tau", "-1"], "expected tau to be a number above 0, got -1.0"),
        (["--segments", "two"], "expected segments to be one of own, copied, noised, absent, got 'two'"),
        (["--max_length", "23"], "expected max_length of 24 or more, which tiny reads already, got 23"),
        (["--random_blocks", "0"], "expected random_blocks of 1 or more for a max_length above 320, got 0"),
    ):
        assert output in refused([*command, *words], capsys)
    message = refused(["convert", "bigbird", "package:no_such_package/model", str(tmp_path / "out")], capsys)
    assert "expected the package no_such_package" in message
    message = refused(["convert", "bigbird", "nobody/nothing", str(tmp_path / "out")], capsys)
    assert "expected an encoder on the Hub or in a folder under the name 'nobody/nothing'" in message
    message = refused(["convert", "back", source, str(tmp_path / "out")], capsys)
    assert "expected a conversion in" in message
    assert os.listdir(tmp_path) == ["tiny"]


def test_a_folder_is_whole_or_not_there(tmp_path):
    place = tmp_path / "model"
    with pytest.raises(KeyboardInterrupt), new_folder(place) as folder:
        (folder / "half").write_text("", encoding="utf-8")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []
    place.mkdir()
    (place / "old").write_text("", encoding="utf-8")
    with pytest.raises(RuntimeError), new_folder(place) as folder:
        raise RuntimeError
    assert os.listdir(tmp_path) == ["model"] and os.listdir(place) == ["old"]
    with new_folder(place) as folder:
        (folder / "new").write_text("", encoding="utf-8")
    assert os.listdir(tmp_path) == ["model"] and os.listdir(place) == ["new"]


def test_the_picture_shows_the_norm_of_every_position(drawn):  # noqa: F811
    norms = [np.array([1.0, 2.0, 3.0]), np.array([0.5, 1.0, 1.5]), np.array([0.25])]
    info = {"source_length": 3, "max_length": 7, "schedule": "exp", "tau": 2.0}
    assert picture(info, norms).startswith(b"\x89PNG")
    [axes] = drawn[0].axes
    [line] = [line for line in axes.lines if line.get_label().startswith("norm")]
    assert line.get_xdata().tolist() == list(range(7))
    assert line.get_ydata().tolist() == [1.0, 2.0, 3.0, 0.5, 1.0, 1.5, 0.25]
    [means] = [each for each in axes.collections if each.get_label().startswith("mean")]
    assert [segment.tolist() for segment in means.get_segments()] == [
        [[0, 2.0], [3, 2.0]],
        [[3, 1.0], [6, 1.0]],
        [[6, 0.25], [7, 0.25]],
    ]
    marks = [line.get_xdata() for line in axes.lines if line.get_label().startswith("_")]
    assert marks == [[3, 3], [6, 6]] and axes.get_xlim() == (0, 7)
    assert axes.get_title(loc="left") == "3 positions, repeated to 7: schedule exp, tau 2"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("position", "norm")
    assert texts_of(axes.get_legend().get_texts()) == ["norm of the position's vector", "mean of the repetition"]


def test_a_row_that_is_far_longer_than_the_rest_is_cut_off_and_named(drawn):  # noqa: F811
    info = {"source_length": 60, "max_length": 60, "schedule": "none", "tau": None}
    picture(info, [np.array([1.0] * 59 + [40.0])])
    [axes] = drawn[0].axes
    low, high = axes.get_ylim()
    assert low == 0 and high < 3 and "(the largest, 40.00, is cut off)" in axes.get_ylabel()
    assert axes.get_title(loc="left").endswith("schedule none")
