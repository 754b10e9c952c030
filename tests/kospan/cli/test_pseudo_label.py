"""`kospan pseudo-label`, and training on its output."""

from cli_cases import GOLD, TEXTS, TINY, refused

from kospan.api import task_over
from kospan.cli import main
from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.example import Example


def test_certain_texts_are_written_and_trained_on(model_folder, make_token_classifier, tmp_path, capsys):
    model = make_token_classifier(encoder_input="units")
    texts, labelled, output = tmp_path / "texts.txt", tmp_path / "labelled.jsonl", tmp_path / "pseudo.jsonl"
    texts.write_text("\n".join(TEXTS), encoding="utf-8")
    # The model's own predictions as gold spans: every threshold has the precision 1.
    write_jsonl(labelled, [Example(each.id, each.text, tuple(model.extract(each.text))) for each in GOLD])
    words = ["pseudo-label", model_folder, str(texts), "--data", str(labelled), "--output", str(output), "--doubt", "1"]
    assert main(words) == 0
    found = read_jsonl(output)
    assert {each.text: [span[:3] for span in each.spans] for each in found} == {
        text: [span[:3] for span in model.extract(text)] for text in TEXTS
    }
    printed = capsys.readouterr().out
    assert "thresholds for precision 0.95 on 3 labelled texts" in printed
    assert printed.endswith(f"3 of 3 texts, {sum(len(each.spans) for each in found)} spans -> {output}\n")

    gold = tmp_path / "gold.jsonl"
    write_jsonl(gold, [Example(f"{each.id}-{at}", each.text, each.spans) for at in range(3) for each in GOLD])
    run = ["train", *TINY, f"--train_file={gold}", f"--output_dir={tmp_path / 'out'}"]
    labels = {span.label for each in found for span in each.spans} - {"PS", "LC"}
    if labels:
        message = refused([*run, f"--extra_train_file={output}"], capsys)
        assert "expected labels that the training split holds (LC, PS)" in message
    keep = [Example(each.id, each.text, tuple(s for s in each.spans if s.label != "OG")) for each in found]
    write_jsonl(output, keep)
    assert main([*run, f"--extra_train_file={output}"]) == 0


def test_a_model_that_is_never_certain_is_reported(model_folder, gold_file, tmp_path, capsys):
    texts, output = tmp_path / "texts.txt", tmp_path / "pseudo.jsonl"
    texts.write_text(TEXTS[0], encoding="utf-8")
    message = refused(["pseudo-label", model_folder, str(texts), "--data", gold_file, "--output", str(output)], capsys)
    assert "expected texts of which the model is certain, got none of 1; lower --precision" in message
    assert not output.exists()


def test_settings_are_checked_first(model_folder, gold_file, tmp_path, capsys):
    words = ["pseudo-label", model_folder, gold_file, "--data", gold_file, "--output", str(tmp_path / "out.jsonl")]
    assert "expected --max_texts of 1 or more, got 0" in refused([*words, "--max_texts", "0"], capsys)
    assert "expected a precision above 0" in refused([*words, "--precision", "0"], capsys)
    assert "expected doubt above 0" in refused([*words, "--doubt", "0"], capsys)


def test_skipped_records_are_reported(model_folder, tmp_path, capsys):
    model = task_over(model_folder).model
    texts, labelled = tmp_path / "texts.jsonl", tmp_path / "labelled.jsonl"
    texts.write_text('{"text": "비가 온다."}\n{"text": 5}\n', encoding="utf-8")
    write_jsonl(labelled, [Example(each.id, each.text, tuple(model.extract(each.text))) for each in GOLD])
    words = ["pseudo-label", model_folder, str(texts), "--data", str(labelled), "--doubt", "1"]
    words += ["--output", str(tmp_path / "pseudo.jsonl")]
    assert "expected 'text'" in refused(words, capsys)
    assert main([*words, "--skip_invalid"]) == 0
    assert f"{texts}: skipped 1 invalid records, the first" in capsys.readouterr().err
