"""What a daemon that starts looks at first, with records on disk and imagined shims."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.fakes.containers import FakeShim, container

from carrack.daemon.config import Config
from carrack.daemon.survey import Survey
from carrack.shim.client import Shim


@pytest.mark.parametrize("lives", [True, False])
def test_it_knows_what_runs_and_whether_the_records_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lives: bool
) -> None:
    async def main() -> None:
        config = Config(data_root=tmp_path / "data", exec_root=tmp_path / "run", cgroup_parent="/none")
        config.data_root.mkdir()
        before = Survey(config)
        await before.take()
        assert before.holds
        for number, status in ((1, "running"), (2, "exited")):
            c = container(number, status=status)
            before.store.reserve(c.name, c.id)
            await before.store.add(c)
        before.close()
        if lives:
            directory, shim = before.paths.run(container(1).id), FakeShim(pid=7)
            monkeypatch.setattr(Shim, "at_once", lambda path: shim if path == directory else None)
        survey = Survey(config)
        await survey.take()
        assert survey.holds is lives
        assert [c.name for c, _ in survey.ended] == ["name2"] if lives else ["name1", "name2"]
        assert survey.store.find("name1").state.pid == (7 if lives else 0)
        survey.close()

    asyncio.run(main())
