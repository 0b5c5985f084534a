"""``-it`` on a real terminal: sizes, control characters, detaching, raw mode."""

from __future__ import annotations

import os
import signal
import termios
from collections.abc import Callable

from tests.cli.play import Play, moment
from tests.cli.running import Repeatedly, eventually, resize

# no shell of its own on the terminal: busybox's tells its version, and asks where the cursor is
_SHELL = """busybox sh -c 'printf "# "; while read -r x; do eval "$x"; printf "# "; done'"""


def _type(play: Play, text: bytes) -> Callable[[int], None]:
    """Type once somebody has attached since now, and the client has made its terminal raw."""
    begin = moment()

    def act(master: int) -> None:
        play.until_attached("shell", begin)
        eventually(lambda: not termios.tcgetattr(master)[3] & termios.ECHO)
        os.write(master, text)

    return act


def sizes(play: Play) -> None:
    play.terminal("run --rm -it busybox stty size", [])
    play.terminal("run --rm -it busybox sh -c 'tty; echo $TERM'", [])
    play.terminal("run --rm -t busybox stty size", [])

    script = 'trap "stty size | grep 40 && exit 0" WINCH; echo ready; while :; do sleep 0.05; done'
    play.terminal(f"run --rm -it busybox sh -c '{script}'", [(b"ready\r\n", Repeatedly(resize))])
    play.quietly("run -d --name one busybox sleep 100")
    play.terminal("exec -it one stty size", [])
    play.terminal("exec -t one sh -c 'tty; echo $TERM'", [], hide={r"pts/\d": "pts/<n>"})


def a_shell(play: Play) -> None:
    play.terminal(
        f"run -it --name one {_SHELL}",
        [(b"# ", b"echo a''b\n"), (b"ab\r\n# ", b"false\n"), (b"# ", b"exit 5\n")],
    )
    play("inspect -f '{{.State.ExitCode}} {{.Config.Tty}} {{.Config.OpenStdin}} {{.Config.StdinOnce}}' one")
    play("logs one")
    play.terminal("start -ai one", [(b"# ", b"exit\n")])
    play("ps -a --format '{{.Names}} {{.State}}'")


def control_characters(play: Play) -> None:
    play.terminal(
        "run --rm -it busybox sh -c 'echo ready; cat'", [(b"ready\r\n", b"typed\n"), (b"typed\r\ntyped\r\n", b"\x04")]
    )
    play.terminal("run --rm -it busybox sh -c 'echo ready; cat; true'", [(b"ready\r\n", b"\x03")])
    script = 'trap "echo caught; exit 3" INT; echo ready; while :; do sleep 0.05; done'
    play.terminal(f"run --rm -it busybox sh -c '{script}'", [(b"ready\r\n", b"\x03")])
    play.terminal(
        "run --rm -it busybox sh -c 'stty raw -echo; echo ready; head -c 3 | od -c'", [(b"ready", b"\x03\x1a\x04")]
    )
    play.terminal("run --rm -it busybox sh -c 'exit 9'", [])
    play.terminal("run --rm -it busybox nosuch", [])
    play("ps -aq")


def detaching(play: Play) -> None:
    play.terminal(f"run -it --name one {_SHELL}", [(b"# ", b"\x10\x11")])
    play("ps --format '{{.Names}} {{.State}}'")
    play.terminal(f"run -it --name two --detach-keys ctrl-a,d {_SHELL}", [(b"# ", b"\x01d")])
    play.terminal(f"run -it --name three --detach-keys q {_SHELL}", [(b"# ", b"q")])
    play.terminal(
        f"run -it --rm --name four {_SHELL}",
        [(b"# ", b"echo \x10x\n"), (b"\r\n# ", b"exit 3\n")],
    )
    play.terminal("exec -it one sh -c 'echo ready; cat'", [(b"ready\r\n", b"\x10\x11")])
    play("exec -it --detach-keys nonsense-key one true")
    play("run -it --detach-keys nonsense-key busybox true")
    play("attach --detach-keys nonsense-key one")
    play.terminal("attach --detach-keys nonsense-key one", [])
    play("ps --format '{{.Names}} {{.State}}'")


def attaching(play: Play) -> None:
    echo = "while read x; do [ $x = end ] && exit 7; echo got $x; done"
    play.quietly(f"run -dit --name shell busybox sh -c '{echo}'")
    play.terminal("attach shell", [(b"", _type(play, b"one\n")), (b"got one\r\n", b"\x10\x11")])
    play("ps --format '{{.Names}} {{.State}}'")
    play.terminal("attach --detach-keys ctrl-x shell", [(b"", _type(play, b"a\n")), (b"got a\r\n", b"\x18")])
    play.terminal("attach shell", [(b"", _type(play, b"end\n"))])
    play("ps -a --format '{{.Names}} {{.State}}'")
    play("logs shell")


def without_a_terminal(play: Play) -> None:
    play("run --rm -t busybox echo through a terminal")
    play("run --rm -t busybox sh -c 'echo err >&2'")
    play("run --rm -it busybox true")
    play("run --rm -it busybox true", stdin="")
    play("run -dit --name one busybox sh")
    play("exec -t one echo said")
    play("exec -it one true", stdin="")


def raw_mode(play: Play) -> None:
    """What the client leaves of the terminal: it must be as it was, also after a failure."""
    script = 'stty -g > before; "$@"; stty -g > after; cmp before after && echo the same'
    for command in ("run --rm -it busybox true", "run --rm -it busybox nosuch", "run --rm -it --nonsense busybox"):
        play.wrapped(["sh", "-c", script, "sh"], command)


def hanging_up(play: Play) -> None:
    """A client that is killed leaves its container."""

    def kill(master: int) -> None:
        os.killpg(os.tcgetpgrp(master), signal.SIGKILL)

    play.terminal(f"run -it --name hung {_SHELL}", [(b"# ", kill)])
    play("ps --format '{{.Names}} {{.State}}'")
