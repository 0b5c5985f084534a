"""The way to a daemon by ssh: the words of the program, and bytes through one that stands for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from carrack.client import ssh
from carrack.errors import InvalidArgument

REMOTE = "command -v carrack >/dev/null && exec carrack {0}system dial-stdio || exec docker {0}system dial-stdio"


@pytest.mark.parametrize(
    ("url", "words", "there"),
    [
        ("ssh://box", ["--", "box"], ""),
        ("ssh://me@box:2222", ["-l", "me", "-p", "2222", "--", "box"], ""),
        ("ssh://me@[::1]:22/run/x.sock", ["-l", "me", "-p", "22", "--", "::1"], "--host unix:///run/x.sock "),
        ("ssh://box/a;b", ["--", "box"], "--host unix:///a%3Bb "),
    ],
)
def test_words(url: str, words: list[str], there: str) -> None:
    assert ssh.arguments(url) == ["ssh", "-o", "ConnectTimeout=30", "-T", *words, REMOTE.format(there)]


@pytest.mark.parametrize(
    "url", ["ssh://", "ssh://-x", "ssh://-l@box", "ssh://me:secret@box", "ssh://box:x", "ssh://box/a?b", "ssh://box#c"]
)
def test_what_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        ssh.arguments(url)
    assert "secret" not in str(refused.value)


def test_bytes_go_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ssh").write_text('#!/bin/sh\necho "$VARIABLE $5"\nexec cat\n')
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with ssh.connect("ssh://box", {"VARIABLE": "kept", "PATH": "/usr/bin:/bin"}) as sock:
        sock.sendall(b"there and back\n")
        sock.shutdown(1)
        with sock.makefile("rb") as file:
            assert file.read() == b"kept box\nthere and back\n"


def test_no_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="install it"):
        ssh.connect("ssh://box", {})
