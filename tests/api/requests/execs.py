"""Processes in running containers."""

# ruff: noqa: E501 - requests are data, one to a line
from __future__ import annotations

from tests.api.steps import ALL, Head, Read, Rest, Scenario, Send, Shut, Step, Talk

_RUN = {"Image": "golden/run:1", "Cmd": ["sleep", "1000"]}


def _start(name: str, fields: bytes = b"", body: bytes = b"{}", version: bytes = b"1.51") -> Send:
    head = b"POST /v%s/exec/{%s}/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n"
    return Send(head % (version, name.encode(), len(body), fields) + body)


_EXECS = "%7B%22event%22%3A%5B%22exec_create%22,%22exec_start%22,%22exec_die%22%5D%7D"
_UPGRADE = b"Connection: Upgrade\r\nUpgrade: tcp\r\n"


def steps() -> Scenario:
    """Create, start in its forms, inspect in each version, resize, and refusals."""

    def make(name: str, **config: object) -> Step:
        return Step(f"create {name}", "POST", "/containers/box/exec", json=config, save={name: "Id"})

    both = {"AttachStdout": True, "AttachStderr": True}
    full = {**both, "AttachStdin": True, "Tty": True, "Env": ["A=1"], "Cmd": ["sh", "-c", "exit 2"], "Privileged": True,
            "User": "nobody", "WorkingDir": "/srv", "DetachKeys": "ctrl-a", "ConsoleSize": [10, 20]}  # fmt: skip
    return [
        Step("make", "POST", "/containers/create?name=box", json=_RUN, hidden=True, save={"box": "Id"}),
        Step("start the container", "POST", "/containers/box/start", hidden=True),
        make("plain", Cmd=["sh", "-c", "echo out; sleep 0.1; echo err >&2; exit 3"], **both),
        Step("inspect before", "GET", "/exec/{plain}/json", versions=ALL),
        Step("inspect the container", "GET", "/containers/box/json"),
        Talk("start with upgrade", [_start("plain", _UPGRADE), Head(), Rest()]),
        Step("inspect after", "GET", "/exec/{plain}/json", versions=ALL, eventually='"ExitCode":3'),
        Step("start again", "POST", "/exec/{plain}/start", json={}),
        make("older", Cmd=["echo", "out"], **both),
        Talk("start before 1.42", [_start("older", _UPGRADE, version=b"1.41"), Head(), Rest()]),
        make("bare", Cmd=["echo", "out"], **both),
        Talk("start without upgrade", [_start("bare"), Head(), Rest()]),
        make("fed", Cmd=["cat"], AttachStdin=True, **both),
        Talk("start with input", [_start("fed", _UPGRADE), Head(), Send(b"said\n"), Shut(), Rest()]),
        make("terminal", Cmd=["echo", "out"], Tty=True, **both),
        Talk("start on a terminal", [_start("terminal", _UPGRADE, b'{"Tty":true}'), Head(), Rest()]),
        make("detached", Cmd=["true"]),
        Step("start detached", "POST", "/exec/{detached}/start", json={"Detach": True}),
        Step("inspect detached", "GET", "/exec/{detached}/json", eventually='"Running":false'),
        make("full", **full),
        Step("inspect full", "GET", "/exec/{full}/json", versions=ALL),
        make("absent", Cmd=["/cake"], **both),
        Talk("start of an absent command", [_start("absent", _UPGRADE), Head(), Rest()]),
        Step("inspect of an absent command", "GET", "/exec/{absent}/json", eventually='"Running":false'),
        make("absent2", Cmd=["/cake"]),
        Step("start of an absent command, detached", "POST", "/exec/{absent2}/start", json={"Detach": True}),
        make("nobody", Cmd=["true"], User="cake", **both),
        make("nowhere", Cmd=["true"], WorkingDir="/cake", **both),
        Talk("start in an absent directory", [_start("nowhere", _UPGRADE), Head(), Rest()]),
        make("sleeper", Cmd=["sleep", "1000"], Tty=True),
        Step("start sleeper", "POST", "/exec/{sleeper}/start", json={"Detach": True, "Tty": True}),
        Step("resize", "POST", "/exec/{sleeper}/resize?h=10&w=20"),
        Step("resize badly", "POST", "/exec/{sleeper}/resize?h=cake&w=20"),
        Step("inspect running", "GET", "/exec/{sleeper}/json", versions=("1.41", "1.51")),
        Step("inspect the container with a running one", "GET", "/containers/box/json"),
        Step("absent: inspect", "GET", "/exec/cake/json"),
        Step("absent: start", "POST", "/exec/cake/start", json={}),
        Step("absent: resize", "POST", "/exec/cake/resize?h=1&w=1"),
        Step("no command", "POST", "/containers/box/exec", json={"AttachStdout": True}),
        Step("empty command", "POST", "/containers/box/exec", json={"Cmd": []}),
        Step("command as a word", "POST", "/containers/box/exec", json={"Cmd": "true"}),
        Step("bad keys", "POST", "/containers/box/exec", json={"Cmd": ["true"], "DetachKeys": "cake"}),
        Step("bad variable", "POST", "/containers/box/exec", json={"Cmd": ["true"], "Env": [""]}),
        Step("pause", "POST", "/containers/box/pause", hidden=True),
        Step("paused", "POST", "/containers/box/exec", json={"Cmd": ["true"]}),
        Step("unpause", "POST", "/containers/box/unpause", hidden=True),
        make("late", Cmd=["true"], **both),
        Step("kill", "POST", "/containers/box/kill", hidden=True),
        Step("wait", "POST", "/containers/box/wait", hidden=True),
        Talk("start when it is over", [_start("late"), Read()]),
        Step("inspect when it is over", "GET", "/exec/{late}/json"),
        Step("events", "GET", "/events?since={now}&until={clock}&filters=" + _EXECS),
    ]
