"""A container that prints as fast as it can: how many lines reach its log, and what that costs the engine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from bench.counters import daemon_pid, engine_pids, process_cpu
from bench.measure import Sample
from bench.target import IMAGE, Target

LINE = "a line of a program that has much to tell"
_WARM = 0.5
_LOOK = 1 << 20


def start(target: Target) -> None:
    """Start it, with a log that is one file throughout."""
    logging = ["--log-driver", "json-file", "--log-opt", "max-size=100g"]
    target.run("run", "-d", "--name", target.name("chatty"), *logging, IMAGE, "yes", LINE)


def stop(target: Target) -> None:
    """Remove it and its log."""
    target.run("rm", "-f", target.name("chatty"))


def lines_rate(seconds: float) -> Callable[[Target], Sample]:
    """Lines per second that reach the json-file, and seconds of all engine processes for a million of them."""

    def work(target: Target) -> Sample:
        start(target)
        try:
            with target.connect() as api:
                document = api.request("GET", f"/containers/{target.name('chatty')}/json")
            log = Path(f"/proc/{daemon_pid(target.host)}/root{document['LogPath']}")
            engine = engine_pids(target.host, [document["State"]["Pid"]])
            time.sleep(_WARM)
            cpu, size, began = process_cpu(engine), log.stat().st_size, time.perf_counter()
            time.sleep(seconds)
            grown, took = log.stat().st_size - size, time.perf_counter() - began
            lines = grown / _length(log)
            return {"rate": lines / took, "cost": (process_cpu(engine) - cpu) / (lines / 1e6)}
        finally:
            stop(target)

    return work


def _length(log: Path) -> float:
    """The mean length of a stored line, over the last whole mebibyte."""
    with log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _LOOK))
        piece = file.read(_LOOK)
    whole = piece[piece.find(b"\n") + 1 : piece.rfind(b"\n") + 1]
    return len(whole) / max(1, whole.count(b"\n"))
