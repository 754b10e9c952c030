"""Calls of pip."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from kospan.redaction import redacted


def run_pip(*words: str) -> None:
    """Run pip without questions; its settings, such as indexes, are those of its configuration and environment.

    Raises:
        ValueError: If it failed, with the first error that it printed.
    """
    command = [sys.executable, "-m", "pip", *words, "--no-input", "--disable-pip-version-check"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
        reason = next(iter(errors or lines[-1:]), f"exit status {done.returncode}")
        # Of a conflict, the requirements that contradict each other.
        signs = " depends on ", "The user requested "
        causes = [line for line in (*lines, *done.stdout.splitlines()) if any(sign in line for sign in signs)]
        reason += f" {'; '.join(line.strip() for line in causes[:6])}" if causes else ""
        raise ValueError(redacted(f"expected pip {words[0]} to succeed, got: {reason}; correct it and run again"))


def resolve(words: list[str]) -> list[dict]:
    """Resolve requirements.

    Args:
        words: Requirements and options of `pip install`.

    Returns:
        The entries "install" of pip's installation report.

    Raises:
        ValueError: If there is no solution.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        # A target folder, which stays empty, is required with --platform.
        target = ["--target", str(Path(folder, "target"))]
        run_pip("install", "--dry-run", "--ignore-installed", "--report", str(report), *target, *words)
        return json.loads(report.read_text(encoding="utf-8"))["install"]
