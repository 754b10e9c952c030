"""Runs the code cells of a notebook in a fresh Python process and keeps what each of them prints.

    python notebooks/run.py notebooks/train_ner.ipynb

writes the outputs into the notebook. Jupyter is not needed, so cells hold plain Python and print what they show.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

_PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop(1)); from run import run_cells; run_cells()"


def read(path: str | os.PathLike) -> dict:
    """A notebook as it is stored."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def code_cells(notebook: dict) -> list[dict]:
    """The cells that hold code."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def printed(cell: dict) -> str:
    """Output of a cell in the form of the notebook."""
    return "".join(line for output in cell["outputs"] for line in output["text"])


def execute(notebook: dict, folder: str | os.PathLike, environment: dict | None = None) -> list[str]:
    """Runs all code cells, one after the other in one process.

    Args:
        notebook: What `read` gave.
        folder: Where the process stands: relative paths of the cells lead there.
        environment: Variables of the process; None takes those of this one.

    Returns: what each cell prints.

    Raises: RuntimeError with the trace where a cell fails.
    """
    cells = ["".join(cell["source"]) for cell in code_cells(notebook)]
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", _PROGRAM, str(Path(__file__).resolve().parent)],
        input=json.dumps(cells),
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        raise RuntimeError(f"a cell failed:\n{done.stderr[-5000:]}")
    return json.loads(done.stdout.rpartition("PRINTED")[2])


def run_cells() -> None:
    """The fresh process: cells on stdin, what they print on stdout."""
    found, names = [], {"__name__": "__main__"}
    for at, source in enumerate(json.load(sys.stdin), 1):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(source, f"cell {at}", "exec"), names)
        found.append(output.getvalue())
    print("PRINTED" + json.dumps(found))


def main(path: str) -> None:
    """Writes the outputs of a notebook into it."""
    notebook = read(path)
    with tempfile.TemporaryDirectory() as folder:
        texts = execute(notebook, folder)
    for at, (cell, text) in enumerate(zip(code_cells(notebook), texts), 1):
        cell["execution_count"] = at
        cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}]
        if not text:
            cell["outputs"] = []
    Path(path).write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
