"""Docker's own answers, word for word: the docker command and ours against our daemon, judged by what was recorded.

The two command lines play at the same time, each on a daemon of its own, as most of a scenario is waiting.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from tests.cli import golden
from tests.cli.busybox import IMPORT, root_file_system
from tests.cli.differences import DIFFERENCES, expected
from tests.cli.play import Play
from tests.cli.running import CommandLine, DaemonProcess

pytestmark = pytest.mark.root
# Several runs on one host must not meet. Below 41,000 there are numbers that are no ports in what is played.
_BASE = 41_000 + os.getpid() % 9 * 2000
_PORTS = {"docker": _BASE, "carrack": _BASE + 1000}
Plays = dict[tuple[str, str], Future[Play]]


@pytest.fixture(scope="module")
def plays(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plays]:
    """What is chosen of this module, played in the background: (scenario, program) → the play."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if (archive := root_file_system()) is None:
        pytest.skip("the distribution's busybox-static is not installed")
    chosen = [
        (str(item.callspec.params["name"]), str(item.callspec.params["program"]))
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.function is test_scenario and not item.get_closest_marker("skip")
    ]
    with ExitStack() as stack:
        found: Plays = {}
        for program in sorted({program for _, program in chosen}):
            process = DaemonProcess(tmp_path_factory.mktemp(f"golden-{program}"), *golden.pools(program))
            stack.callback(process.stop)
            process.start()
            CommandLine("carrack", process)(*IMPORT, stdin=archive)
            pool = stack.enter_context(ThreadPoolExecutor(1))
            stack.callback(pool.shutdown, cancel_futures=True)
            words = CommandLine(program, process).program
            for name in [name for name, wanted in chosen if wanted == program]:
                folder = tmp_path_factory.mktemp("play")
                found[name, program] = pool.submit(
                    golden.play,
                    golden.SCENARIOS[name],
                    words,
                    process.environment,
                    folder,
                    _PORTS[program],
                    golden.block(program),
                )
        yield found


@pytest.mark.parametrize(
    "program", [pytest.param("docker", marks=[pytest.mark.docker_cli, pytest.mark.docker_28]), "carrack"]
)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.census(*getattr(scenario, "census", ())))
        for name, scenario in golden.SCENARIOS.items()
    ],
)
def test_scenario(name: str, program: str, plays: Plays) -> None:
    played = plays[name, program].result().transcript.render().splitlines()
    assert played == expected(name, golden.golden(name), program == "carrack").splitlines()


def test_every_difference_is_met() -> None:
    """What is no longer different has no place in the list."""
    texts = {name: golden.golden(name) for name in golden.SCENARIOS}
    stale = [
        difference.docker
        for difference in DIFFERENCES
        if not any(
            difference.meets(name, True) and re.search(difference.docker, text, re.MULTILINE)
            for name, text in texts.items()
        )
    ]
    assert not stale


def test_every_golden_file_has_its_scenario() -> None:
    assert set(golden.FOLDER.rglob("*.txt")) == {golden.path_of(name) for name in golden.SCENARIOS}
