"""What a new daemon finds out about the containers on record, by imagined shims."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.containers import FakeShim
from tests.fakes.engine import World, inside

from carrack.engine.containers import survivors
from carrack.errors import NotFound, Unavailable
from carrack.shim.client import Exit, Shim


class Shims:
    """Plays what has answered already, and what answers when it is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.prompt: dict[str, FakeShim | Exception] = {}
        self.late: dict[str, FakeShim | Exception] = {}
        monkeypatch.setattr(Shim, "at_once", lambda directory: self._give(self.prompt.get(directory)))
        monkeypatch.setattr(Shim, "reconnect", self._reconnect)

    async def _reconnect(self, directory: str) -> FakeShim:
        found = self._give(self.late.get(directory, NotFound(directory)))
        assert found is not None
        return found

    @staticmethod
    def _give(found: FakeShim | Exception | None) -> FakeShim | None:
        if isinstance(found, Exception):
            raise found
        return found


def test_those_that_run_have_their_shims_and_states_and_the_rest_is_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shims = Shims(monkeypatch)

    async def test(world: World) -> None:
        made = {name: await world.create(name) for name in ("prompt", "late", "paused", "over", "never")}
        where = {name: world.paths.run(c.id) for name, c in made.items()}
        shims.prompt[where["prompt"]] = FakeShim(pid=7)
        shims.late[where["late"]] = FakeShim(pid=8)
        shims.prompt[where["paused"]] = paused = FakeShim()
        shims.prompt[where["over"]] = over = FakeShim()
        paused.state = {"paused": True}
        over.exited.set_result(Exit(3, 50.0))
        made["prompt"].state.started_at, made["prompt"].state.finished_at = 5, 9
        made["over"].state.status = "running"
        ended = await survivors.find(world.store, world.paths)
        told = {name: (c.state.status, c.state.pid, c.shim is not None) for name, c in made.items()}
        assert told["prompt"] == ("running", 7, True)
        assert made["prompt"].state.started_at == 10
        assert told["late"] == ("running", 8, True)
        assert told["paused"][0] == "paused"
        assert told["over"] == ("running", 0, False)  # to be told and recorded by the supervisor
        assert [(c.name, shim) for c, shim in ended] == [("over", over), ("never", None)]

    inside(tmp_path, test)


@pytest.mark.parametrize("failure", [NotFound("no trace"), Unavailable("a shim does not answer"), KeyError("pid")])
def test_nothing_outlives_a_shim_that_cannot_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    swept: list[str] = []
    monkeypatch.setattr(survivors, "sweep_cgroup", swept.append)
    shims = Shims(monkeypatch)

    async def test(world: World) -> None:
        c = await world.create()
        c.state.status = "running"
        shims.late[world.paths.run(c.id)] = failure
        if isinstance(failure, KeyError):
            shims.prompt[world.paths.run(c.id)] = failure
        await world.restore()
        assert (c.state.status, c.state.exit_code) == ("exited", 255)
        assert swept == ["/carrack/" + c.id]

    inside(tmp_path, test)
