"""Helpers for the tests of model cards."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from kospan.card.card import write_card
from kospan.tasks.registry import spec_of_folder


def change(path: Path, **values) -> None:
    """Change keys of a JSON or YAML file; None removes one."""
    found = yaml.safe_load(path.read_text(encoding="utf-8")) | values
    found = {key: value for key, value in found.items() if value is not None}
    written = json.dumps(found) if path.suffix == ".json" else yaml.safe_dump(found, sort_keys=False)
    path.write_text(written, encoding="utf-8")


def card_of(folder: Path, repo_id: str | None = None) -> str:
    """Write the card of a folder and return it."""
    write_card(folder, spec_of_folder(folder), repo_id)
    return (folder / "README.md").read_text(encoding="utf-8")


def section(card: str, heading: str) -> str:
    """The text under a heading, up to the next."""
    part = re.split(rf"^#+ {re.escape(heading)}$", card, flags=re.MULTILINE)[1]
    return re.split(r"^#+ ", part, flags=re.MULTILINE)[0]


def check_snippets(folder: Path, home: Path) -> list[str]:
    """Run a card's Python in a fresh interpreter beside the folder; return the outputs, which are those of the card."""
    card = (folder / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", section(card, "Use"), re.MULTILINE | re.DOTALL)
    assert [language for language, _ in blocks] == ["python", "text", "python", "text"]
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "HF_TOKEN")}
    environment |= {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    # One interpreter for both, each in a namespace of its own.
    program = "import json, sys\nfor code in json.loads(sys.argv[1]):\n    exec(code, {})\n    print('---')\n"
    done = subprocess.run(
        [sys.executable, "-I", "-X", "utf8", "-c", program, json.dumps([code for _, code in blocks[::2]])],
        cwd=folder.parent,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    printed = [text for _, text in blocks[1::2]]
    assert all(printed) and done.stdout.split("---\n")[:-1] == printed
    return printed
