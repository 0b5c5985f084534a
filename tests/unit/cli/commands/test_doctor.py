"""What is wrong, as it is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.fakes.api_server import serving

from carrack.cli.main import main

FINE = {"Check": "forwarding", "Level": "ok", "Text": "this host forwards packets", "Mend": ""}
NOTE = {"Check": "kernel", "Level": "note", "Text": "not in this kernel: sctp", "Mend": "modprobe sctp"}
WRONG = {"Check": "routes", "Level": "problem", "Text": "network a overlaps", "Mend": "carrack network rm a"}


def run(tmp_path: Path, found: list[dict[str, str]], *words: str) -> int:
    with serving(tmp_path / "s", {"GET /system/doctor/network": (200, found)}):
        return main(["-H", f"unix://{tmp_path}/s", "doctor", "net", *words])


def test_what_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, [FINE, NOTE]) == 0
    assert capsys.readouterr().out == (
        "ok       forwarding  this host forwards packets\n"
        "note     kernel      not in this kernel: sctp\n"
        "                     mend it: modprobe sctp\n"
    )


def test_a_problem_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, [FINE, WRONG], "--json") == 1
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [FINE, WRONG]


def test_by_a_template(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, [NOTE], "--format", "{{.Check}}: {{.Mend}}") == 0
    assert capsys.readouterr().out == "kernel: modprobe sctp\n"
