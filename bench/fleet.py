"""Many containers: one after another, all at once, listed, removed, and what each of them costs in memory."""

from __future__ import annotations

import json
import selectors
import statistics
import time
from collections.abc import Callable

from bench.counters import available, engine_pids, pss
from bench.measure import Sample
from bench.target import IMAGE, Failed, Target

SETTLE = 2.0
"""Seconds until an engine has done what it puts off, before its memory is looked at."""


def run_detached(count: int) -> Callable[[Target], Sample]:
    """`run -d`, one after another."""

    def work(target: Target) -> Sample:
        start = time.perf_counter()
        for number in range(count):
            target.run("run", "-d", "--name", target.name(number), IMAGE, "sleep", "36000")
        return {"each": (time.perf_counter() - start) / count * 1000}

    return work


def create(count: int) -> Callable[[Target], None]:
    """Containers that sleep, made and not started, by the API."""

    def work(target: Target) -> None:
        with target.connect() as api:
            for number in range(count):
                body = {"Image": IMAGE, "Cmd": ["sleep", "36000"]}
                api.request("POST", f"/containers/create?name={target.name(number)}", body)

    return work


def start(count: int) -> Callable[[Target], None]:
    """The same, running."""

    def work(target: Target) -> None:
        create(count)(target)
        with target.connect() as api:
            for number in range(count):
                api.request("POST", f"/containers/{target.name(number)}/start")

    return work


def remove(count: int) -> Callable[[Target], None]:
    """`rm -f` of all in one command."""

    def work(target: Target) -> None:
        target.remove(*(target.name(number) for number in range(count)))

    return work


def burst(count: int) -> Callable[[Target], Sample]:
    """Start all at once, each by a connection of its own. containers/s until the last answer; 99th percentile of one
    answer's time in ms."""

    def work(target: Target) -> Sample:
        connections = [target.connect() for _ in range(count)]
        with selectors.DefaultSelector() as selector:
            for connection in connections:
                selector.register(connection.socket, selectors.EVENT_READ, connection)
            began = time.perf_counter()
            for number, connection in enumerate(connections):
                connection.send("POST", f"/containers/{target.name(number)}/start")
            took: list[float] = []
            while len(took) < count:
                for key, _ in selector.select(60):
                    status, body = key.data.receive()
                    took.append(time.perf_counter() - began)
                    selector.unregister(key.fileobj)
                    if status >= 300:
                        raise Failed(f"{target.title}: start: {status} {body.decode(errors='replace')}")
        for connection in connections:
            connection.socket.close()
        late = statistics.quantiles(took, n=100, method="inclusive")[98] if count > 1 else took[0]
        return {"rate": count / max(took), "p99": late * 1000}

    return work


def list_rate(seconds: float, count: int) -> Callable[[Target], Sample]:
    """Requests per second of `GET /containers/json?all=1` on one connection."""

    def work(target: Target) -> Sample:
        with target.connect() as api:
            listed = api.request("GET", "/containers/json?all=1")
            if len(listed) < count:
                raise Failed(f"{target.title}: lists {len(listed)} of {count} containers")
            done, began = 0, time.perf_counter()
            while (now := time.perf_counter()) - began < seconds:
                api.send("GET", "/containers/json?all=1")
                status, body = api.receive()
                done += 1
                if status != 200 or len(body) < 2:
                    raise Failed(f"{target.title}: {status} {body[:200].decode(errors='replace')}")
            return {"rate": done / (now - began), "bytes": float(len(body))}

    return work


def engine_memory(target: Target) -> int:
    """KiB that all processes of the engine take (PSS)."""
    with target.connect() as api:
        running = api.request("GET", "/containers/json")
        pids = [api.request("GET", f"/containers/{c['Id']}/json")["State"]["Pid"] for c in running]
    return pss(engine_pids(target.host, pids))


def idle_memory(target: Target) -> Sample:
    """MiB of the idle engine."""
    time.sleep(SETTLE)
    return {"PSS": engine_memory(target) / 1024}


def memory_each(count: int) -> Callable[[Target], Sample]:
    """MiB of engine that each running idle container adds."""

    def work(target: Target) -> Sample:
        time.sleep(SETTLE)
        before = engine_memory(target)
        start(count)(target)
        time.sleep(SETTLE)
        return {"PSS": (engine_memory(target) - before) / count / 1024}

    return work


def honest_each(count: int) -> Callable[[Target], Sample]:
    """MiB by which the host's available memory falls for each running idle container."""

    def work(target: Target) -> Sample:
        drop_caches()
        before = available()
        if target.host:
            start(count)(target)
        else:
            for number in range(count):
                target.run("run", "-d", "--name", target.name(number), IMAGE, "sleep", "36000")
        drop_caches()
        return {"memory": (before - available()) / count / 1024}

    return work


def drop_caches() -> None:
    """Let go of clean caches, which come and go, so that what is left is what is needed."""
    time.sleep(SETTLE)
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3\n")
    time.sleep(SETTLE)


def leftovers(target: Target) -> None:
    """Remove what an earlier measurement left behind."""
    if target.key.startswith("ctr"):
        return
    if not target.host:
        listed = json.loads(target.run("ps", "-a", "--format", "json") or "[]")
        names = [name for c in listed for name in c["Names"]]
    else:
        with target.connect() as api:
            names = [c["Names"][0].lstrip("/") for c in api.request("GET", "/containers/json?all=1")]
    if ours := [name for name in names if name.startswith(target.prefix + "-")]:
        target.remove(*ours)
    networks = target.run("network", "ls", "--format", "{{.Name}}").split()
    if ours := [name for name in networks if name.startswith(target.prefix + "-")]:
        target.run("network", "rm", *ours)
