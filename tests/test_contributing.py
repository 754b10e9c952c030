"""The steps of CONTRIBUTING.md work: a toy head and a toy data set change only the files that it names."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from time_limits import SECONDS

ROOT = Path(__file__).parent.parent

HEAD = '''class SmoothedHead(LinearHead):
    """Linear head with label smoothing."""

    options = {**LinearHead.options, "smoothing": 0.1}

    def loss(self, emissions: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor, context) -> torch.Tensor:
        """Smoothed cross-entropy of the gold tags, summed."""
        return nn.functional.cross_entropy(
            emissions.flatten(0, 1),
            labels.flatten(),
            ignore_index=-100,
            reduction="sum",
            label_smoothing=self.settings["smoothing"],
        )


'''

READER = '''"""Toy data: one text per line, in which brackets mark persons."""

from kospan.data.records import STRICT, Item
from kospan.example import Example
from kospan.modeling.spans import Span


def read_toy(path, session=STRICT):
    """Read the lines of a file."""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            with session.record():
                before, _, rest = line.rstrip("\\n").partition("[")
                name, closed, after = rest.partition("]")
                if not closed:
                    raise ValueError(f"{path}:{number}: expected a name in brackets, got {line!r}; add one")
                span = Span(len(before), len(before) + len(name), "PS")
                yield Item(f"{path}:{number}", Example(f"toy-{number}", before + name + after, (span,)))
'''

ENTRY = """DATASETS: dict[str, DatasetSpec] = {
    "toy": DatasetSpec(
        "character",
        read_toy,
        title="Toy persons",
        language="ko",
        licence="mit",
        meanings={"PS": ("person", "사람")},
    ),
"""

RECIPE = """task: token-classification
encoder: scratch
encoder_options: {num_hidden_layers: 0, embedding_size: 8, hidden_size: 8}
encoder_input: units
max_steps: 2
per_device_train_batch_size: 4
use_cpu: true
"""


@pytest.fixture
def clone(tmp_path) -> Path:
    """A copy of the package with modeling/ as a folder of kospan/, so that it can be imported without installation."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "kospan", tmp_path / "kospan", ignore=ignored)
    shutil.copytree(ROOT / "modeling", tmp_path / "kospan" / "modeling", ignore=ignored)
    return tmp_path


def contents(folder: Path) -> dict[str, str]:
    """Checksum of each source file by its path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (folder / "kospan").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Paths that were added or changed; none may have been removed."""
    assert set(before) <= set(after)
    return {path for path, checksum in after.items() if before.get(path) != checksum}


def insert(path: Path, pattern: str, replacement: str) -> None:
    """Replace the only match of a pattern in a file."""
    text = path.read_text(encoding="utf-8")
    text, number = re.subn(pattern, lambda _: replacement, text, flags=re.MULTILINE)
    assert number == 1, f"{path}: expected one match of {pattern}, got {number}"
    path.write_text(text, encoding="utf-8")


def python(folder: Path, code: str) -> str:
    """Output of code in a fresh process that imports the copy."""
    environment = os.environ | {"PYTHONPATH": str(folder), "HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", f"import kospan; assert kospan.__file__.startswith({str(folder)!r})\n{code}"],
        cwd=folder,
        env=environment | {"PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def train(folder: Path, *flags: str) -> Path:
    """Train the recipe with further flags; gives the output folder."""
    (folder / "toy.yaml").write_text(RECIPE, encoding="utf-8")
    words = ["train", "toy.yaml", *flags, "--output_dir", "out"]
    python(folder, f"from kospan.cli import main\nassert main({words!r}) == 0")
    return folder / "out"


def test_a_head_changes_one_file(clone):
    before = contents(clone)
    heads = clone / "kospan" / "modeling" / "heads.py"
    insert(heads, r"^HEADS = \{", HEAD + 'HEADS = {"smoothed": SmoothedHead, ')
    assert changed(before, contents(clone)) == {"kospan/modeling/heads.py"}
    spans = [{"start": 0, "end": 3, "label": "PS"}]
    rows = [{"id": f"{at}", "text": "이재용 회장이 왔다", "spans": spans} for at in range(16)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (clone / "train.jsonl").write_text(lines, encoding="utf-8")
    flags = ("--dataset", "jsonl", "--train_file", "train.jsonl", "--head", "smoothed")
    out = train(clone, *flags, "--head_options", "{smoothing: 0.2}")
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert (config["head"], config["head_options"]) == ("smoothed", {"smoothing": 0.2})
    # The saved folder loads without kospan's own code in the process.
    code = (
        "from transformers import AutoModel\n"
        "model = AutoModel.from_pretrained('out', trust_remote_code=True)\n"
        "print(type(model.head).__name__, model.extract('비가 온다') is not None)"
    )
    assert python(clone, code).split() == ["SmoothedHead", "True"]


def test_a_data_set_changes_two_files(clone):
    before = contents(clone)
    (clone / "kospan" / "data" / "toy.py").write_text(READER, encoding="utf-8")
    registry = clone / "kospan" / "data" / "registry.py"
    insert(registry, r"^(?=from kospan\.data\.tydiqa import)", "from kospan.data.toy import read_toy\n")
    insert(registry, r"^DATASETS: dict\[str, DatasetSpec\] = \{\n", ENTRY)
    assert changed(before, contents(clone)) == {"kospan/data/toy.py", "kospan/data/registry.py"}
    names = ["김도윤", "이서연", "박민수", "정하윤"]
    lines = "".join(f"[{names[at % 4]}] 씨가 왔다\n" for at in range(16))
    (clone / "train.txt").write_text(lines, encoding="utf-8")
    out = train(clone, "--dataset", "toy", "--train_file", "train.txt")
    card = (out / "README.md").read_text(encoding="utf-8")
    # The model card and the documentation take what they know from the entry.
    assert "Toy persons" in card and "MIT" in card.upper() and "person" in card
    shutil.copytree(ROOT / "docs", clone / "docs", ignore=shutil.ignore_patterns("*.png", "*.json"))
    table = python(clone, "from docs import generate\nprint(generate.dataset_table())")
    assert re.search(r"^\| `toy` \| Toy persons \| ko \| character \| file \| ", table, re.MULTILINE)
