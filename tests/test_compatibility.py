"""The page of what works is true: made from the suite as it is, with every row accounted for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.census import page, said
from tests.census.evidence import Evidence, gather
from tests.census.rows import COMPLETE, matches, rows
from tests.fakes.api_server import ApiServer

from carrack.cli.container_flags import CREATE_FLAGS
from carrack.cli.main import main


@pytest.fixture(scope="module")
def evidence() -> tuple[Evidence, set[str]]:
    return gather(rows())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiServer]:
    answers = {
        "GET /_ping": (200, "OK"),
        "POST /containers/create": (201, {"Id": "a" * 64, "Warnings": []}),
        "POST /images/create": (200, {}),
    }
    server = ApiServer(tmp_path / "api.sock", answers)
    yield server
    server.close()


def test_every_mark_names_a_row(evidence: tuple[Evidence, set[str]]) -> None:
    assert not evidence[1], "see tests/census/rows.py for how rows are named"


def test_no_exception_is_forgotten() -> None:
    names = [row.name for row in rows()]
    stale = [e.pattern for e in page.exceptions() if not any(matches(name, e.pattern) for name in names)]
    assert not stale


_ALONE = [flag for flag in CREATE_FLAGS if flag[0] not in said.NOT_ALONE]


@pytest.mark.census("HostConfig")
@pytest.mark.parametrize("flag", _ALONE, ids=lambda flag: flag[0])
def test_create_and_run_say_the_same(
    flag: tuple[str, str, str, str], server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a test sees of a flag of `run` is true of `create`: both send the same request."""
    bodies = []
    for verb in (["create"], ["run", "--detach"]):
        (folder := tmp_path / verb[0]).mkdir()
        monkeypatch.chdir(folder)  # where the id of a container may be written once
        main([f"--host=unix://{server.path}", *verb, said.sample(flag[0], flag[2]), "image"])
        sent = [each for each in server.requests if each.path.endswith("/containers/create")]
        assert sent, server.requests
        bodies.append((json.loads(sent[-1].body), sent[-1].query))
        server.requests.clear()
    assert _comparable(bodies[0]) == _comparable(bodies[1])


def _comparable(body: tuple[dict[str, object], str]) -> tuple[dict[str, object], str]:
    apart = ("AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce")
    return {key: value for key, value in body[0].items() if key not in apart}, body[1]


def test_the_page_is_that_of_this_suite(evidence: tuple[Evidence, set[str]]) -> None:
    assert page.PAGE.read_text() == page.render(page.judge(rows(), evidence[0])), "stale: run python -m tests.census"


@pytest.mark.parametrize("group", COMPLETE)
def test_every_row_has_its_account_and_nearly_all_work(evidence: tuple[Evidence, set[str]], group: str) -> None:
    judged = page.judge(rows(), evidence[0])
    assert not [each.row.name for each in judged if each.row.group == group and not each.state]
    number = page.counts(judged, group)
    assert number["works"] >= 0.9 * (sum(number.values()) - number["obsolete"])
