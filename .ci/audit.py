"""Known vulnerabilities of pinned packages, by pip-audit: `python .ci/audit.py FROZEN [--program pip-audit]`.

FROZEN is the output of `pip freeze`. Exit status 1 for a vulnerability that audit_ignored.txt does not list. Where the
service of vulnerabilities cannot be reached, that is printed and the exit status is 0.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

IGNORED = Path(__file__).with_name("audit_ignored.txt")
SECONDS = 55
_UNREACHABLE = re.compile(
    r"connection|connect to|resolve|timed out|timeout|unreachable|max retries|proxy|certificate|unavailable|50\d ",
    re.IGNORECASE,
)


def ignored(text: str) -> dict[str, str]:
    """Reasons by id, from lines `ID  REASON`.

    Raises:
        ValueError: If a line has no reason.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = {name: reason.strip() for name, _, reason in (line.partition(" ") for line in lines)}
    for name, reason in found.items():
        if not reason:
            raise ValueError(f"{IGNORED.name}: expected `ID  REASON`, got {name!r} without a reason; add it")
    return found


def pinned(frozen: str) -> list[str]:
    r"""Pins as the index has them: without local versions such as `+cpu`, and without files and editable packages.

    >>> pinned("torch==2.13.0+cpu\n-e .\nkospan @ file:///x\nnumpy==2.4.6")
    ['torch==2.13.0', 'numpy==2.4.6']
    """
    found = (re.fullmatch(r"([\w.-]+==[\w.!]+)(\+\S+)?", line.strip()) for line in frozen.splitlines())
    return [match[1] for match in found if match]


def audit(program: list[str], pins: list[str], ignore: dict[str, str]) -> int:
    """Print what is known; return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pins.txt")
        path.write_text("\n".join(pins) + "\n", encoding="utf-8")
        words = ["--requirement", str(path), "--no-deps", "--disable-pip", "--format", "json", "--timeout", "10"]
        words += [f"--ignore-vuln={name}" for name in ignore]
        try:
            done = subprocess.run(
                [*program, *words, "--progress-spinner", "off"],
                capture_output=True,
                encoding="utf-8",
                timeout=SECONDS,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            print(f"not audited: the service of vulnerabilities did not answer within {SECONDS} s")
            return 0
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit status {done.returncode}"]
        is_unreachable = done.returncode == 1 and any(map(_UNREACHABLE.search, lines))
        print(f"{'not audited' if is_unreachable else 'pip-audit failed'}: {lines[-1]}")
        return 0 if is_unreachable else 1
    found = [(each, one) for each in packages for one in each.get("vulns", ())]
    for package, one in found:
        fixed = ", ".join(one.get("fix_versions") or ()) or "no version"
        print(f"vulnerable: {package['name']} {package['version']}, {one['id']}, fixed in {fixed}")
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    if len(skipped) == len(packages):
        print(f"not audited: the service of vulnerabilities knows none of the {len(packages)} packages")
        return 0
    counts = f"{len(found)} vulnerabilities, {len(ignore)} ignored with a reason"
    print(f"{len(packages) - len(skipped)} packages audited, {counts}")
    if skipped:
        print(f"not on the index: {', '.join(skipped)}")
    return bool(found)


def main() -> int:
    """Read the files and run pip-audit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frozen", type=Path)
    parser.add_argument("--program", nargs="+", default=[sys.executable, "-m", "pip_audit"])
    arguments = parser.parse_args()
    reasons = ignored(IGNORED.read_text(encoding="utf-8"))
    return audit(arguments.program, pinned(arguments.frozen.read_text(encoding="utf-8")), reasons)


if __name__ == "__main__":
    sys.exit(main())
