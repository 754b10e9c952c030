"""Fuzzing of everything that reads input from outside, with cases that are almost valid.

    python studies/fuzzing.py [--target NAME|all] [--cases 50000] [--seed 0] [--engine hypothesis|atheris]
        [--out docs/studies/fuzzing.md]

The targets are in `tests/fuzz`, with a strategy of hypothesis for their cases. A case is accepted, with its invariants
checked, or refused with an error that names what was expected and what was received. Anything else is a failure: it is
shrunk and stored under `tests/fuzz/corpus`, which the tests replay. With `--engine atheris` the coverage of the
branches of kospan guides the choice of the cases; it needs the package atheris, and shrinks nothing.
"""

import argparse
import contextlib
import json
import logging
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Seconds of CPU time after which a case counts as a hang, and the limit of the process's address space in bytes.
LONGEST, MEMORY = 10.0, 24 * 2**30
FAILED = "failed"


class Hang(BaseException):
    """A case that runs longer than `LONGEST`; no handler of exceptions catches it."""


@dataclass
class Tally:
    """Counts of a target.

    Args:
        outcomes: Cases by outcome.
        failures: Name of the stored case by signature of the error.
        seconds: CPU time of all checks.
        slowest: CPU time of the slowest one.
    """

    outcomes: Counter = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    slowest: float = 0.0

    @property
    def cases(self) -> int:
        """Number of cases."""
        return sum(self.outcomes.values())


@contextlib.contextmanager
def limited():
    """Raise `Hang` in a block that takes too much CPU time."""

    def stop(*_):
        raise Hang(f"expected a result within {LONGEST:g} s of CPU time, got none")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def cpu_time() -> float:
    """Seconds of CPU time of this process, which `time.process_time` counts in whole ticks while a timer is set."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def checked(target, case, tally: Tally) -> str:
    """Run a case within the limit of time, and count its time.

    Raises:
        Exception: The error of a case that fails.
        Hang: If it takes too long.
    """
    began = cpu_time()
    try:
        with limited():
            return target.check(case)
    finally:
        taken = cpu_time() - began
        tally.seconds += taken
        tally.slowest = max(tally.slowest, taken)


def run_hypothesis(name: str, cases: int, seed: int) -> Tally:
    """Run a target; after a failure the run continues, and further failures of its signature are only counted."""
    from fuzz.cases import signature
    from fuzz.targets import TARGETS
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    target, tally = TARGETS[name], Tally()
    last: list = []
    while tally.cases < cases:
        counting = True

        @seeded(seed + 1_000_003 * len(tally.failures) + tally.cases)
        @settings(
            max_examples=cases - tally.cases,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        )
        @given(target.cases)
        def run(case):
            nonlocal counting
            try:
                outcome = checked(target, case, tally)
            except (Exception, Hang) as error:
                if signature(error) in tally.failures:
                    outcome = FAILED
                else:
                    if counting:
                        tally.outcomes[FAILED] += 1
                    counting = False  # The rest are steps of shrinking.
                    last[:] = [case, error]
                    raise
            if counting:
                tally.outcomes[outcome] += 1

        try:
            run()
        except (Exception, Hang):
            if not last:
                raise
            _store(name, *last, tally)
            last.clear()
    return tally


def _store(name: str, case, error: BaseException, tally: Tally) -> None:
    from fuzz.cases import signature, write_case

    found = signature(error)
    title = "".join(character if character.isalnum() else "_" for character in found).strip("_").lower()[:70]
    path = write_case(name, title, case)
    tally.failures[found] = path.stem
    print(f"{name}: {found}: {' '.join(str(error).split())[:300]}; stored as {path}", flush=True)


def run_atheris(name: str, cases: int, seed: int) -> Tally:
    """Run a target in a process of its own, which libFuzzer ends."""
    with tempfile.TemporaryDirectory() as folder:
        words = [
            sys.executable,
            __file__,
            "--target",
            name,
            "--cases",
            str(cases),
            "--seed",
            str(seed),
            "--child",
            folder,
        ]
        with open(Path(folder) / "log.txt", "w", encoding="utf-8") as log:
            subprocess.run(words, cwd=ROOT, stdout=log, stderr=log, check=False)
        path = Path(folder) / "tally.json"
        if not path.exists():
            print((Path(folder) / "log.txt").read_text(encoding="utf-8")[-3000:])
            raise SystemExit(f"{name}: expected a result of atheris, got none")
        found = json.loads(path.read_text(encoding="utf-8"))
        return Tally(Counter(found["outcomes"]), found["failures"], found["seconds"], found["slowest"])


def child(name: str, cases: int, seed: int, folder: str) -> None:
    """Fuzz one target with atheris; it does not return."""
    import atheris

    with atheris.instrument_imports(include=["kospan"], enable_loader_override=False):
        from fuzz.targets import TARGETS
    from fuzz.cases import signature
    from hypothesis import HealthCheck, given, settings

    target, tally = TARGETS[name], Tally()

    def save() -> None:
        values = {key: getattr(tally, key) for key in ("outcomes", "failures", "seconds", "slowest")}
        (Path(folder) / "tally.json").write_text(json.dumps(values), encoding="utf-8")

    @settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(target.cases)
    def run(case):
        try:
            outcome = checked(target, case, tally)
        except (Exception, Hang) as error:
            outcome = FAILED
            if signature(error) not in tally.failures:
                _store(name, case, error, tally)
        tally.outcomes[outcome] += 1
        if tally.cases >= cases:
            save()
            os._exit(0)

    corpus = Path(folder) / "corpus"
    corpus.mkdir()
    options = [f"-seed={seed + 1}", "-runs=-1", "-max_len=4096", "-len_control=0", "-rss_limit_mb=0", "-timeout=600"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], run.hypothesis.fuzz_one_input)
    atheris.Fuzz()


def page(rows: list[dict]) -> str:
    """The report of all rows."""
    head = (
        "Input that is almost valid, by target (`tests/fuzz`). Accepted: read without an error, all invariants hold. "
        "Refused: an error that names what was expected and received. Failures: any other error, a broken invariant, "
        f"or a case of more than {LONGEST:g} s of CPU time. Rates count the checks alone, not the generation of cases."
    )
    parts = ["# Fuzzing", "", head]
    for engine in dict.fromkeys(row["engine"] for row in rows):
        own = [row for row in rows if row["engine"] == engine]
        total = {key: sum(row[key] for row in own) for key in ("cases", "accepted", "refused", "failures", "seconds")}
        total |= {"target": "all", "slowest": max(row["slowest"] for row in own), "seed": "", "commit": ""}
        parts += [
            "",
            f"## {engine}",
            "",
            f"`python studies/fuzzing.py --target TARGET --cases CASES --seed SEED --engine {engine} --out "
            "docs/studies/fuzzing.md`",
            "",
            "| target | cases | seed | accepted | refused | failures | cases per CPU second | slowest case | commit |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
            *(
                f"| {row['target']} | {row['cases']:,} | {row['seed']} | {row['accepted']:,} | {row['refused']:,} | "
                f"{row['failures']:,} | {row['cases'] / max(row['seconds'], 1e-9):,.0f} | {row['slowest']:.2f} s | "
                f"{row['commit']} |"
                for row in [*own, total]
            ),
        ]
    machine = f"one thread of a {os.cpu_count()}-core {platform.machine()} virtual machine"
    names = ", ".join(f"{name} {version(name)}" for name in ("hypothesis", "torch", "transformers"))
    return "\n".join([*parts, "", f"Machine: {machine}; {names}.", ""])


def made_of() -> str:
    """The commit of this code, before the report changes files."""
    from kospan.training.record import commit

    name, _, changes = (commit() or "unknown").partition(" ")
    return f"{name[:10]} {changes}".strip()


def add_row(path: Path, row: dict) -> None:
    """Add the row of a target to the report and to the JSON file beside it, in place of an earlier one."""
    from filelock import FileLock
    from fuzz.targets import TARGETS

    from kospan.data.text import write_text

    data, order = path.with_suffix(".json"), [*TARGETS]
    with FileLock(Path(tempfile.gettempdir()) / "kospan-fuzzing.lock"):
        rows = json.loads(data.read_text(encoding="utf-8")) if data.exists() else []
        rows = [each for each in rows if (each["engine"], each["target"]) != (row["engine"], row["target"])] + [row]
        rows.sort(key=lambda each: (each["engine"] == "atheris", order.index(each["target"])))
        write_text(data, json.dumps(rows, indent=1) + "\n")
        write_text(path, page(rows))


def main() -> int:
    """Run the targets and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--target", default="all", help="name of a target, several separated by commas, or all")
    parser.add_argument("--cases", type=int, default=50_000, help="cases of all targets together, or of the named ones")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", default="hypothesis", choices=("hypothesis", "atheris"))
    parser.add_argument("--out", type=Path, help="report to write, such as docs/studies/fuzzing.md")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    logging.disable(logging.CRITICAL)
    if arguments.child:
        child(arguments.target, arguments.cases, arguments.seed, arguments.child)
    from fuzz.targets import TARGETS

    names = list(TARGETS) if arguments.target == "all" else arguments.target.split(",")
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        parser.error(f"expected targets among {', '.join(TARGETS)}, got {unknown[0]!r}")
    shares = {name: TARGETS[name].share for name in names}
    made = made_of()
    whole, failed = sum(shares.values()), 0
    for name in names:
        cases = max(1, round(arguments.cases * shares[name] / whole))
        run = run_hypothesis if arguments.engine == "hypothesis" else run_atheris
        tally = run(name, cases, arguments.seed)
        counts = ", ".join(f"{count:,} {kind}" for kind, count in tally.outcomes.items())
        rate = tally.cases / max(tally.seconds, 1e-9)
        print(f"{name}: {tally.cases:,} cases, {counts}; {rate:,.0f} per second", flush=True)
        failed += len(tally.failures)
        if arguments.out:
            row = {"engine": arguments.engine, "target": name, "cases": tally.cases, "seed": arguments.seed}
            row |= {"accepted": tally.outcomes["accepted"], "refused": tally.outcomes["refused"]}
            row |= {"failures": tally.outcomes[FAILED], "seconds": round(tally.seconds, 3)}
            add_row(arguments.out, row | {"slowest": round(tally.slowest, 2), "commit": made})
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
