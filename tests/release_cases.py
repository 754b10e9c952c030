"""A folder as a run leaves it, for the tests of publishing; made in a moment."""

import json
import subprocess
import sys
from pathlib import Path

from time_limits import SECONDS

from kospan.data.jsonl import record
from kospan.example import Example

RECIPE = """\
name: tiny
dataset: jsonl
train_file: /home/kim/secret-project/train.jsonl
validation_file: ../private/validation.jsonl
encoder: monologg/koelectra-base-v3-discriminator
encoder_options: {path: 'C:\\Users\\kim\\vocab.txt'}
learning_rate: 5.0e-05
output_dir: outputs/tiny
push_to_hub: true
hub_model_id: mina/tiny
hub_strategy: every_save
"""


def save_run(model, folder: str | Path, texts: list[str]) -> Path:
    """Writes a model, its predictions, metrics and recipe, and other files of a run."""
    examples = [Example(f"v-{at}", text, None) for at, text in enumerate(texts)]
    return save_found(model, Path(folder), examples, model.extract(texts), {"eval_f1": 0.5})


def save_qa_run(model, folder: str | Path, asked: list[tuple[str, str]]) -> Path:
    """The same of a question answering model that is asked pairs of question and text."""
    examples = [Example(f"v-{at}", text, None, question) for at, (question, text) in enumerate(asked)]
    found = [[span for span in model.answer(*each) if span.end] for each in asked]
    return save_found(model, Path(folder), examples, found, {"eval_exact_match": 0.25, "eval_f1": 0.5})


def save_generative_run(folder: Path) -> tuple[Path, Path]:
    """The same of an adapter of `kim/tiny`, and the folder of that base model."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    from kospan.modeling import KospanGenerativeNER, KospanGenerativeNERConfig
    from kospan.tasks.encoders import character_tokenizer
    from kospan.training.lora import Lora, adapt_causal_lm

    texts = ["이재용 회장이 서울에서 회의를 열었다.", "비가 온다.", "부산에 갔다."]
    tokenizer = character_tokenizer([*texts, "[PS: LC] \\"])
    tokenizer.eos_token = "[SEP]"
    torch.manual_seed(6)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    model = adapt_causal_lm(AutoModelForCausalLM.from_pretrained(folder / "base"), Lora(2, 4.0, 0.0))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_" in name:
                parameter.add_(0.2 * torch.randn_like(parameter))
    model.peft_config["default"].base_model_name_or_path = "kim/tiny"
    generator = KospanGenerativeNER(
        model.eval(), tokenizer, KospanGenerativeNERConfig(["PS", "LC"], instruction="", max_new_tokens=16)
    )
    examples = [Example(f"v-{at}", text, None) for at, text in enumerate(texts)]
    results = {"eval_f1": 0.5, "eval_exact_reply": 0.25}
    left = save_found(generator, folder / "run", examples, generator.extract(texts), results)
    recipe = RECIPE.replace("monologg/koelectra-base-v3-discriminator", "kim/tiny")
    (left / "recipe.yaml").write_text(f"{recipe}task: generative-ner\nlora_rank: 2\n", encoding="utf-8")
    return left, folder / "base"


def save_found(model, folder: Path, examples: list[Example], found: list, results: dict[str, float]) -> Path:
    """Writes other files of a run."""
    assert any(found), "a model that finds nothing would prove nothing"
    model.save_pretrained(folder)
    lines = [record(example, spans=spans) for example, spans in zip(examples, found)]
    (folder / "predictions.jsonl").write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8"
    )
    (folder / "eval_results.json").write_text(json.dumps(results) + "\n", encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (folder / "notes.txt").write_text("for myself\n", encoding="utf-8")
    (folder / "training_args.bin").write_bytes(b"pickled")
    (folder / "checkpoint-4").mkdir()
    (folder / "checkpoint-4" / "optimizer.pt").write_bytes(b"pickled")
    return folder


def command(words: list, environment: dict, cwd: Path, python: str = sys.executable) -> subprocess.CompletedProcess:
    """A process of its own, with nobody at the keyboard."""
    return subprocess.run(
        [python, *map(str, words)],
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
    )
