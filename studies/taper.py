"""Stretched positions without training: the decay schedules of TAPER on a scale model.

    python studies/taper.py --data DATA --work outputs/taper [--parts pretrain schedules heads further page]

A small RoBERTa of 128 positions is pretrained on Korean text and converted to 1,024 with every decay schedule. Every
part writes its results as JSON under --work, and a part that was killed resumes.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from transformers import AutoTokenizer, RobertaForMaskedLM  # noqa: E402

from kospan.modeling.code_files import follow_umask  # noqa: E402
from studies.taper_measure import Sums, draw_masks, in_buckets, losses_by_place, mass_aside, windowed_losses  # noqa: E402
from studies.taper_text import Texts, documents, in_subwords, small_tokenizer  # noqa: E402
from studies.taper_train import OFFSETS, Evaluates, parts, small_roberta, train, write_json  # noqa: E402
from studies.taper_variants import VARIANTS, converted, open_variant  # noqa: E402

# Eight repetitions, as from 512 to 4,096; 16 of 1,024 are the share of a block of 64 in 4,096.
SHORT, LONG, BLOCK = 128, 1024, 16


def main() -> None:
    """Run the named parts in their order."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with korquad-v1/ and perhaps kmounlp-ner/")
    parser.add_argument("--work", type=Path, required=True, help="where each part keeps its results")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vocabulary", type=int, default=300)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2000, help="of pretraining, batches of 16 stretches")
    parser.add_argument("--documents", type=int, default=48, help="held-out documents at most, evenly taken")
    parser.add_argument("--draws", type=int, default=1, help="times that each held-out document is masked")
    parser.add_argument("--attention", nargs="+", choices=["full", "sparse"], default=["full", "sparse"])
    parser.add_argument("--further_steps", type=int, default=60, help="of training on long text, batches of 2")
    parser.add_argument("--every", type=int, default=20, help="steps between two looks at the held-out documents")
    parser.add_argument("--from_variants", nargs="*", default=["tiling", "geometric 8", "random 0", "exp 2"])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "studies" / "taper")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer, texts = read_text(arguments)
    for part in arguments.parts:
        PARTS[part](arguments, tokenizer, texts)


def read_text(arguments) -> tuple[AutoTokenizer, Texts]:
    """Tokenizer and stretches, made once."""
    folder, path = arguments.work / "tokenizer", arguments.work / "texts.json"
    if not path.is_file():
        found = documents(arguments.data)
        known = [each.text for each in found if not each.held_out]
        tokenizer = small_tokenizer(known, arguments.vocabulary, SHORT)
        tokenizer.save_pretrained(folder)
        write_json(path, in_subwords(found, tokenizer, SHORT, LONG)._asdict())
    texts = Texts(**json.loads(path.read_text(encoding="utf-8")))
    many = len(texts.held_out)
    taken = sorted({at * many // arguments.documents for at in range(arguments.documents)}) if many else []
    texts = texts._replace(held_out=[texts.held_out[at] for at in taken], names=[texts.names[at] for at in taken])
    return AutoTokenizer.from_pretrained(folder), texts


def pretrain(arguments, tokenizer, texts: Texts) -> None:
    """The short model in `source/`, its losses in `pretrain.json`."""
    folder, path = arguments.work / "source", arguments.work / "pretrain.json"
    if path.is_file():
        return
    started = time.process_time()
    model = small_roberta(len(tokenizer), SHORT, arguments.hidden, arguments.layers, arguments.seed)
    log = train(
        model,
        tokenizer,
        texts.short,
        arguments.work / "pretraining",
        seed=arguments.seed,
        max_steps=arguments.steps,
        per_device_train_batch_size=16,
        learning_rate=1.5e-3,
        warmup_steps=min(200, arguments.steps // 10),
        logging_steps=50,
        save_steps=200,
    )
    model.save_pretrained(folder)
    follow_umask(folder)
    tokenizer.save_pretrained(folder)
    seconds = time.process_time() - started
    losses = [{"step": each["step"], "loss": each["loss"]} for each in log if "loss" in each]
    write_json(path, {"losses": losses, "cpu_seconds": seconds, "parameters": model.num_parameters()})


def schedules(arguments, tokenizer, texts: Texts) -> None:
    """Losses of every variant, and of windows, in `schedules/<attention>/<variant>.json`; existing files are kept."""
    masks = draw_masks(tokenizer, texts.held_out, arguments.draws, arguments.seed)
    source = arguments.work / "source"
    folder = converted(source, arguments.work / "converted", LONG, BLOCK)
    for attention in arguments.attention:
        for variant in VARIANTS:
            path = arguments.work / "schedules" / attention / f"{variant.name}.json"
            if not path.is_file():
                encoder, head, _ = open_variant(folder, SHORT, variant, attention)
                keep(path, in_buckets(losses_by_place(encoder, head, masks), masks.documents, SHORT))
    encoder, head = parts(RobertaForMaskedLM.from_pretrained(source).eval())
    for overlap in (0, SHORT // 2):
        path = arguments.work / "schedules" / "windows" / f"overlap {overlap}.json"
        if not path.is_file():
            losses = windowed_losses(encoder, head, masks, SHORT, overlap)
            keep(path, in_buckets(losses, masks.documents, SHORT))


def heads(arguments, tokenizer, texts: Texts) -> None:
    """Attention of the first layer's heads in each variant, full attention, three documents, in `heads.json`."""
    folder = converted(arguments.work / "source", arguments.work / "converted", LONG, BLOCK)
    rows, found = torch.tensor(texts.held_out[:3]), {}
    for variant in VARIANTS:
        encoder, _, model = open_variant(folder, SHORT, variant)
        offsets = [OFFSETS[at % len(OFFSETS)] for at in range(model.config.num_attention_heads)]
        with torch.no_grad():
            seen = encoder(input_ids=rows, attention_mask=torch.ones_like(rows), output_attentions=True)
        found[variant.name] = mass_aside(seen.attentions[0], offsets, SHORT)
    write_json(arguments.work / "heads.json", found)


def further(arguments, tokenizer, texts: Texts) -> None:
    """Training on long text from three tables of positions, and on short text as the control, in `further/`."""
    masks = draw_masks(tokenizer, texts.held_out, 1, arguments.seed)
    source = arguments.work / "source"
    folder = converted(source, arguments.work / "converted", LONG, BLOCK)
    by_name = {variant.name: variant for variant in VARIANTS}
    for name in [*arguments.from_variants, "short"]:
        done = arguments.work / "further" / f"{name}.done.json"
        if done.is_file():
            continue

        def measure(model, name=name) -> dict:
            encoder, head = parts(model)
            if name == "short":
                losses = windowed_losses(encoder, head, masks, SHORT, SHORT // 2)
            else:
                losses = losses_by_place(encoder, head, masks)
            sums = in_buckets(losses, masks.documents, SHORT)
            print(f"  {name}: {sums.mean():.4f}", flush=True)
            return {"losses": sums.losses.tolist(), "counts": sums.counts.tolist()}

        if name == "short":
            model, rows, size = RobertaForMaskedLM.from_pretrained(source), texts.short, 2 * LONG // SHORT
        else:
            model, rows, size = open_variant(folder, SHORT, by_name[name])[2], texts.long, 2
        started = time.process_time()
        log = train(
            model,
            tokenizer,
            rows,
            arguments.work / "further" / name,
            [Evaluates(arguments.every, measure, arguments.work / "further" / f"{name}.json")],
            seed=arguments.seed,
            max_steps=arguments.further_steps,
            per_device_train_batch_size=size,
            learning_rate=5e-4,
            warmup_steps=10,
            logging_steps=arguments.every,
            save_steps=arguments.every,
        )
        losses = [{"step": each["step"], "loss": each["loss"]} for each in log if "loss" in each]
        write_json(done, {"losses": losses, "cpu_seconds": time.process_time() - started})


def page(arguments, tokenizer, texts: Texts) -> None:
    """The tables and plots of what is there."""
    from studies.taper_page import write_page

    write_page(arguments.work, arguments.out, texts.names)


def keep(path: Path, sums: Sums) -> None:
    """An variant's sums as JSON."""
    write_json(path, {"losses": sums.losses.tolist(), "counts": sums.counts.tolist()})
    print(f"{path.parent.name}, {path.stem}: {sums.mean():.4f}", flush=True)


PARTS = {"pretrain": pretrain, "schedules": schedules, "heads": heads, "further": further, "page": page}


if __name__ == "__main__":
    main()
