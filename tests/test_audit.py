"""The check for vulnerabilities: what fails, what is reported, and what a reason excuses; pip-audit is a stub."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
audit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(audit)

VULNERABLE = {"name": "urllib3", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.0"]}]}
FINE = {"name": "numpy", "version": "2.4.6", "vulns": []}
SKIPPED = {"name": "kospan", "skip_reason": "not on the index"}


@pytest.fixture
def stub(tmp_path):
    """Builds a program that prints and exits as pip-audit would."""

    def build(out: str = "", err: str = "", status: int = 0) -> list[str]:
        path = tmp_path / "stub.py"
        path.write_text(
            "import sys\nfrom pathlib import Path\n"
            f"Path({str(tmp_path / 'words')!r}).write_text('\\n'.join(sys.argv[1:]))\n"
            f"print({out!r}); print({err!r}, file=sys.stderr); sys.exit({status})\n",
            encoding="utf-8",
        )
        return [sys.executable, str(path)]

    return build


def report(*packages) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


@pytest.mark.parametrize(
    ("out", "err", "status", "expected", "line"),
    [
        (report(FINE), "", 0, 0, "1 packages audited, 0 vulnerabilities"),
        (report(FINE, VULNERABLE), "Found 1", 1, 1, "vulnerable: urllib3 1.0, PYSEC-1, fixed in 2.0"),
        (report(FINE, SKIPPED), "", 0, 0, "not on the index: kospan"),
        (report(SKIPPED), "", 0, 0, "not audited: the service of vulnerabilities knows none of the 1 packages"),
        ("", "ConnectionError: Max retries exceeded", 1, 0, "not audited: ConnectionError"),
        ("", "503 Server Error: Service Unavailable", 1, 0, "not audited: 503"),
        ("", "usage: pip-audit [-h]", 2, 1, "pip-audit failed: usage"),
        ("", "KeyError: 'x'", 1, 1, "pip-audit failed: KeyError"),
    ],
)
def test_outcomes(stub, capsys, out, err, status, expected, line):
    assert audit.audit(stub(out, err, status), ["numpy==2.4.6"], {}) == expected
    assert line in capsys.readouterr().out


def test_a_service_that_does_not_answer(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(audit, "SECONDS", 0)
    assert audit.audit([sys.executable, "-c", "input()"], ["numpy==2.4.6"], {}) == 0
    assert "did not answer" in capsys.readouterr().out


def test_reasons(stub, tmp_path):
    ignore = audit.ignored("# comment\nPYSEC-1   kospan opens no such address\n\n")
    assert ignore == {"PYSEC-1": "kospan opens no such address"}
    audit.audit(stub(report(FINE)), ["numpy==2.4.6"], ignore)
    assert "--ignore-vuln=PYSEC-1" in (tmp_path / "words").read_text(encoding="utf-8").split("\n")
    with pytest.raises(ValueError, match="got 'PYSEC-2' without a reason; add it"):
        audit.ignored("PYSEC-2\n")
    assert isinstance(audit.ignored(audit.IGNORED.read_text(encoding="utf-8")), dict)


def test_pins():
    frozen = "torch==2.13.0+cpu\n-e git+https://x#egg=kospan\nkospan-ko @ file:///x\nnumpy==2.4.6\n# x\n"
    assert audit.pinned(frozen) == ["torch==2.13.0", "numpy==2.4.6"]
