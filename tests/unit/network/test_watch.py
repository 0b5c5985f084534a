import asyncio
import logging
import socket

import pytest

from carrack.network import watch
from carrack.network.watch import TableListener, Watch


class FakeListener:
    """Readable at once; says each time what a test has put into ``answers``."""

    def __init__(self, answers: list[bool]) -> None:
        self.answers = answers
        self.ours, self.theirs = socket.socketpair()
        self.theirs.send(b"x" * len(self.answers))

    def fileno(self) -> int:
        return self.ours.fileno()

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()

    def lost(self) -> bool:
        self.ours.recv(1)
        return self.answers.pop(0)


class FakeChanges(FakeListener):
    def __init__(self) -> None:
        super().__init__([True])

    def lost(self, table: str = "", own_port: int = 0) -> bool:
        assert (table, own_port) == ("t", 7)
        return super().lost()


@pytest.fixture(autouse=True)
def listener(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_RETRY_SECONDS", 0.0)


def run(answers: list[bool], repairs: list[str | Exception]) -> int:
    """How often repair was asked for, until all repairs are used up."""
    calls = 0

    async def scene() -> None:
        done = asyncio.Event()

        async def repair() -> str:
            nonlocal calls
            calls += 1
            assert found.alarmed
            outcome = repairs.pop(0)
            if not repairs:
                done.set()
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        found = Watch("bridge b", FakeListener(answers), repair)
        found.start()
        await asyncio.wait_for(done.wait(), 5)
        await asyncio.sleep(0)
        assert not found.alarmed
        await found.stop()
        await found.stop()

    asyncio.run(scene())
    return calls


def test_a_loss_is_repaired_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert run([False, True], ["bridge b was deleted"]) == 1
    assert "bridge b was deleted by another program: restored" in caplog.text


def test_a_false_alarm_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    assert run([True], [""]) == 1
    assert caplog.text == ""


def test_a_failed_repair_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert run([True], [OSError("no"), OSError("no"), "changed"]) == 3
    assert "could not be restored" in caplog.text


def test_removals_from_one_table_are_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "ChangeListener", FakeChanges)
    heard = TableListener("t", 7)
    assert heard.fileno() >= 0
    assert heard.lost()
    heard.close()
