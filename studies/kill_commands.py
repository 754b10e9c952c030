"""Commands that are killed at random moments and started again; their output is compared with an undisturbed run's.

    python studies/kill_commands.py [--kills 50] [--others 5] [--seed 0] [--out docs/studies/kill_commands.md]

Training of every task (FGM, R-Drop and dropout where the task has them), training on cached features, prediction,
prediction of a corpus, evaluation and export. Each attempt is a fork of a process that has loaded everything, so that a
kill (SIGKILL) strikes the work and not the start. POSIX only. Results of finished jobs are kept beside the page in JSON
Lines: the study is resumable, and several processes may divide the jobs with `--only`.
"""

import argparse
import dataclasses
import json
import os
import platform
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent

import torch  # noqa: E402
from safetensors import safe_open  # noqa: E402

from kospan.cli import main as kospan  # noqa: E402
from kospan.data.jsonl import write_jsonl  # noqa: E402
from kospan.data.text import write_text  # noqa: E402
from kospan.recipe import load_recipe, save_recipe  # noqa: E402
from kospan.training.record import commit, versions  # noqa: E402
from kospan.training.saving import broken_part, last_whole_checkpoint  # noqa: E402

sys.path.append(str(ROOT / "tests"))  # After the package, which the tests mirror.
import resume_cases as cases  # noqa: E402

ENCODER = {**cases.ENCODER, "num_hidden_layers": 1, "hidden_dropout_prob": 0.2}
SIZES = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
TECHNIQUES = {"fgm_epsilon": 0.5, "rdrop_alpha": 1.0, "multi_sample_dropout": 2}
TRAINED = {
    "token-classification": {"encoder_options": ENCODER, **TECHNIQUES, "lstm_hidden_size": 8},
    "question-answering": {"encoder_options": ENCODER, **TECHNIQUES, "lstm_hidden_size": 8},
    "text-classification": {"encoder_options": ENCODER, **TECHNIQUES},
    "text-classification values": {"encoder_options": ENCODER, **TECHNIQUES},
    "generative-ner": {"encoder_options": {**cases.DECODER, "attention_dropout": 0.2}},
    "pretraining": {"encoder_options": {**SIZES, "attention_dropout": 0.2}},
}
PRETRAINING = {"encoder": "scratch", "encoder_input": "units", "packing": True, "max_length": 48, "use_cpu": True}
PRETRAINING |= {"learning_rate": 1e-2, "per_device_train_batch_size": 4, "load_best_model_at_end": False}
RUN = {"num_train_epochs": 6, "save_total_limit": 3, "eval_strategy": "steps", "save_strategy": "steps"}
RUN |= {"eval_steps": 2, "save_steps": 2}
# Files with times of the run, or with its folder.
TIMED = ("training_record.json", "README.md", "recipe.yaml", "progress.json", "trainer_state.json", "training_args.bin")


class Job:
    """A command that is killed and started again.

    Args:
        name: Name in the table.
        words: The command's words, given its folder.
        resumes: Whether it is a training.
    """

    def __init__(self, name: str, words, resumes: bool):
        self.name, self.words, self.resumes = name, words, resumes

    def start(self, folder: Path) -> int:
        """Fork a process that runs the command; returns its id."""
        words = self.words(folder)
        if self.resumes:
            try:
                last_whole_checkpoint(folder / "out")
                words.append("--resume_from_checkpoint")
            except FileNotFoundError:
                words.append("--overwrite_output_dir")
        child = os.fork()
        if child:
            return child
        status = 1
        try:
            log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(log, 1)
            os.dup2(log, 2)
            status = kospan(words)
        finally:
            os._exit(status)


def training(task: str, **settings) -> Job:
    """A training of a task."""

    def words(folder: Path) -> list[str]:
        features = {"feature_cache_dir": str(folder / "out" / "features")} if "freeze_encoder" in settings else {}
        own = TRAINED[task] | RUN | settings | features
        if task == "pretraining":
            recipe = pretraining_recipe(folder, own)
        else:
            recipe = cases.recipe_of(task, folder, cases.data_of(task, 24), **own)
        save_recipe(recipe, folder / "recipe.yaml")
        return ["train", str(folder / "recipe.yaml")]

    return Job(f"training, {task}" + (", cached features" if settings else ""), words, True)


def pretraining_recipe(folder: Path, settings: dict):
    """A recipe over 48 lines of text."""
    texts = (f"{each.text} {at}\n" for at, each in enumerate(cases.people(48)))
    write_text(folder / "train.txt", "".join(texts))
    own = {"task": "pretraining", "train_file": str(folder / "train.txt"), "output_dir": str(folder / "out")}
    return load_recipe(None, {**PRETRAINING, **own, **settings})


def jobs(model: Path) -> list[Job]:
    """All jobs; the last ones use a trained model."""
    frozen = {"freeze_encoder": True, "fgm_epsilon": 0, "subword_dropout": 0}
    texts = str(model.parent / "texts.jsonl")
    write_jsonl(texts, [dataclasses.replace(each, id=f"t-{at}") for at, each in enumerate(cases.people(12) * 100)])
    return [
        *map(training, TRAINED),
        training("token-classification", **frozen),
        Job("prediction", lambda at: ["predict", str(model), texts, "--output", str(at / "out" / "p.jsonl")], False),
        Job("prediction of a corpus", lambda at: corpus_words(model, texts, at), False),
        Job("evaluation", lambda at: ["evaluate", str(model), "--data", texts, "--output", f"{at}/out/s.json"], False),
        Job("export", lambda at: ["export", str(model), str(at / "out" / "onnx"), "--overwrite"], False),
    ]


def corpus_words(model: Path, texts: str, folder: Path) -> list[str]:
    """A prediction in shards, which a later command continues."""
    return ["predict", str(model), texts, "--output_dir", str(folder / "out" / "shards"), "--shard_size", "100"]


def contents(folder: Path) -> dict[str, bytes]:
    """Final files of a job by name, without those of checkpoints and those that hold times."""
    found = {}
    for path in sorted((folder / "out").rglob("*")):
        parts = path.relative_to(folder / "out").parts
        hidden = any(part.startswith((".", "checkpoint-")) for part in parts)
        if path.is_file() and not hidden and path.name not in (*TIMED, "lock"):
            found["/".join(parts)] = path.read_bytes()
    return found


def halves(folder: Path, whole: dict[str, bytes]) -> list[str]:
    """Files under a final name that differ from the undisturbed run's, and checkpoints wrongly accepted as complete.

    The feature cache has a file of its full size from the start; its list of checksums says which parts count. The
    manifest of a corpus says that it is not complete.
    """
    partial = ("features", "manifest.json")
    found = {name: data for name, data in contents(folder).items() if not any(part in name for part in partial)}
    wrong = [name for name, data in found.items() if whole.get(name) != data]
    for checkpoint in (folder / "out").glob("checkpoint-*"):
        if broken_part(checkpoint) is None:
            try:
                for name in ("optimizer.pt", "scheduler.pt"):
                    torch.load(checkpoint / name, weights_only=True)
                for path in checkpoint.glob("*.safetensors"):
                    with safe_open(str(path), framework="pt") as file:
                        assert [file.get_tensor(key) for key in file.keys()]  # noqa: SIM118
            except Exception as error:
                wrong.append(f"{checkpoint.name}: {error}")
    return wrong


def strike(job: Job, folder: Path, moment: float) -> str:
    """Run a job and kill it at a moment (seconds); returns "killed", "done" or the exit status."""
    child, began = job.start(folder), time.monotonic()
    while time.monotonic() - began < moment:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return "done" if code == 0 else f"exit status {code}"
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "killed"


def prepare(folder: Path) -> Path:
    """An empty folder of a job."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "out").mkdir(parents=True)
    return folder


def complete(job: Job, folder: Path) -> None:
    """Run a job to its end. Raises: RuntimeError with the end of its log."""
    state = strike(job, folder, 3600)
    if state != "done":
        raise failure(job, folder, state)


def failure(job: Job, folder: Path, state: str) -> RuntimeError:
    """An error with the end of a job's log."""
    return RuntimeError(f"{job.name}: {state}\n" + (folder / "log.txt").read_text(encoding="utf-8")[-3000:])


def differing(whole: dict[str, bytes], folder: Path) -> list[str]:
    """Files of the undisturbed run that a job's folder does not have, or has with other content."""
    found = contents(folder)
    return [name for name, data in whole.items() if found.get(name) != data]


def study(job: Job, root: Path, kills: int, chance: random.Random) -> dict:
    """Kill a job a number of times, then let it end, and compare."""
    began = time.monotonic()
    complete(job, prepare(root / "whole"))
    seconds = time.monotonic() - began
    whole, broken = contents(root / "whole"), prepare(root / "broken")
    hits, wrong, resumed, rounds = 0, [], 0, 1
    while hits < kills:
        state = strike(job, broken, chance.uniform(0, seconds))
        wrong += halves(broken, whole)
        if state == "killed":
            hits += 1
            resumed += job.resumes and any(broken_part(each) is None for each in (broken / "out").glob("checkpoint-*"))
        elif state == "done":
            wrong += differing(whole, broken)
            broken, rounds = prepare(broken), rounds + 1
        else:
            raise failure(job, broken, state)
    complete(job, broken)
    wrong += differing(whole, broken)
    found = {"files": len(whole), "kills": hits, "resumed": resumed, "completed": rounds, "wrong": sorted(set(wrong))}
    print(job.name, json.dumps(found), flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="kills over all trainings")
    parser.add_argument("--others", type=int, default=5, help="kills of each other command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="run the jobs whose names begin with one of these, divided by /")
    parser.add_argument("--out", default=str(ROOT / "docs" / "studies" / "kill_commands.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = Path(arguments.out).with_suffix(".jsonl")
    with tempfile.TemporaryDirectory() as temporary:
        first = prepare(Path(temporary, "model"))
        complete(training("token-classification"), first)
        found = jobs(first / "out")
        trainings = [job.name for job in found if job.resumes]
        for at, job in enumerate(found):
            if job.name in finished(results) or not job.name.startswith(tuple(arguments.only.split("/"))):
                continue
            share = arguments.kills // len(trainings) + (at < arguments.kills % len(trainings))
            moments = random.Random(f"{arguments.seed} {job.name}")
            row = study(job, Path(temporary, str(at)), share if job.resumes else arguments.others, moments)
            with open(results, "a", encoding="utf-8") as file:
                file.write(json.dumps({"job": job.name, **row, "commit": commit()}) + "\n")
    done = finished(results)
    if any(job.name not in done for job in found):
        return 0
    rows = [(job.name, done[job.name]) for job in found]
    wrong = sum(len(each["wrong"]) for _, each in rows)
    write_page(arguments, rows, wrong)
    return int(bool(wrong))


def finished(results: Path) -> dict[str, dict]:
    """Results of the finished jobs by name."""
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    return {row["job"]: row for row in map(json.loads, lines)}


def write_page(arguments, rows: list[tuple[str, dict]], wrong: int) -> None:
    """Write the page with the results of all jobs."""
    trained = sum(each["kills"] for name, each in rows if name.startswith("training"))
    others = sum(each["kills"] for _, each in rows) - trained
    page = [
        "# Commands that are killed",
        "",
        f"`python studies/kill_commands.py --kills {arguments.kills} --others {arguments.others} --seed "
        f"{arguments.seed}`: each command is killed "
        "with SIGKILL at random moments of its work and started again, a training with `--resume_from_checkpoint` as "
        "soon as there is a complete checkpoint. Tiny models with random weights; the trainings use dropout, FGM and "
        "R-Drop where the task has them, and a checkpoint every second step. After every "
        "kill each file under a final name is compared with that of an undisturbed run, byte for byte, and each "
        "checkpoint that counts as complete is read; at the end all files are compared, weights, predictions and "
        "scores among them.",
        "",
        f"Result: {trained} kills of trainings and {others} of other commands, {wrong} differences.",
        "",
        "| command | kills | with a complete checkpoint | times completed | files compared | differences |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {name} | {each['kills']} | {each['resumed'] or '-'} | {each['completed']} | {each['files']} | "
            f"{', '.join(each['wrong']) or 0} |"
            for name, each in rows
        ),
        "",
        "Studies (`kospan ablate`) are killed in [kill_study.md](kill_study.md). Pushes are not among the commands.",
        "",
        f"Machine: {os.cpu_count()}-core {platform.machine()} virtual machine, one thread; torch "
        f"{versions()['torch']}, transformers {versions()['transformers']}; commit "
        f"{', '.join(dict.fromkeys(each['commit'] for _, each in rows))}.",
    ]
    write_text(arguments.out, "\n".join(page) + "\n")


if __name__ == "__main__":
    sys.exit(main())
