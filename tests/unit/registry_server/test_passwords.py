"""The file of users."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from carrack.errors import InvalidArgument
from carrack.linux import crypt
from carrack.registry_server import passwords as module
from carrack.registry_server.passwords import Passwords, line, parse

FAST = "$2y$04$"


class _Counting:
    """Hashes by bcrypt at its least cost, and counts."""

    def __init__(self) -> None:
        self.count = 0
        self._real = crypt.load()

    def __call__(self, password: bytes, setting: bytes) -> bytes:
        self.count += 1
        return self._real(password, setting)


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> _Counting:
    monkeypatch.setattr(module, "COST", 4)
    return _Counting()


def _file(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "users"
    path.write_text("\n".join(["# users", "", *lines]))
    return path


def test_right_and_wrong(tmp_path: Path, cheap: _Counting) -> None:
    path = _file(tmp_path, line("alice", "secret"), line("böb", "päss:word"))
    passwords = Passwords(path, cheap)
    assert passwords.right("alice", "secret")
    assert passwords.right("böb", "päss:word")
    assert not passwords.right("alice", "Secret")
    assert not passwords.right("alice", "")
    assert not passwords.right("bob", "secret")
    assert not passwords.right("alice", "x\0y")
    assert not passwords.right("alice", "secret" * 1000)


def test_a_right_one_is_hashed_once_and_an_unknown_user_as_any(tmp_path: Path, cheap: _Counting) -> None:
    passwords = Passwords(_file(tmp_path, line("alice", "secret")), cheap)
    assert all(passwords.right("alice", "secret") for _ in range(5))
    assert cheap.count == 1
    assert not passwords.right("mallory", "secret")
    assert cheap.count == 2
    assert not passwords.right("mallory", "secret")
    assert cheap.count == 3


def test_a_changed_file_counts_at_once(tmp_path: Path, cheap: _Counting) -> None:
    path = _file(tmp_path, line("alice", "old"))
    passwords = Passwords(path, cheap)
    assert passwords.right("alice", "old")
    stamp = passwords.stamp("alice")
    path.write_text(line("alice", "new") + "\n")
    os.utime(path, ns=(1, 1))
    assert not passwords.right("alice", "old")
    assert passwords.right("alice", "new")
    assert passwords.stamp("alice") != stamp
    assert passwords.stamp("bob") is None


def test_no_users(tmp_path: Path, cheap: _Counting) -> None:
    assert not Passwords(_file(tmp_path), cheap).right("", "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("alice", "line 1: not of the form"),
        (":$2y$05$x", "line 1: not of the form"),
        ("# x\nalice:$apr1$abc$def", "line 2: the hash of alice is not bcrypt's"),
        ("alice:{SHA}abc", "not bcrypt's"),
        ("alice:secret", "not bcrypt's"),
    ],
)
def test_lines_that_are_none(text: str, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem):
        parse(text, "users")


@pytest.mark.parametrize(("user", "password"), [("", "x"), ("a:b", "x"), ("a\nb", "x"), ("a", ""), ("a", "x" * 73)])
def test_lines_that_are_not_made(user: str, password: str) -> None:
    with pytest.raises(InvalidArgument):
        line(user, password)


def test_salts_differ(cheap: _Counting) -> None:
    assert line("a", "x", cheap) != line("a", "x", cheap)
