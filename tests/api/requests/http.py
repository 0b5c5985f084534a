"""HTTP itself: targets, versions, methods, bodies, framing, and connections that behave unusually."""

# ruff: noqa: E501 - requests are data, one to a line
from __future__ import annotations

from typing import Any

from tests.api.steps import NOTHING, Alive, Head, Move, Other, Pause, Read, Rest, Scenario, Send, Shut, Step, Talk

_RUN = {"Image": "golden/run:1", "Cmd": ["sleep", "1000"]}


def steps() -> Scenario:
    """Targets, versions and methods."""
    get = [
        ("too old", "=/v1.23/info"),
        ("too new", "=/v1.99/info"),
        ("much too new", "=/v99.1/_ping"),
        ("no minor version", "=/v1/_ping"),
        ("a version of three parts", "=/v1.41.2/_ping"),
        ("no number", "=/vx.y/_ping"),
        ("an empty version", "=/v/_ping"),
        ("a long version", "=/v1.00000000000000000051/_ping"),
        ("zeros before the version", "=/v1.051/_ping"),
        ("a version alone", "=/v1.51"),
        ("a version and a slash", "=/v1.51/"),
        ("the root", "=/"),
        ("nowhere", "/cake"),
        ("nowhere without a version", "=/cake"),
        ("double slash", "=//_ping"),
        ("double slash inside", "/containers//json"),
        ("double slash before an id", "/containers//cake/json"),
        ("trailing slash", "/version/"),
        ("trailing slash of a list", "/containers/json/"),
        ("trailing slash of the networks", "/networks/"),
        ("trailing slash of the volumes", "/volumes/"),
        ("dots", "/containers/../version"),
        ("dots at the start", "=/../v1.51/_ping"),
        ("escaped dots", "/containers/%2e%2e/_ping"),
        ("escaped letters", "/%5fping"),
        ("escaped slash in an id", "/containers/a%2Fb/json"),
        ("escaped space in an id", "/containers/a%20b/json"),
        ("escaped NUL", "/containers/a%00b/json"),
        ("bytes that are no text", "/containers/%ff%fe/json"),
        ("a bad escape", "/containers/%zz/json"),
        ("half an escape", "/containers/a%2/json"),
        ("a fragment", "/_ping#part"),
        ("a long id", "/containers/" + "a" * 5000 + "/json"),
        ("an empty query", "/_ping?"),
        ("a bad escape in the query", "/containers/json?all=%zz"),
        ("a semicolon in the query", "/containers/json?all=1;limit=2"),
        ("a plus in the query", "/containers/json?limit=+1"),
        ("an absolute target", "=http://docker/v1.51/_ping"),
        ("an absolute target without a path", "=http://docker"),
        ("upper case", "=/V1.51/_ping"),
        ("upper case of the path", "/_PING"),
    ]
    methods = [
        Step(f"{method} of {what}", method, target)
        for method in ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CAKE")
        for what, target in (("info", "/info"), ("a container", "/containers/cake"), ("nowhere", "/cake"))
    ]
    return [
        *(Step(name, "GET", target) for name, target in get),
        *methods,
        Step("HEAD of a list", "HEAD", "/containers/json"),
        Step("HEAD of the networks", "HEAD", "/networks"),
        Step("HEAD of a version too old", "HEAD", "=/v1.20/_ping"),
        Step("OPTIONS of anything", "OPTIONS", "=*"),
        Step("OPTIONS of a version too new", "OPTIONS", "=/v1.99/info"),
        Step("CONNECT", "CONNECT", "=docker:80"),
        Step("an origin", "GET", "/_ping", headers={"Origin": "http://example.org"}),
        Step("a method of small letters", "get", "/_ping"),
    ]


def bodies() -> Scenario:
    """Bodies that are no JSON, or too much, or announced wrongly."""
    cases: list[tuple[str, Any, Any]] = [
        ("empty", b"", "application/json"),
        ("empty without a type", b"", NOTHING),
        ("blank", b"  \n", "application/json"),
        ("null", b"null", "application/json"),
        ("an object", b"{}", "application/json"),
        ("a list", b"[]", "application/json"),
        ("a word", b'"cake"', "application/json"),
        ("a number", b"1", "application/json"),
        ("no JSON", b"cake", "application/json"),
        ("half", b'{"Image":', "application/json"),
        ("half a word", b'{"Image":"golden', "application/json"),
        ("half a list", b'{"Cmd":["a"', "application/json"),
        ("half a literal", b'{"Tty":tru', "application/json"),
        ("a wrong literal", b'{"Tty":trux}', "application/json"),
        ("no quotes", b"{Image:1}", "application/json"),
        ("single quotes", b"{'Image':1}", "application/json"),
        ("no colon", b'{"Image" "cake"}', "application/json"),
        ("no comma", b'{"Image":"a" "Cmd":1}', "application/json"),
        ("no comma in a list", b'{"Cmd":["a" "b"]}', "application/json"),
        ("a comma too many", b'{"Image":"cake",}', "application/json"),
        ("a comma too many in a list", b'{"Cmd":["a",]}', "application/json"),
        ("a number with a zero", b'{"StopTimeout":01}', "application/json"),
        ("a number with a plus", b'{"StopTimeout":+1}', "application/json"),
        ("NaN", b'{"StopTimeout":NaN}', "application/json"),
        ("a bad escape", b'{"Image":"\\x"}', "application/json"),
        ("a bad unicode escape", b'{"Image":"\\u12g4"}', "application/json"),
        ("half a surrogate pair", b'{"Image":"\\ud800"}', "application/json"),
        ("a line end in a word", b'{"Image":"a\nb"}', "application/json"),
        ("bytes that are no text", b'{"Image":"\xff"}', "application/json"),
        ("a byte order mark", b'\xef\xbb\xbf{"Image":"cake"}', "application/json"),
        ("garbage behind", b'{"Image":"cake"}x', "application/json"),
        ("another behind", b'{"Image":"cake"}{"Image":"cake"}', "application/json"),
        ("a brace behind", b'{"Image":"cake"}}', "application/json"),
        ("space behind", b'{"Image":"cake"}  \n ', "application/json"),
        ("a name twice", b'{"Image":"cake","Image":"tart"}', "application/json"),
        ("another case", b'{"iMAGE":"tart"}', "application/json"),
        ("an unknown field", b'{"Image":"cake","Cake":[1,{"a":2}]}', "application/json"),
        ("nested deeply", b'{"Image":"cake","Cake":' + b"[" * 9000 + b"]" * 9000 + b"}", "application/json"),
        ("nested too deeply", b'{"Image":"cake","Cake":' + b"[" * 20000 + b"]" * 20000 + b"}", "application/json"),
        ("no type", b'{"Image":"cake"}', NOTHING),
        ("text as a type", b'{"Image":"cake"}', "text/plain"),
        ("a form as a type", b"Image=cake", "application/x-www-form-urlencoded"),
        ("a parameter of the type", b'{"Image":"cake"}', "application/json; charset=utf-8"),
        ("a bad parameter of the type", b'{"Image":"cake"}', "application/json; charset"),
        ("upper case of the type", b'{"Image":"cake"}', "Application/JSON"),
        ("no slash in the type", b'{"Image":"cake"}', "json"),
        ("an empty type", b'{"Image":"cake"}', ""),
        ("a type like JSON's", b'{"Image":"cake"}', "application/vnd.cake+json"),
        ("a large one", b'{"Image":"cake","Cake":"' + b"a" * 2_000_000 + b'"}', "application/json"),
    ]
    create = [
        Step(name, "POST", "/containers/create", body=body, headers={"Content-Type": kind})
        for name, body, kind in cases
    ]
    return [
        *create,
        *_other_bodies(),
        Talk("no length at all", [Send(_POST + b"Content-Type: application/json\r\n\r\n"), Read(), Alive()]),
    ]


def _other_bodies() -> list[Step]:
    steps = []
    for what, method, target in (
        ("exec", "POST", "/containers/cake/exec"),
        ("update", "POST", "/containers/cake/update"),
        ("a volume", "POST", "/volumes/create"),
        ("a network", "POST", "/networks/create"),
        ("connect", "POST", "/networks/bridge/connect"),
        ("commit", "POST", "/commit?container=cake"),
        ("start", "POST", "/containers/cake/start"),
        ("an exec's start", "POST", "/exec/cake/start"),
        ("kill", "POST", "/containers/cake/kill"),
    ):
        for name, body, kind in (
            ("nothing", b"", NOTHING),
            ("no JSON", b"cake", "application/json"),
            ("a list", b"[]", "application/json"),
            ("another type", b"{}", "text/plain"),
        ):
            steps.append(Step(f"{what}: {name}", method, target, body=body, headers={"Content-Type": kind}))
    return steps


_POST = b"POST /v1.51/containers/create HTTP/1.1\r\nHost: d\r\n"
_GET = b"GET /v1.51/_ping HTTP/1.1\r\nHost: d\r\n"
_JSON = b"Content-Type: application/json\r\n"
_BODY = b'{"Image":"cake"}'
_CHUNKED = _POST + _JSON + b"Transfer-Encoding: chunked\r\n\r\n"


def connections() -> Scenario:
    """Framing, pipelining, half-close, upgrades: what a connection is told, and whether it lives on."""
    return [*_framing(), *_heads(), *_lives(), *_upgrades()]


def _framing() -> list[Talk]:
    length = b"Content-Length: %d\r\n" % len(_BODY)
    cases = {
        "chunked": _CHUNKED + b"10\r\n" + _BODY + b"\r\n0\r\n\r\n",
        "chunked in two": _CHUNKED + b'1\r\n{\r\nf\r\n"Image":"cake"}\r\n0\r\n\r\n',
        "chunked with a trailer": _CHUNKED + b"10\r\n" + _BODY + b"\r\n0\r\nCake: 1\r\n\r\n",
        "chunked with an extension": _CHUNKED + b"10;cake=1\r\n" + _BODY + b"\r\n0\r\n\r\n",
        "chunked of nothing": _CHUNKED + b"0\r\n\r\n",
        "a bad chunk size": _CHUNKED + b"zz\r\n" + _BODY + b"\r\n0\r\n\r\n",
        "a negative chunk size": _CHUNKED + b"-1\r\n" + _BODY + b"\r\n0\r\n\r\n",
        "a huge chunk size": _CHUNKED + b"ffffffffffffffffff\r\n" + _BODY + b"\r\n0\r\n\r\n",
        "a chunk that is too long": _CHUNKED + b"5\r\n" + _BODY + b"\r\n0\r\n\r\n",
        "both lengths": _POST + _JSON + length + b"Transfer-Encoding: chunked\r\n\r\n10\r\n" + _BODY + b"\r\n0\r\n\r\n",
        "an unknown encoding": _POST + _JSON + b"Transfer-Encoding: cake\r\n\r\n" + _BODY,
        "two encodings": _POST + _JSON + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "identity": _POST + _JSON + length + b"Transfer-Encoding: identity\r\n\r\n" + _BODY,
        "two equal lengths": _POST + _JSON + length + length + b"\r\n" + _BODY,
        "two lengths": _POST + _JSON + length + b"Content-Length: 3\r\n\r\n" + _BODY,
        "a list of lengths": _POST + _JSON + b"Content-Length: 16, 16\r\n\r\n" + _BODY,
        "a negative length": _POST + _JSON + b"Content-Length: -1\r\n\r\n" + _BODY,
        "a length with a plus": _POST + _JSON + b"Content-Length: +16\r\n\r\n" + _BODY,
        "a length that is none": _POST + _JSON + b"Content-Length: cake\r\n\r\n" + _BODY,
        "an empty length": _POST + _JSON + b"Content-Length:\r\n\r\n",
        "a length above all": _POST + _JSON + b"Content-Length: 99999999999999999999\r\n\r\n" + _BODY,
        "a body with a GET": b"GET /v1.51/_ping HTTP/1.1\r\nHost: d\r\n" + length + b"\r\n" + _BODY,
    }
    return [Talk(name, [Send(data), Read(), Alive()]) for name, data in cases.items()]


def _heads() -> list[Talk]:
    ping = b"GET /v1.51/_ping HTTP/1.1\r\n"
    cases = {
        "no host": ping + b"\r\n",
        "two hosts": ping + b"Host: a\r\nHost: b\r\n\r\n",
        "an empty host": ping + b"Host:\r\n\r\n",
        "a bad host": ping + b"Host: a b\r\n\r\n",
        "HTTP/1.0": b"GET /v1.51/_ping HTTP/1.0\r\n\r\n",
        "HTTP/1.0 that stays": b"GET /v1.51/_ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "HTTP/1.0 without a length": b"GET /v1.51/images/golden%2Fdata:1/get HTTP/1.0\r\n\r\n",
        "HTTP/1.2": b"GET /v1.51/_ping HTTP/1.2\r\nHost: d\r\n\r\n",
        "HTTP/2.0": b"GET /v1.51/_ping HTTP/2.0\r\nHost: d\r\n\r\n",
        "HTTP/3.0": b"GET /v1.51/_ping HTTP/3.0\r\nHost: d\r\n\r\n",
        "HTTP/0.9": b"GET /v1.51/_ping\r\n\r\n",
        "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
        "no HTTP": b"cake\r\n\r\n",
        "TLS": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\r\n\r\n",
        "a space before the colon": ping + b"Host: d\r\nCake : 1\r\n\r\n",
        "no colon": ping + b"Host: d\r\nCake\r\n\r\n",
        "a folded header": ping + b"Host: d\r\nCake: 1\r\n 2\r\n\r\n",
        "a NUL in a header": ping + b"Host: d\r\nCake: a\0b\r\n\r\n",
        "a bare CR in a header": ping + b"Host: d\r\nCake: a\rb\r\n\r\n",
        "bare line feeds": b"GET /v1.51/_ping HTTP/1.1\nHost: d\n\n",
        "a byte above ASCII in a header": ping + b"Host: d\r\nCake: \xe9\r\n\r\n",
        "an empty name": ping + b"Host: d\r\n: 1\r\n\r\n",
        "a name with a space": ping + b"Host: d\r\nCa ke: 1\r\n\r\n",
        "two spaces": b"GET  /v1.51/_ping HTTP/1.1\r\nHost: d\r\n\r\n",
        "a space in the target": b"GET /v1.51/_ping a HTTP/1.1\r\nHost: d\r\n\r\n",
        "a target without a slash": b"GET v1.51/_ping HTTP/1.1\r\nHost: d\r\n\r\n",
        "empty lines before": b"\r\n\r\n" + ping + b"Host: d\r\n\r\n",
        "large headers": ping + b"Host: d\r\nCake: " + b"a" * 30_000 + b"\r\n\r\n",
        "a large target": b"GET /v1.51/_ping?" + b"a" * 30_000 + b" HTTP/1.1\r\nHost: d\r\n\r\n",
        "many headers": ping + b"Host: d\r\n" + b"".join(b"Cake%d: 1\r\n" % i for i in range(500)) + b"\r\n",
        "headers above the limit": ping + b"Host: d\r\nCake: " + b"a" * 1_200_000 + b"\r\n\r\n",
    }
    return [Talk(name, [Send(data), Read(), Alive()]) for name, data in cases.items()]


def _lives() -> list[Step | Talk]:
    ping = _GET + b"\r\n"
    length = b"Content-Length: %d\r\n" % len(_BODY)
    expect = _POST + _JSON + length + b"Expect: 100-continue\r\n\r\n"
    make = Step("make", "POST", "/containers/create?name=live", json=_RUN, hidden=True, save={"live": "Id"})
    wait = b"POST /v1.51/containers/live/wait HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n"
    kill = Other(Step("kill", "POST", "/containers/live/kill"))
    slowly: list[Move] = []
    for part in (_GET[:7], _GET[7:30], _GET[30:], b"\r", b"\n"):
        slowly += [Send(part), Pause(0.02)]
    return [
        Talk("two requests", [Send(ping), Read(), Send(ping), Read()]),
        Talk("pipelined", [Send(ping * 3), Read(), Read(), Read(), Alive()]),
        Talk(
            "pipelined with bodies",
            [Send((_POST + _JSON + length + b"\r\n" + _BODY) * 2 + ping), Read(), Read(), Read()],
        ),
        Talk(
            "pipelined behind a failure", [Send(b"GET /v1.51/cake HTTP/1.1\r\nHost: d\r\n\r\n" + ping), Read(), Read()]
        ),
        Talk("close", [Send(_GET + b"Connection: close\r\n\r\n"), Read(), Alive()]),
        Talk("written slowly", [*slowly, Read(), Alive()]),
        Talk("half-closed", [Send(ping), Shut(), Read(), Rest()]),
        Talk("half-closed before the end", [Send(_GET), Shut(), Rest()]),
        Talk("half-closed within a body", [Send(_POST + _JSON + length + b"\r\n" + _BODY[:5]), Shut(), Rest()]),
        Talk("half-closed at once", [Shut(), Rest()]),
        Talk("continue", [Send(expect), Read(), Send(_BODY), Read(), Alive()]),
        Talk("continue without waiting", [Send(expect + _BODY), Read(), Read(), Alive()]),
        Talk("continue for a refusal", [Send(expect.replace(b"/create", b"/cake")), Read(), Alive()]),
        Talk("an unknown expectation", [Send(_GET + b"Expect: cake\r\n\r\n"), Read(), Alive()]),
        make,
        Step("start", "POST", "/containers/live/start", hidden=True),
        Talk("wait, half-closed", [Send(wait), Head(), Shut(), Pause(0.05), kill, Rest()]),
        Step("start again", "POST", "/containers/live/start", hidden=True, eventually=""),
        Talk("wait", [Send(wait[:-2] + b"Connection: close\r\n\r\n"), Head(), kill, Rest()]),
    ]


def _upgrades() -> list[Step | Talk]:
    make = Step("make", "POST", "/containers/create?name=echo", json={
        "Image": "golden/run:1", "Cmd": ["cat"], "OpenStdin": True, "StdinOnce": True, "AttachStdin": True,
    }, hidden=True, save={"echo": "Id"})  # fmt: skip
    again = Step("start", "POST", "/containers/echo/start", hidden=True)
    ended = Step("ended", "POST", "/containers/echo/wait", hidden=True)
    result: list[Step | Talk] = [make]
    query = b"?stream=1&stdin=1&stdout=1&stderr=1"
    for name, version, fields in (
        ("attach without upgrade", b"1.51", b""),
        ("attach with upgrade", b"1.51", b"Connection: Upgrade\r\nUpgrade: tcp\r\n"),
        ("attach with upgrade before 1.42", b"1.41", b"Connection: Upgrade\r\nUpgrade: tcp\r\n"),
        ("attach with upgrade alone", b"1.51", b"Upgrade: tcp\r\n"),
        ("attach with another upgrade", b"1.51", b"Connection: Upgrade\r\nUpgrade: cake\r\n"),
        (
            "attach with an upgrade to HTTP/2",
            b"1.51",
            b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        ),
        ("attach with connection alone", b"1.51", b"Connection: Upgrade\r\n"),
        ("attach with a body", b"1.51", b"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: text/plain\r\n"),
    ):
        head = b"POST /v%s/containers/echo/attach%s HTTP/1.1\r\nHost: d\r\n%s\r\n" % (version, query, fields)
        result += [Talk(name, [Send(head), Head(), Other(again), Send(b"said\n"), Shut(), Rest()]), ended]
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    return [
        *result,
        Talk("an upgrade to HTTP/2", [Send(_GET + upgrade), Read(), Alive()]),
        Talk("an upgrade of a GET", [Send(_GET + b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"), Read(), Alive()]),
        Talk("bytes sent with the request", [
            Send(b"POST /v1.51/containers/cake/attach?stream=1 HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n"), Read(), Alive(),
        ]),
    ]  # fmt: skip
