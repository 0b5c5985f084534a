"""`produce N` puts numbers into the queue and waits for their squares; `work` answers until it is stopped."""

from __future__ import annotations

import socket
import sys
import time

import redis

JOBS, RESULTS = redis.Redis("jobs"), redis.Redis("results.internal")


def produce(count: int) -> None:
    """Prints the sum of the squares and how many workers had a part in it."""
    JOBS.rpush("jobs", *range(count))
    total, workers = 0, set()
    for _ in range(count):
        worker, _, square = RESULTS.blpop("results", 60)[1].decode().partition(" ")
        total += int(square)
        workers.add(worker)
    print(f"sum {total} by {len(workers)}")


def work() -> None:
    """One number at a time."""
    while True:
        number = int(JOBS.blpop("jobs")[1])
        time.sleep(0.02)
        RESULTS.rpush("results", f"{socket.gethostname()} {number * number}")


produce(int(sys.argv[2])) if sys.argv[1] == "produce" else work()
