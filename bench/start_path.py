"""How long a container takes to start, below the daemon: slot → first byte → exit notice, in milliseconds.

    python -m bench.start_path [--runs 30] [--gap 0.25]

Needs root and a static busybox. A gap between runs is part of the measure: the kernel's grace periods and tear-downs
are hidden when containers follow each other at once. "parked" takes a slot made before, as the daemon does; "direct"
makes it on demand; "exec" runs in a container that is there.
"""

import argparse
import asyncio
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.root.shim_harness import MOUNTS, Harness

from carrack.linux.mount import AT_FDCWD, OPEN_TREE_CLONE
from carrack.linux.syscalls import LINUX
from carrack.shim.client import Shim

Sample = dict[str, float]


async def start(harness: Harness, parked: bool, gap: float) -> Sample:
    """One container that prints one line."""
    stage = {"mounts": MOUNTS}
    slot = await harness.slot(stage=stage) if parked else None
    await asyncio.sleep(gap)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    request = harness.request("/bin/echo", "x", log={"path": str(harness.directory / "run/log")})
    request["attach"] = [{"fd": 1, "stdout": True, "stderr": True}]
    root_fd = LINUX.open_tree(AT_FDCWD, str(harness.root), OPEN_TREE_CLONE)
    sample: Sample = {}
    began = time.perf_counter()
    slot = slot or await harness.slot(stage=stage)
    sample["slot"] = time.perf_counter() - began
    output = asyncio.gather(asyncio.get_running_loop().sock_recv(ours, 99))
    output.add_done_callback(lambda _: sample.setdefault("first byte", time.perf_counter() - began))
    shim = await slot.start(request, [root_fd, theirs.fileno()])
    theirs.close()
    sample["answer"] = time.perf_counter() - began
    await shim.exited
    sample["exit notice"] = time.perf_counter() - began
    await asyncio.gather(output, shim.released)
    sample["released"] = time.perf_counter() - began
    ours.close()
    os.close(root_fd)
    return sample


async def execute(harness: Harness, shim: Shim, number: int, gap: float) -> Sample:
    """One exec that prints one line."""
    await asyncio.sleep(gap)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    request = harness.exec_request("/bin/echo", "x", attach=[{"fd": 0, "stdout": True}])
    sample: Sample = {}
    began = time.perf_counter()
    output = asyncio.gather(asyncio.get_running_loop().sock_recv(ours, 99))
    output.add_done_callback(lambda _: sample.setdefault("first byte", time.perf_counter() - began))
    await shim.exec(f"e{number}", request, [theirs.fileno()])
    theirs.close()
    sample["answer"] = time.perf_counter() - began
    await shim.exec_exited(f"e{number}")
    sample["exit notice"] = time.perf_counter() - began
    await output
    ours.close()
    return sample


async def measure(title: str, runs: int, one: Callable[[int], Awaitable[Sample]]) -> None:
    """Print minimum, median and 95th percentile of each step; the first two runs are not counted."""
    samples = [await one(number) for number in range(runs + 2)][2:]
    print(f"{title} (n={runs})")
    for step in ("slot", "answer", "first byte", "exit notice", "released"):
        values = sorted(sample[step] * 1000 for sample in samples if step in sample)
        if values and values[-1] > 0.1:
            late = values[int(len(values) * 0.95) - 1]
            print(f"  {step:12} min {values[0]:6.2f}  median {statistics.median(values):6.2f}  p95 {late:6.2f}")


async def run(runs: int, gap: float) -> None:
    with tempfile.TemporaryDirectory() as directory:
        harness = await Harness(Path(directory)).open()
        try:
            await measure("parked", runs, lambda _: start(harness, True, gap))
            await measure("direct", runs, lambda _: start(harness, False, gap))
            shim = await harness.start(harness.request("/bin/sleep", "100000"))
            await measure("exec", runs, lambda number: execute(harness, shim, number, gap))
            await shim.signal(9)
            await shim.released
        finally:
            await harness.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--gap", type=float, default=0.25, help="seconds between runs")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("start_path: needs root")
    asyncio.run(run(options.runs, options.gap))


if __name__ == "__main__":
    main()
