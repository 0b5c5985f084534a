"""Attach, logs and stats as streams."""

# ruff: noqa: E501 - requests are data, one to a line
from __future__ import annotations

from tests.api.steps import ALL, Head, Other, Rest, Scenario, Send, Shut, Step, Talk

_SAYS = {"Image": "golden/run:1", "Cmd": ["sh", "-c", "echo one; sleep 0.2; echo two >&2; sleep 0.2; echo three"]}
_HEARS = {
    "Image": "golden/run:1",
    "Cmd": ["cat"],
    "OpenStdin": True,
    "StdinOnce": True,
    "AttachStdin": True,
    "AttachStdout": True,
}
_UPGRADE = b"Connection: Upgrade\r\nUpgrade: tcp\r\n"


def _attach(name: str, query: str, fields: bytes = _UPGRADE) -> Send:
    return Send(f"POST /v1.51/containers/{name}/attach?{query} HTTP/1.1\r\nHost: d\r\n".encode() + fields + b"\r\n")


def steps() -> Scenario:
    """Logs in all forms, attach to what runs, ended and was never started, half-closed ends."""
    queries = {
        "both": "stdout=1&stderr=1", "stdout": "stdout=1", "stderr": "stderr=1", "the last": "stdout=1&stderr=1&tail=1",
        "none of them": "stdout=1&stderr=1&tail=0", "all of them": "stdout=1&tail=all", "a negative tail": "stdout=1&tail=-1",
        "with times": "stdout=1&timestamps=1", "with details": "stdout=1&details=1", "of the future": "stdout=1&since=99999999999",
        "of the past": "stdout=1&until=1", "followed": "stdout=1&stderr=1&follow=1", "since a duration": "stdout=1&since=1h",
    }  # fmt: skip
    tty = {**_SAYS, "Tty": True}
    start = Step("start", "POST", "/containers/hears/start", hidden=True)
    ended = Step("ended", "POST", "/containers/hears/wait", hidden=True)
    return [
        Step("make", "POST", "/containers/create?name=says", json=_SAYS, hidden=True, save={"says": "Id"}),
        Step("logs before", "GET", "/containers/says/logs?stdout=1"),
        Step("start", "POST", "/containers/says/start", hidden=True),
        Step("wait", "POST", "/containers/says/wait", hidden=True),
        *(Step(f"logs {name}", "GET", f"/containers/says/logs?{query}") for name, query in queries.items()),
        Step("logs of each version", "GET", "/containers/says/logs?stdout=1&stderr=1", versions=ALL),
        Talk(
            "attach to what has ended, its log", [_attach("says", "logs=1&stdout=1&stderr=1"), Shut(), Head(), Rest()]
        ),
        Talk("attach to nothing", [_attach("says", ""), Shut(), Head(), Rest()]),
        Step("make a terminal", "POST", "/containers/create?name=tty", json=tty, hidden=True, save={"tty": "Id"}),
        Step("start the terminal", "POST", "/containers/tty/start", hidden=True),
        Step("wait for the terminal", "POST", "/containers/tty/wait", hidden=True),
        Step("logs of a terminal", "GET", "/containers/tty/logs?stdout=1", versions=("1.41", "1.42", "1.51")),
        Talk("attach to a terminal's log", [_attach("tty", "logs=1&stdout=1"), Shut(), Head(), Rest()]),
        Step(
            "make what hears", "POST", "/containers/create?name=hears", json=_HEARS, hidden=True, save={"hears": "Id"}
        ),
        Talk(
            "half-closed at once", [_attach("hears", "stream=1&stdin=1&stdout=1"), Head(), Other(start), Shut(), Rest()]
        ),
        ended,
        Talk(
            "input sent with the request",
            [
                Send(
                    b"POST /v1.51/containers/hears/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\n"
                    + _UPGRADE
                    + b"\r\nearly\n"
                ),
                Head(),
                Other(start),
                Send(b"late\n"),
                Shut(),
                Rest(),
            ],
        ),
        ended,
        Talk(
            "stdin alone",
            [_attach("hears", "stream=1&stdin=1"), Head(), Other(start), Send(b"unheard\n"), Shut(), Rest()],
        ),
        ended,
        Step("logs of all three", "GET", "/containers/hears/logs?stdout=1"),
        Step(
            "make without a log",
            "POST",
            "/containers/create?name=mute",
            json={**_SAYS, "HostConfig": {"LogConfig": {"Type": "none"}}},
            hidden=True,
        ),
        Step("logs of none", "GET", "/containers/mute/logs?stdout=1"),
        Step("events", "GET", "/events?since={now}&until={clock}&filters=%7B%22container%22%3A%5B%22hears%22%5D%7D"),
    ]
