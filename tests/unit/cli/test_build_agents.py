"""``--ssh``: which agents are lent, and their talk; keys: tests/cli/test_build_own_words.py."""

from __future__ import annotations

import socket
from pathlib import Path
from threading import Thread

import pytest

from carrack.cli.build_agents import Agents
from carrack.cli.exit import Exit


def test_a_talk(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "sock"))
        listener.listen()

        def agent() -> None:
            talk, _ = listener.accept()
            with talk:
                while talk.recv(100) == b"\0\0\0\1a":
                    talk.sendall(b"\0\0")
                    talk.sendall(b"\0\2bc")

        thread = Thread(target=agent)
        thread.start()
        agents = Agents(["default", f"b={tmp_path}/sock"], {"SSH_AUTH_SOCK": str(tmp_path / "sock")})
        assert agents.names == ["default", "b"]
        assert [agents.answer("b", 7, b"\0\0\0\1a") for _ in range(2)] == [b"\0\0\0\2bc"] * 2
        with pytest.raises(OSError, match="has ended"):
            agents.answer("b", 7, b"bad")
        thread.join()
        assert agents.answer("b", 7, b"") == b""
        with pytest.raises(OSError, match="no agent"):
            agents.answer("c", 8, b"\0\0\0\1a")
        agents.close()
        with pytest.raises(OSError, match="no agent"):
            agents.answer("b", 9, b"\0\0\0\1a")


@pytest.mark.parametrize(("word", "said"), [("default", "SSH_AUTH_SOCK is not set"), ("a=/nowhere", "nor a key")])
def test_refused(word: str, said: str) -> None:
    with pytest.raises(Exit, match=said):
        Agents([word], {})
