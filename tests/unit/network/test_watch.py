import asyncio
import logging

import pytest

from carrack.network import watch
from carrack.network.watch import FirewallWatch


class FakeListener:
    """Readable at once; says each time what a test has put into ``answers``."""

    answers: list[bool] = []

    def __init__(self) -> None:
        import socket

        self.ours, self.theirs = socket.socketpair()
        self.theirs.send(b"x" * len(self.answers))

    def fileno(self) -> int:
        return self.ours.fileno()

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()

    def lost(self, table: str, own_port: int) -> bool:
        assert (table, own_port) == ("t", 7)
        self.ours.recv(1)
        return self.answers.pop(0)


@pytest.fixture(autouse=True)
def listener(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "ChangeListener", FakeListener)
    monkeypatch.setattr(watch, "_RETRY_SECONDS", 0.0)


def run(answers: list[bool], repairs: list[bool | Exception]) -> int:
    """How often repair was asked for, until all repairs are used up."""
    calls = 0

    async def scene() -> None:
        done = asyncio.Event()

        async def repair() -> bool:
            nonlocal calls
            calls += 1
            assert found.alarmed
            outcome = repairs.pop(0)
            if not repairs:
                done.set()
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        FakeListener.answers = answers
        found = FirewallWatch("t", 7, repair)
        found.start()
        await asyncio.wait_for(done.wait(), 5)
        await asyncio.sleep(0)
        assert not found.alarmed
        await found.stop()
        await found.stop()

    asyncio.run(scene())
    return calls


def test_a_loss_is_repaired_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert run([False, True], [True]) == 1
    assert "changed by another program: restored" in caplog.text


def test_a_false_alarm_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    assert run([True], [False]) == 1
    assert caplog.text == ""


def test_a_failed_repair_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert run([True], [OSError("no"), OSError("no"), True]) == 3
    assert "could not be restored" in caplog.text
