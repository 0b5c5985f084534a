"""``build --ssh``: agents for ``RUN --mount=type=ssh`` and for repositories, lent to the daemon while it builds.

``default`` or another ID alone is the user's own agent (SSH_AUTH_SOCK), ``ID=SOCKET`` another one; for ``ID=KEY,…`` the
ssh-agent of OpenSSH is started with these keys, and ended. Keys never leave this side: the daemon passes on questions.
"""

import _socket
import os
import stat

from carrack.cli.exit import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_HEAD = 4
_MOST = 256 << 10


class Agents:
    """All of one build; ``close`` ends what was begun for them. :class:`Exit` for what is no agent."""

    def __init__(self, words: "Iterable[str]", environment: "Mapping[str, str]") -> None:
        self._places: dict[str, str] = {}
        self._talks: dict[int, _socket.socket] = {}
        self._started: list[_Own] = []
        self._closed = False
        try:
            for word in words:
                name, _, place = word.partition("=")
                self._places[name or "default"] = self._place(word, place, environment)
        except BaseException:
            self.close()
            raise

    @property
    def names(self) -> list[str]:
        """Their IDs."""
        return list(self._places)

    def answer(self, name: str, number: int, message: bytes) -> bytes:
        """What an agent says to a message of a connection, which ends with an empty one. OSError where it does not."""
        if not message:
            talk = self._talks.pop(number, None)
            if talk is not None:
                talk.close()
            return b""
        if self._closed or name not in self._places:
            raise OSError(f"no agent {name} is lent")
        talk = self._talks.get(number)
        if talk is None:
            talk = self._talks[number] = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
            talk.connect(self._places[name])
        talk.sendall(message)
        head = _exactly(talk, _HEAD)
        size = int.from_bytes(head, "big")
        if size > _MOST:
            raise OSError(f"the agent {name} answers with {size} bytes")
        return head + _exactly(talk, size)

    def close(self) -> None:
        """No more is answered."""
        self._closed = True
        for talk in list(self._talks.values()):
            try:
                talk.shutdown(_socket.SHUT_RDWR)  # wakes who waits for it
            except OSError:
                pass
        for own in self._started:
            own.end()

    def _place(self, word: str, place: str, environment: "Mapping[str, str]") -> str:
        place = place or environment.get("SSH_AUTH_SOCK", "")
        if not place:
            raise Exit(1, f"--ssh {word}: SSH_AUTH_SOCK is not set, and neither an agent nor a key is named")
        if _is_socket(place):
            return place
        keys = place.split(",")
        for key in keys:
            if not os.path.isfile(key):
                raise Exit(1, f"--ssh {word}: {key} is neither an agent's socket nor a key")
        own = _Own()
        self._started.append(own)
        own.start(word, keys, environment)
        return own.socket


class _Own:
    """An agent that lives as long as we do: it goes when its command does, which reads what only we could write."""

    def __init__(self) -> None:
        from tempfile import mkdtemp

        self._folder = mkdtemp(prefix="carrack-ssh-")
        self.socket = os.path.join(self._folder, "agent")
        self._process: Any = None
        self._agent = 0

    def start(self, word: str, keys: "list[str]", environment: "Mapping[str, str]") -> None:
        from subprocess import DEVNULL, PIPE, Popen, run

        command = ["ssh-agent", "-a", self.socket, "sh", "-c", "echo $SSH_AGENT_PID; exec cat"]
        try:
            self._process = Popen(command, stdin=PIPE, stdout=PIPE, env=dict(environment))
            self._agent = int(self._process.stdout.readline() or 0)
            lent = {**environment, "SSH_AUTH_SOCK": self.socket, "SSH_ASKPASS_REQUIRE": "never"}
            done = run(["ssh-add", "-q", *map(os.path.abspath, keys)], env=lent, stdin=DEVNULL, check=False)
        except OSError as error:
            raise Exit(1, f"--ssh {word}: a key needs ssh-agent and ssh-add: {error}") from None
        if done.returncode:
            raise Exit(1, f"--ssh {word}: ssh-add did not take it")

    def end(self) -> None:
        from shutil import rmtree
        from signal import SIGTERM

        if self._agent:
            os.kill(self._agent, SIGTERM)
        if self._process is not None:
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait()
        rmtree(self._folder, ignore_errors=True)


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _exactly(talk: _socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = talk.recv(size - len(data))
        if not piece:
            raise ConnectionResetError("the agent has ended the connection")
        data += piece
    return data
