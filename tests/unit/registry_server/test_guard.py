"""The collector gets what nobody uses, and nothing else."""

from __future__ import annotations

import threading

from carrack.registry_server.guard import Guard


def _may_remove(guard: Guard, key: str) -> bool:
    with guard.removing(key) as free:
        return free


def test_what_is_in_use_or_was_used_meanwhile_stays() -> None:
    guard = Guard()
    with guard.using("held"), guard.collecting():
        with guard.using("passing"):
            pass
        assert not _may_remove(guard, "held")
        assert not _may_remove(guard, "passing")
        assert _may_remove(guard, "old")
    with guard.collecting():
        assert _may_remove(guard, "held")
        assert _may_remove(guard, "passing")


def test_nothing_may_be_removed_outside_of_a_collection() -> None:
    assert not _may_remove(Guard(), "old")


def test_who_begins_to_use_waits_for_a_removal() -> None:
    guard, begun = Guard(), threading.Event()

    def use() -> None:
        with guard.using("blob"):
            begun.set()

    with guard.collecting():
        with guard.removing("blob") as free:
            assert free
            thread = threading.Thread(target=use)
            thread.start()
            assert not begun.wait(0.05)
        assert begun.wait(5)
        thread.join()
        assert not _may_remove(guard, "blob")
