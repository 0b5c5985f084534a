"""Networks made and removed, containers connected to them while they run, and a thousand published ports."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from bench.cycles import counted, leaks
from bench.measure import Sample
from bench.target import IMAGE, Failed, Target

ENOUGH = 2.0
"""Seconds of starts after which a figure is taken as it is; until then it is the median of up to five."""
SETTLE = 3.0
"""Seconds until an engine is idle again and what is left can be counted."""
_SLEEP = ["sleep", "36000"]


def make_and_remove(target: Target) -> None:
    """`network create` and `network rm`."""
    target.run("network", "create", target.name("net"))
    target.run("network", "rm", target.name("net"))


def apart(target: Target) -> None:
    """A running container, and a network that it is not on."""
    target.run("network", "create", target.name("net"))
    target.run("run", "-d", "--name", target.name("connected"), IMAGE, *_SLEEP)


def connect(target: Target) -> None:
    """`network connect` of a running container."""
    target.run("network", "connect", target.name("net"), target.name("connected"))


def connect_by_api(target: Target) -> None:
    """The same by the API alone."""
    with target.connect() as api:
        body = {"Container": target.name("connected")}
        api.request("POST", f"/networks/{target.name('net')}/connect", body)


def disconnect(target: Target) -> None:
    """Back to what it was."""
    target.run("network", "disconnect", "-f", target.name("net"), target.name("connected"))


def together_no_more(target: Target) -> None:
    """Remove both."""
    target.remove(target.name("connected"))
    target.run("network", "rm", target.name("net"))


def ports(count: int, first: int, shift: int) -> Callable[[Target], Sample]:
    """ms that a start takes longer with ``count`` ports published from ``first`` on, ``shift`` lower inside."""
    bindings = {f"{port - shift}/tcp": [{"HostPort": str(port)}] for port in range(first, first + count)}

    def started(target: Target, published: dict[str, list[dict[str, str]]]) -> float:
        name = target.name("ports")
        body = {"Image": IMAGE, "Cmd": _SLEEP, "HostConfig": {"PortBindings": published}}
        body["ExposedPorts"] = {port: {} for port in published}
        with target.connect(600) as api:
            api.request("POST", f"/containers/create?name={name}", body)
            time.sleep(0.25)
            began = time.perf_counter()
            api.request("POST", f"/containers/{name}/start")
            took = time.perf_counter() - began
            shown = api.request("GET", f"/containers/{name}/json")["NetworkSettings"]["Ports"] or {}
            api.request("DELETE", f"/containers/{name}?force=1")
        if len(shown) != len(published):
            raise Failed(f"{target.title}: publishes {len(shown)} of {len(published)} ports")
        return took * 1000

    def work(target: Target) -> Sample:
        added: list[float] = []
        end = time.perf_counter() + ENOUGH
        while not added or (time.perf_counter() < end and len(added) < 5):
            added.append(started(target, bindings) - started(target, {}))
        return {"added": statistics.median(added)}

    return work


def crowded(networks: int, each: int) -> Callable[[Target], Sample]:
    """Networks with containers on each, made, started and removed again: ms up, ms down, and kinds of things left."""

    def work(target: Target) -> Sample:
        time.sleep(SETTLE)
        before = counted(target)
        began = time.perf_counter()
        with target.connect() as api:
            for network in range(networks):
                api.request("POST", "/networks/create", {"Name": target.name(f"net{network}")})
                for number in range(each):
                    name = target.name(network * each + number)
                    host = {"NetworkMode": target.name(f"net{network}")}
                    body = {"Image": IMAGE, "Cmd": _SLEEP, "HostConfig": host}
                    api.request("POST", f"/containers/create?name={name}", body)
                    api.request("POST", f"/containers/{name}/start")
            up = time.perf_counter()
            for number in range(networks * each):
                api.request("DELETE", f"/containers/{target.name(number)}?force=1")
            for network in range(networks):
                api.request("DELETE", f"/networks/{target.name(f'net{network}')}")
            down = time.perf_counter()
        time.sleep(SETTLE)
        left = leaks(before, counted(target))
        if left:
            print(f"{target.title} leaves: {'; '.join(left)}")
        return {"up": (up - began) * 1000, "down": (down - up) * 1000, "left": float(len(left))}

    return work
