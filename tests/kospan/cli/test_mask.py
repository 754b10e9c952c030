"""`kospan mask` and `kospan unmask`."""

import json
import stat

import pytest
from cli_cases import refused
from masking_cases import KEY, write_docx, write_pdf

from kospan.cli import main
from kospan.data.tables import csv_rows
from kospan.masking.labels import NOTICE

TEXT = "이재용 회장이 서울에서 회의를 열었다.\n\n김연아는 부산 사직 체육관을 찾았다.\n"


@pytest.fixture
def words(model_folder, tmp_path, monkeypatch) -> list[str]:
    """A command that masks a text, without rules, which need other packages."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    return ["mask", model_folder, "a.txt", "--rules", "none"]


def private(path, data: bytes) -> str:
    path.write_bytes(data)
    path.chmod(0o600)
    return str(path)


def test_a_text_is_masked_and_the_notice_is_shown(words, tmp_path, capsys):
    assert main([*words, "--output", "b.txt"]) == 0
    captured = capsys.readouterr()
    assert (
        captured.out == ""
        and captured.err.endswith(f"{NOTICE}\n")
        and "3 texts (operating point: none)" in captured.err
    )
    masked = (tmp_path / "b.txt").read_text(encoding="utf-8")
    assert masked.endswith(f"\n{NOTICE}\n") and masked.count("\n") == TEXT.count("\n") + 1 and "[" in masked
    assert main([*words, "--output", "-"]) == 0
    assert capsys.readouterr().out == masked


def test_unmask_restores_a_text(words, tmp_path, capsys):
    alias = ["--policy", "alias", "--alias_file", "aliases.json"]
    assert main([*words, *alias, "--output", "b.txt"]) == 0
    assert stat.S_IMODE((tmp_path / "aliases.json").stat().st_mode) == 0o600
    first = (tmp_path / "b.txt").read_text(encoding="utf-8")
    assert first != TEXT and "_1]" in first
    assert main(["unmask", "b.txt", "--alias_file", "aliases.json", "--output", "c.txt"]) == 0
    assert (tmp_path / "c.txt").read_text(encoding="utf-8") == TEXT
    # A second run continues the table: equal surfaces have equal aliases.
    before = (tmp_path / "aliases.json").read_bytes()
    assert main([*words, *alias, "--output", "d.txt"]) == 0
    assert (tmp_path / "d.txt").read_text(encoding="utf-8") == first
    assert (tmp_path / "aliases.json").read_bytes() == before
    capsys.readouterr()
    assert main(["unmask", "b.txt", "--alias_file", "aliases.json", "--output", "-"]) == 0
    assert capsys.readouterr().out == TEXT


def test_records_and_tables_carry_the_notice(words, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "1", "text": "이재용 회장"}\n', encoding="utf-8")
    (tmp_path / "a.csv").write_text("text\n이재용 회장\n", encoding="utf-8")
    for name in ("a.jsonl", "a.csv"):
        assert main([*words[:2], name, *words[3:], "--output", f"b{name}"]) == 0
        assert NOTICE in (tmp_path / f"b{name}").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "ba.jsonl").read_text(encoding="utf-8"))["spans"]


def test_mistakes_are_one_line_and_write_nothing(words, tmp_path, capsys):
    (tmp_path / "policy.yaml").write_text("PS: alias\nPHNOE: keep\n", encoding="utf-8")
    (tmp_path / "open").write_bytes(KEY)
    (tmp_path / "open").chmod(0o644)
    for flags, message in (
        (["--policy", "policy.yaml"], "got 'PHNOE'; did you mean PHONE"),
        (["--policy", "missing.yaml"], "found no such file"),
        (["--policy", "hash"], "expected a secret key for the action hash"),
        (["--policy", "hash", "--key_file", "missing"], "expected the key file at missing, found no such file"),
        (["--policy", "hash", "--key_file", "open"], "(mode 0600), got mode 0644; run `chmod 600 open`"),
        (["--policy", "hash", "--key_file", private(tmp_path / "short", b"x")], "expected a key of at least 16 bytes"),
        (["--policy", "alias"], "expected --alias_file FILE for the action alias"),
        (
            ["--policy", "alias", "--alias_file", "open"],
            "expected the alias file open to be accessible to its owner alone",
        ),
        (
            ["--policy", "alias", "--alias_file", "./b.txt"],
            "expected different files for --alias_file and --output, got b.txt",
        ),
        (["--policy", "alias", "--alias_file", "no/a.json"], "expected a folder at no"),
        (["--operating_point", "recall-0.95"], "expected an operating point of the model (it has none)"),
        (["--threshold", "2"], "expected threshold to be a number from 0 to 1, got 2"),
        (["--rules", "XX"], "expected rules among"),
        (["--columns", "text"], "remove --columns"),
        (["--quoting", "none"], "expected quoting for CSV or TSV alone, got a.txt; remove --quoting"),
    ):
        assert message in refused([*words, *flags, "--output", "b.txt"], capsys)
        assert not (tmp_path / "b.txt").exists()
    assert "expected different files for FILE and --output, got a.txt; name a new file" in refused(
        [*words, "--output", "a.txt"], capsys
    )
    assert "expected a folder at no" in refused([*words, "--output", "no/b.txt"], capsys)
    assert "found none" in refused([*words[:2], "b.txt", *words[3:], "--output", "c.txt"], capsys)
    assert "the alias file at" in refused(["unmask", "a.txt", "--alias_file", "x", "--output", "b.txt"], capsys)
    assert sorted(path.suffix for path in tmp_path.iterdir() if path.is_file()) == ["", "", ".txt", ".yaml"]


@pytest.mark.parametrize(
    ("alias", "output", "message"),
    [
        ("x.json", "x.json", "--alias_file and --output"),
        ("./a.txt", "b.txt", "FILE and --alias_file"),
        ("key", "b.txt", "--key_file and --alias_file"),
        ("x.json", "sub/../key", "--key_file and --output"),
        ("x.json", "linked.txt", "FILE and --output"),
    ],
)
def test_no_file_overwrites_another(words, tmp_path, capsys, alias, output, message):
    private(tmp_path / "key", KEY)
    (tmp_path / "sub").mkdir()
    (tmp_path / "linked.txt").hardlink_to(tmp_path / "a.txt")
    flags = ["--policy", "PS=hash,default=alias", "--key_file", "key", "--alias_file", alias, "--output", output]
    assert f"expected different files for {message}, got" in refused([*words, *flags], capsys)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == TEXT and (tmp_path / "key").read_bytes() == KEY


def test_unmask_keeps_the_alias_file(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = b'{"version": 1, "aliases": {}}'
    private(tmp_path / "x.json", content)
    (tmp_path / "a.txt").write_text("[PS_1]", encoding="utf-8")
    for words, message in (
        (["a.txt", "--output", "x.json"], "--alias_file and --output"),
        (["x.json", "--output", "b.txt"], "FILE and --alias_file"),
        (["a.txt", "--output", "a.txt"], "FILE and --output"),
    ):
        assert message in refused(["unmask", *words, "--alias_file", "x.json"], capsys)
    assert (tmp_path / "x.json").read_bytes() == content


@pytest.mark.parametrize(
    ("name", "text", "quoting"),
    [
        ("a.tsv", 'text\tlabel\nsay "hi" 이재용 회장\tx\n', "auto"),
        ("a.csv", 'text,label\n"say ""hi"" 이재용 회장",x\n', "minimal"),
        ("a.csv", 'text,label\n"say ""hi"", 이재용 회장",x\n', "auto"),
        ("a.csv", 'text,label\n"이재용 회장",x\n', "none"),
    ],
)
def test_a_table_with_quotation_marks_is_masked_and_restored(words, tmp_path, name, text, quoting):
    (tmp_path / name).write_text(text, encoding="utf-8")
    alias = ["--policy", "alias", "--alias_file", "aliases.json"]
    assert main([*words[:2], name, *words[3:], *alias, "--quoting", quoting, "--output", f"b{name}"]) == 0
    masked = (tmp_path / f"b{name}").read_text(encoding="utf-8")
    assert "_1]" in masked and NOTICE in masked
    # A file without quoting needs the flag again.
    flags = ["--quoting", "none"] if quoting == "none" else []
    assert main(["unmask", f"b{name}", "--alias_file", "aliases.json", *flags, "--output", f"c{name}"]) == 0
    restored = (tmp_path / f"c{name}").read_text(encoding="utf-8")
    delimiter, convention = "\t" if name == "a.tsv" else ",", "auto" if name == "a.tsv" else quoting
    rows = [list(csv_rows(each, name, delimiter, quoting=convention)) for each in (text, restored)]
    if quoting != "minimal":
        assert restored == text
    assert [row.values for row in rows[0]] == [row.values for row in rows[1]]


@pytest.mark.optional("pypdf", "mask")
def test_the_text_of_a_pdf_can_be_printed(words, tmp_path, capsys):
    write_pdf(tmp_path / "a.pdf", [["이재용 회장이 서울에서 회의를 열었다."]])
    assert main([*words[:2], "a.pdf", *words[3:]]) == 0
    assert capsys.readouterr().out.endswith(f"\n{NOTICE}\n")


@pytest.mark.optional("lxml", "mask")
def test_a_document_keeps_its_format(words, tmp_path, capsys):
    write_docx(tmp_path / "a.docx")
    command = [*words[:2], "a.docx", *words[3:], "--output"]
    assert "expected an output that ends in .docx" in refused([*command, "b.txt"], capsys)
    assert "expected --output FILE for this kind of document, got -" in refused([*command, "-"], capsys)
    assert main([*command, "b.docx"]) == 0
    assert "not masked: 1 pictures or embedded files (word/media/image1.png)" in capsys.readouterr().err
    (tmp_path / "a.docx").write_bytes(b"broken")
    assert "expected a whole DOCX file" in refused([*command, "c.docx"], capsys)
    assert not (tmp_path / "c.docx").exists()


@pytest.mark.optional("presidio_analyzer", "mask")
def test_rules_are_the_default(words, tmp_path):
    (tmp_path / "a.txt").write_text("연락처는 010-1234-5678로 바뀌었다.\n", encoding="utf-8")
    policy = ["--policy", "default=keep,PHONE=hash", "--key_file", private(tmp_path / "key", KEY)]
    assert main([*words[:3], *policy, "--output", "b.txt"]) == 0
    assert (tmp_path / "b.txt").read_text(encoding="utf-8").startswith("연락처는 [PHONE_")
