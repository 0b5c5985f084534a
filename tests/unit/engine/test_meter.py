"""Timing methods, or leaving them alone."""

from __future__ import annotations

import asyncio

import pytest

from carrack.engine.meter import Meter


class Worker:
    async def work(self, number: int, *, fail: bool = False) -> int:
        if fail:
            raise ValueError("no")
        return number


def test_what_succeeds_is_counted() -> None:
    meter, worker = Meter(on=True), Worker()
    assert meter.timed(worker, "things", work="do") is worker
    assert asyncio.run(worker.work(7)) == 7
    with pytest.raises(ValueError, match="no"):
        asyncio.run(worker.work(7, fail=True))
    assert meter.families["things"]["do"].count == 1
    assert meter.families["things"]["do"].sum >= 0


def test_off_means_untouched() -> None:
    meter, worker = Meter(on=False), Worker()
    meter.timed(worker, "things", work="do")
    assert "work" not in vars(worker)
    assert meter.families == {}
