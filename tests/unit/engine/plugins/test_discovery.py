from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from carrack.engine.plugins.discovery import find, scan
from carrack.errors import InvalidArgument, NotFound
from carrack.http.outgoing import Peer


def listen(path: Path) -> str:
    path.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    return str(path)


def test_sockets_and_files(tmp_path: Path) -> None:
    one = listen(tmp_path / "one.sock")
    two = listen(tmp_path / "two" / "two.sock")
    (tmp_path / "three.spec").write_text("unix:///run/three.sock\n")
    (tmp_path / "four.spec").write_text("tcp://127.0.0.1:8080")
    (tmp_path / "five.json").write_text(json.dumps({"Name": "five", "Addr": "https://localhost:4443"}))
    (tmp_path / "six.sock").write_text("no socket")
    (tmp_path / "seven.conf").write_text("")
    where = [str(tmp_path / "absent"), str(tmp_path)]
    assert scan(where) == ["five", "four", "one", "three", "two"]
    assert find(where, "one") == Peer(path=one)
    assert find(where, "two") == Peer(path=two)
    assert find(where, "three") == Peer(path="/run/three.sock")
    assert find(where, "four") == Peer(host="127.0.0.1", port=8080)
    five = find(where, "five")
    assert (five.host, five.port) == ("localhost", 4443)
    assert five.tls is not None
    assert five.tls.check_hostname


def test_tls_may_be_loosened_and_is_checked_otherwise(tmp_path: Path) -> None:
    config = {"InsecureSkipVerify": True}
    (tmp_path / "p.json").write_text(json.dumps({"Addr": "tcp://localhost:1", "TLSConfig": config}))
    tls = find([str(tmp_path)], "p").tls
    assert tls is not None
    assert not tls.check_hostname


@pytest.mark.parametrize("name", ["", "nosuch", "..", "../one", "a/b", "a\0b", "-x", "x" * 200, "vieux/sshfs:latest"])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    listen(tmp_path / "one.sock")
    (tmp_path / "in").mkdir()
    with pytest.raises(NotFound, match="not found"):
        find([str(tmp_path / "in")], name)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("p.spec", "nonsense"),
        ("p.spec", "unix://relative"),
        ("p.spec", "tcp://host:99999"),
        ("p.spec", "ftp://host:1"),
        ("p.json", "{"),
        ("p.json", "[]"),
        ("p.json", '{"Addr": 1}'),
        ("p.json", '{"Addr": "tcp://h:1", "TLSConfig": 1}'),
        ("p.json", '{"Addr": "tcp://h:1", "TLSConfig": {"CAFile": "/nosuch"}}'),
        ("p.json", "[" * 50_000),
    ],
)
def test_files_that_tell_nonsense(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(InvalidArgument, match=file):
        find([str(tmp_path)], "p")
