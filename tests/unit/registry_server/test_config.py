"""Settings out of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from carrack.errors import InvalidArgument
from carrack.registry_server.config import Proxy, Settings, parse
from carrack.registry_server.retention import Retention
from carrack.registry_server.rights import Rule

WHOLE = """
root = "/srv/x"
listen = [":5000", "unix:///run/x.sock"]
url = "https://x.example"
read-only = true
clients = 9
log-level = "debug"
[tls]
certificate = "c"
key = "k"
[auth]
htpasswd = "h"
tokens = true
[gc]
every = "0"
grace = "2h"
[proxy]
remote = "https://y.example"
username = "u"
password-file = "p"
fresh = "90s"
[[access]]
users = ["alice"]
repositories = "a/**"
actions = ["*"]
[[retention]]
repositories = ["ci/**"]
keep-tags = ["v*"]
keep-last = 3
tags-after = "30d"
unpulled-after = "1d12h"
untagged-after = "7d"
"""


def test_a_whole_file() -> None:
    assert parse(WHOLE, "x.toml") == Settings(
        root=Path("/srv/x"),
        listen=(":5000", "unix:///run/x.sock"),
        url="https://x.example",
        read_only=True,
        clients=9,
        log_level="debug",
        certificate="c",
        key="k",
        htpasswd="h",
        tokens=True,
        access=(Rule(frozenset({"alice"}), ("a/**",), frozenset({"pull", "push", "delete"})),),
        retention=(Retention(("ci/**",), ("v*",), 3, 30 * 86400.0, 36 * 3600.0, 7 * 86400.0),),
        every=0.0,
        grace=7200.0,
        proxy=Proxy("https://y.example", "u", "p", 90.0),
    )


def test_nothing_said() -> None:
    assert parse("", "x.toml") == Settings()
    assert parse("listen = 'a:1'", "x.toml").listen == ("a:1",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x", "x.toml: "),
        ("roots = 'x'", "roots means nothing"),
        ("root = 3", "root: expected a text"),
        ("listen = [3]", "listen: expected a list"),
        ("read-only = 'yes'", "read-only: expected true or false"),
        ("clients = true", "clients: expected a whole number"),
        ("tls = 3", r"\[tls\] is to be a table"),
        ("[tls]\ncert = 'x'", "tls.cert means nothing"),
        ("[gc]\nevery = '-1s'", "gc.every: expected an age"),
        ("[gc]\nevery = '5x'", "gc.every: time: unknown unit"),
        ("[proxy]\nusername = 'x'", "proxy.remote is missing"),
        ("[access]\nusers = []", "two brackets"),
        ("[[access]]\nusers = ['a']", "needs users, repositories and actions"),
        ("[[access]]\nusers = ['a']\nrepositories = ['a']\nactions = ['write']", "not write"),
        ("[[retention]]\nkeep-last = 3", "needs repositories"),
        ("[storage]\ns3 = {}", "storage means nothing"),
        ("[notifications]\nendpoints = []", "notifications means nothing"),
    ],
)
@pytest.mark.census(
    "registry registry server: filesystem,s3,gcs,azure,inmemory drivers",
    "registry registry server: notifications webhooks",
)
def test_refusals(text: str, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem):
        parse(text, "x.toml")


@pytest.mark.parametrize(
    "settings",
    [
        Settings(certificate="c"),
        Settings(key="k"),
        Settings(tokens=True),
        Settings(log_level="loud"),
        Settings(listen=()),
    ],
)
def test_contradictions(settings: Settings) -> None:
    with pytest.raises(InvalidArgument):
        settings.checked()
    assert Settings().checked() == Settings()
