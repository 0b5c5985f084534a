"""``logs`` in all its forms."""

from __future__ import annotations

import signal

from tests.cli.play import Play


def selections(play: Play) -> None:
    play(
        "run --name one busybox sh -c 'for i in 1 2 3 4 5; do echo line $i; done; sleep 0.1; echo err >&2; sleep 0.1; printf last'"
    )
    play("logs one")
    for tail in ("0", "1", "2", "100", "all", "-1"):
        play(f"logs --tail {tail} one")
    play("logs -n 3 one")
    play("logs -t one")
    play("logs -t --tail 2 one")
    play("logs --since 1h --tail 1 one")
    play("logs --since 2099-01-01T00:00:00Z one")
    play("logs --until 2001-01-01 one")
    play("logs --since 1 --until 2h --tail 2 one")
    play("logs --until 2099-01-01T00:00:00 --tail 1 one")
    play("logs -f one")
    play("container logs --follow --tail 1 one")


def nothing(play: Play) -> None:
    play.quietly("create --name one busybox")
    play("logs one")
    play("logs -f --until 0s one")
    play("run --name quiet busybox true")
    play("logs quiet")
    play("run --name untold --log-driver none busybox echo said")
    play("logs untold")
    play("inspect -f '{{.HostConfig.LogConfig.Type}}' untold")


def following(play: Play) -> None:
    play.quietly("run -d -i --name one busybox sh -c 'echo first; read x; echo second; read x; echo third >&2'")
    follower = play.start("logs -f one")
    follower.read("first\n")
    tail = play.start("logs -f -t --tail 1 one")
    tail.read("first\n")
    since = play.start("logs -f --since 10m one")
    since.read("first\n")
    play.quietly("attach one", stdin="\n\n")
    follower.finish()
    tail.finish(hide={r"(?m)^<time>": "<time>"})
    since.finish()
    play.quietly("run -d --name two busybox sh -c 'echo first; sleep 100'")
    interrupted = play.start("logs -f two")
    interrupted.read("first\n")
    interrupted.finish(signal.SIGINT)


def details(play: Play) -> None:
    play("run --name one -l kind=x -e A=1 busybox echo said")
    play("logs --details one")
    play("logs --details -t one")
    play("logs one")
    play("run --name two busybox echo plain")
    play("logs --details two")


def terminals_and_bytes(play: Play) -> None:
    play("run -t --name one busybox sh -c 'echo one; echo two >&2'")
    play("logs one")
    play("logs -t one")
    play(r"run --name two busybox printf '\001\002\\x\tt\303\244\n'")
    play("logs two")
    play(
        "run --name long busybox sh -c 'head -c 40000 /dev/zero | tr \"\\000\" x; echo; echo after'",
        hide={"x{100,}": "<x>"},
    )
    play("logs --tail 1 long")
    play("logs --tail 2 long", hide={"x{40000}": "<40000 x>"})


def rotated(play: Play) -> None:
    script = "i=0; while [ $i -lt 300 ]; do echo a line of some length number $i; i=$((i+1)); done"
    play.quietly(f"run --name one --log-opt max-size=4k --log-opt max-file=2 busybox sh -c '{script}'")
    play("logs --tail 3 one")
    play("run --rm --log-opt max-file=0 busybox true")
    play("run --rm --log-opt max-file=2 busybox true")
    play("run --rm --log-opt max-size=-1 busybox true")


def several_lives(play: Play) -> None:
    play.quietly("create --name one busybox sh -c 'echo again'")
    play("start -a one")
    play("start -a one")
    play("logs one")
