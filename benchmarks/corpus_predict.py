"""Prediction of a corpus: rate, memory, the pipeline of transformers, and killed runs.

    python benchmarks/corpus_predict.py --model ko-ner --records 1000000 [--out docs/benchmarks/corpus_predict.md]

Sentences are those of `kospan.masking.synthetic`, with a number in front of each so that no two are equal, in JSON
Lines files of 100,000. Measured:

1. CPU time and resident memory of a run with one process, at each tenth of the corpus, and CPU time with two processes.
2. The pipeline of transformers over `KeyDataset`, at the best of several batch sizes, on the first sentences, in pairs
   of equal parts with ours: CPU time, median of the ratios.
3. Runs that are killed by SIGKILL at random moments and started again: the files have to equal those of an
   uninterrupted run.

One thread per process.
"""

import argparse
import json
import os
import platform
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import torch
from datasets import Dataset
from transformers.pipelines.pt_utils import KeyDataset

import kospan
from kospan.corpus.folder import JOURNAL, MANIFEST, OutputFolder
from kospan.corpus.predictor import Predictor
from kospan.corpus.records import Raw
from kospan.corpus.settings import CorpusSettings
from kospan.corpus.shards import Shard
from kospan.corpus.sources import Source
from kospan.masking.synthetic import synthetic_examples

SEED = 0
FILE = 100_000
DIFFERENT = 20_000
BATCH_SIZES = (1, 8, 32, 128)


def write_corpus(folder: Path, count: int) -> list[str]:
    """Write the sentences and return the first `DIFFERENT`."""
    texts = [example.text for example in synthetic_examples(min(count, DIFFERENT), SEED)]
    folder.mkdir()
    for first in range(0, count, FILE):
        with open(folder / f"{first // FILE:05d}.jsonl", "w", encoding="utf-8") as file:
            for at in range(first, min(first + FILE, count)):
                line = {"id": str(at), "text": f"{at} {texts[at % len(texts)]}"}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return texts


def rate_and_memory(model: str, corpus: Path, out: Path, count: int, shard_size: int) -> list[str]:
    """Run with one process, then with two."""
    process, rows, done = psutil.Process(), [], [0]
    commit, before = OutputFolder.commit, time.process_time()

    def measured(self, entry):
        done[0] += entry["records"]
        while len(rows) < 10 * done[0] // count:
            rows.append((len(rows) + 1, done[0], time.process_time() - before, process.memory_info().rss / 2**20))
        return commit(self, entry)

    OutputFolder.commit = measured
    kospan.predict_corpus(model, corpus, out / "one", shard_size=shard_size)
    OutputFolder.commit = commit
    lines = ["| share of the corpus | records | CPU seconds | records per CPU second | resident memory, MiB |"]
    lines += ["|---|---|---|---|---|"]
    lines += [f"| {10 * at} % | {n:,} | {cpu:,.1f} | {n / cpu:,.0f} | {rss:,.0f} |" for at, n, cpu, rss in rows]
    memory = [row[3] for row in rows]
    drift = max(abs(each / memory[0] - 1) for each in memory)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = usage.ru_utime + usage.ru_stime
    kospan.predict_corpus(model, corpus, out / "two", shard_size=shard_size, num_processes=2)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = usage.ru_utime + usage.ru_stime - start
    return [
        *("## Rate and memory", "", f"One process, shards of {shard_size:,} records:", ""),
        *lines,
        "",
        f"Memory differs from that at 10 % by at most {100 * drift:.1f} %. Two processes: {count / cpu:,.0f} records "
        f"per CPU second of a process, loading of the models included; the output {equal(out / 'one', out / 'two')}.",
        "",
    ]


def against_pipeline(model: str, texts: list[str], part: int) -> list[str]:
    """CPU time of the pipeline over that of ours, part by part."""
    settings, source = CorpusSettings(), Source("texts", "text", "t", 0)
    predictor = Predictor(model, settings)
    pipe = kospan.load(model).pipeline()

    def ours(some: list[str], folder: Path) -> float:
        raws = [Raw(at, text.encode(), None, 0) for at, text in enumerate(some, 1)]
        start = time.process_time()
        predictor.write(Shard("part-00000-00000", source, raws, ""), folder)
        return time.process_time() - start

    def theirs(some: list[str], batch_size: int) -> float:
        data = KeyDataset(Dataset.from_dict({"text": some}), "text")
        start = time.process_time()
        for _ in pipe(data, batch_size=batch_size):
            pass
        return time.process_time() - start

    with tempfile.TemporaryDirectory() as folder:
        ours(texts[:part], Path(folder))
        tried = {size: theirs(texts[:part], size) for size in BATCH_SIZES}
        best = min(tried, key=tried.get)
        pairs = []
        for first in range(0, len(texts), part):
            some = texts[first : first + part]
            pairs.append((ours(some, Path(folder)), theirs(some, best)))
    ratio = statistics.median(theirs / ours for ours, theirs in pairs)
    sizes = ", ".join(f"{size}: {seconds:.1f}" for size, seconds in tried.items())
    totals = [len(texts) / sum(each) for each in zip(*pairs)]
    return [
        *("## Pipeline of transformers", ""),
        f"{len(texts):,} sentences in {len(pairs)} parts. CPU seconds of the pipeline for the first part by batch "
        f"size: {sizes}. With {best}, the best, it takes {ratio:.2f} times the CPU time of ours (median of the parts): "
        f"{totals[0]:,.0f} sentences per CPU second with ours, which also writes the files, {totals[1]:,.0f} with the "
        "pipeline.",
        "",
    ]


def killed_runs(model: str, corpus: Path, out: Path, kills: int, shard_size: int) -> list[str]:
    """Kill runs at random moments, and compare the files with those of an uninterrupted run."""
    chance = random.Random(SEED)
    words = [sys.executable, "-m", "kospan", "predict", model, str(corpus), "--shard_size", str(shard_size)]
    start = time.monotonic()
    with subprocess.Popen([*words, "--output_dir", str(out / "whole")], stderr=subprocess.PIPE, text=True) as whole:
        whole.stderr.readline()
        first = time.monotonic() - start
        shards = 1 + sum(line.startswith("part-") for line in whole.stderr)
    shard = (time.monotonic() - start - first) / max(shards - 1, 1)
    broken, resumed = out / "broken", 0
    for _ in range(kills):
        with subprocess.Popen([*words, "--output_dir", str(broken)], stderr=subprocess.PIPE, text=True) as process:
            # Some are killed while they start, most while they predict or write.
            awaited = chance.randrange(4)
            parts = (line for line in process.stderr if line.startswith("part-"))
            seen = [next(parts, None) for _ in range(awaited)]
            time.sleep(chance.uniform(0, shard if seen else first))
            process.send_signal(signal.SIGKILL)
        journal = broken / JOURNAL
        resumed += journal.exists() and journal.stat().st_size > 0
        if (broken / MANIFEST).exists() and json.loads((broken / MANIFEST).read_text(encoding="utf-8"))["complete"]:
            shutil.rmtree(broken)
    subprocess.run([*words, "--output_dir", str(broken)], check=True, stderr=subprocess.DEVNULL)
    return [
        *("## Killed runs", ""),
        f"{shards} shards of {shard_size:,} records; SIGKILL {kills} times at random moments, {resumed} of them after "
        f"the first shard; a folder that was complete was removed and begun again. The output after the last start "
        f"{equal(out / 'whole', broken)}.",
        "",
    ]


def equal(one: Path, other: Path) -> str:
    """Compare two folders in words."""
    folders = [
        {path.name: path.read_bytes() for path in each.iterdir() if path.name != ".lock"} for each in (one, other)
    ]
    return "is equal, byte for byte" if folders[0] == folders[1] else "DIFFERS"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ko-ner")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--compared", type=int, default=20_000, help="sentences for the pipeline and the killed runs")
    parser.add_argument("--kills", type=int, default=50, help="0 skips the killed runs")
    parser.add_argument("--shard_size", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        texts = write_corpus(work / "corpus", arguments.records)
        write_corpus(work / "small", arguments.compared)
        small = max(1, arguments.compared // 40)
        lines = [
            "# Prediction of corpora",
            "",
            f"`python benchmarks/corpus_predict.py --model {arguments.model} --records {arguments.records} --compared "
            f"{arguments.compared} --kills {arguments.kills} --shard_size {arguments.shard_size}`: "
            f"{arguments.records:,} synthetic sentences, seed {SEED}, on one thread per process of a "
            f"{os.cpu_count()}-core {platform.machine()} virtual machine shared with other jobs; CPU time, torch "
            f"{torch.__version__}.",
            "",
        ]
        sections = (
            lambda: rate_and_memory(arguments.model, work / "corpus", work, arguments.records, arguments.shard_size),
            lambda: against_pipeline(arguments.model, texts[: arguments.compared], max(1, arguments.compared // 10)),
            lambda: killed_runs(arguments.model, work / "small", work, arguments.kills, small),
        )
        for section in sections if arguments.kills else sections[:2]:
            lines += section()
            print("\n".join(lines), flush=True)
    text = "\n".join(lines).rstrip() + "\n"
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
