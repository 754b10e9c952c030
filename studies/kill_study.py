"""Repeated kills of a small study until its command is done; its report is compared with an undisturbed one.

    python studies/kill_study.py [--kills 20] [--seed 0] [--out docs/studies/kill_study.md]

A kill is SIGKILL to the command, to the child that trains, or to both, at a moment drawn at random: some seconds after
the start, or right when a new checkpoint folder, the saved model, a finished result or the file of the counts appears,
while it is being written. If only the child is killed, the command is ended in order after it has registered that.
POSIX only.
"""

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from kospan.ablation.page import write_report
from kospan.ablation.plan import load_study
from kospan.ablation.runner import environment
from kospan.data.text import write_text
from kospan.training.record import commit, versions

ROOT = Path(__file__).resolve().parent.parent
SIZES = {"num_hidden_layers": 0, "hidden_size": 32, "embedding_size": 32, "num_attention_heads": 2}
STUDY = {
    "recipe": str(ROOT / "recipes" / "quickstart.yaml"),
    "seeds": [1, 2, 3, 4],
    "settings": {
        "encoder_options": {**SIZES, "intermediate_size": 16, "hidden_dropout_prob": 0.2},
        "lstm_hidden_size": 32,
        "learning_rate": 0.02,
        "num_train_epochs": 12,
        "early_stopping_patience": 3,
        "use_cpu": True,
    },
    "variants": {"linear": {"head": "linear"}, "crf": {}, "fgm": {"fgm_epsilon": 0.5}},
}
RUNS = len(STUDY["seeds"]) * len(STUDY["variants"])
COMPARED = ("predictions.jsonl", "eval_results.json", "counts.json")
TARGETS = ("command", "child", "both")
PATTERNS = ("*/work/checkpoint-*", "*/clock.json", "*/work/model.safetensors", "*/result", "*/result/counts.json")


def start(folder: Path) -> subprocess.Popen:
    """The command, working in a folder."""
    with open(folder / "said.txt", "ab") as said:
        words = [sys.executable, "-m", "kospan", "ablate", str(folder / "study.yaml")]
        return subprocess.Popen(words, cwd=folder, env=environment(1, 0), stdout=said, stderr=said)


def child_of(folder: Path) -> int | None:
    """The process that trains, by the last line of that kind in the log of the run that is going on."""
    for log in sorted((folder / "out" / ".running").glob("*/log.txt"), key=lambda path: -path.stat().st_mtime):
        lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.startswith("process ")]
        if lines:
            return int(lines[-1].split()[1])
    return None


def wait_for(folder: Path, moment, command: subprocess.Popen) -> bool:
    """Until the moment has come; False where the command has ended before."""
    began, running = time.monotonic(), folder / "out" / ".running"

    def seen(pattern: str) -> set:
        return {(path, path.stat().st_mtime_ns) for path in running.glob(pattern) if path.exists()}

    before = None if isinstance(moment, float) else seen(moment)
    while command.poll() is None:
        try:
            if time.monotonic() - began >= moment if before is None else seen(moment) - before:
                return True
        except FileNotFoundError:
            continue
        time.sleep(0.002)
    return False


def kill(target: str, command: subprocess.Popen, child: int | None, running: Path) -> str:
    """Kill, and wait until the command has no process; returns the processes that were hit."""
    hit = []
    if target != "child" or child is None:
        command.kill()
        hit.append("command")
    if target != "command" and child is not None:
        # The log may name a child that is long gone, and the system gives numbers away again.
        words = subprocess.run(["ps", "-p", str(child), "-o", "args="], capture_output=True, text=True).stdout
        if "kospan.ablation.child" in words:
            os.kill(child, signal.SIGKILL)
            hit.append("child")
    if command.poll() is None and "command" not in hit:
        # It notes the failure, and would go on with the next run.
        while "child" in hit and command.poll() is None and not list(running.glob("*/failed.json")):
            time.sleep(0.002)
        command.terminate()
    command.wait()
    return " and ".join(hit) or "nothing (the child had not begun)"


def contents(folder: Path) -> dict[str, bytes]:
    """The report without measured values, and the results of every run."""
    [experiment] = load_study(folder / "study.yaml", output_dir=folder / "out")
    report = write_report(experiment, folder / "compared", measured=False).parent
    found = {path.name: path.read_bytes() for path in report.iterdir()}
    for run in sorted((folder / "out").glob("*-[0-9]*")):
        found |= {f"{run.name}/{name}": (run / name).read_bytes() for name in COMPARED}
        described = json.loads((run / "run.json").read_text(encoding="utf-8"))
        found[f"{run.name}/curve"] = json.dumps(described["curve"]).encode()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default=str(ROOT / "docs" / "studies" / "kill_study.md"))
    arguments = parser.parse_args()
    chance, rows = random.Random(arguments.seed), []
    with tempfile.TemporaryDirectory() as temporary:
        whole, broken = Path(temporary, "whole"), Path(temporary, "broken")
        for folder in (whole, broken):
            folder.mkdir()
            study = yaml.safe_dump({**STUDY, "output_dir": str(folder / "out")}, sort_keys=False)
            (folder / "study.yaml").write_text(study, encoding="utf-8")
        began = time.monotonic()
        if start(whole).wait() != 0:
            print((whole / "said.txt").read_text(encoding="utf-8"))
            return 1
        seconds = (time.monotonic() - began) / RUNS
        ended_early = 0
        # A kill that came before there was anything to hit does not count.
        while sum("| nothing" not in row for row in rows) < arguments.kills and ended_early < 2:
            target = TARGETS[len(rows) % 3]
            timed = chance.random() < 0.4
            moment = chance.uniform(1.0, 1.2 * seconds) if timed else chance.choice(PATTERNS)
            command = start(broken)
            if not wait_for(broken, moment, command):
                ended_early += 1  # Done, or it ended with a failed run, which the next call tries again.
                continue
            hit = kill(target, command, child_of(broken), broken / "out" / ".running")
            when = f"{moment:.1f} s after its start" if timed else f"`{moment}` shows up"
            done = len(list((broken / "out").glob("*-[0-9]*")))
            rows.append(f"| {len(rows) + 1} | {when} | {hit} | {done} |")
            print(rows[-1], flush=True)
        calls = 0
        while start(broken).wait() != 0:
            calls += 1
            if calls > 3:
                print((broken / "said.txt").read_text(encoding="utf-8"))
                return 1
        one, other = contents(whole), contents(broken)
        starts = [
            json.loads(path.read_text(encoding="utf-8"))["seconds"]["starts"]
            for path in sorted((broken / "out").glob("*-[0-9]*/run.json"))
        ]
    apart = sorted(name for name in one | other if one.get(name) != other.get(name))
    hits = sum("| nothing" not in row for row in rows)
    page = [
        "# A study that is killed again and again",
        "",
        f"`python studies/kill_study.py --kills {arguments.kills} --seed {arguments.seed}`: a study of three "
        f"variants on the shipped sample ({RUNS} runs, early stopping, dropout, FGM in one) was killed {hits} times "
        "with SIGKILL, and the same command was run again after each. Compared with a study that nobody disturbed, "
        "byte for byte: the report without the section on cost, and of every run predictions, metrics, counts and "
        "the learning curve.",
        "",
        f"Result: {len(one)} files compared, {len(apart)} differ{': ' + ', '.join(apart) if apart else ''}. Training "
        f"went on from a checkpoint {sum(starts) - len(starts)} times.",
        "",
        "| kill | moment | hit | runs finished by then |",
        "| --- | --- | --- | --- |",
        *rows,
        "",
        f"Machine: {os.cpu_count()}-core {platform.machine()} virtual machine, one thread; torch "
        f"{versions()['torch']}, transformers {versions()['transformers']}; commit {commit()}.",
    ]
    write_text(arguments.out, "\n".join(page) + "\n")
    print(f"{len(one)} files compared, {len(apart)} differ: {apart}")
    return 1 if apart or hits < arguments.kills else 0


if __name__ == "__main__":
    sys.exit(main())
