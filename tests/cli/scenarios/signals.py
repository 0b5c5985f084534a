"""``kill`` with each signal, and how containers end by them."""

from __future__ import annotations

from tests.cli.play import Play

_CAUGHT = ("HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "TERM", "CONT", "WINCH", "PIPE", "URG", "TSTP", "TTIN", "IO")


def caught(play: Play) -> None:
    traps = "; ".join(f'trap "echo got {name}" {name}' for name in _CAUGHT)
    play.quietly(f"run -d --name one busybox sh -c '{traps}; echo ready; while :; do sleep 0.02; done'")
    play.until("logs one", "ready")
    for number, name in enumerate(_CAUGHT):
        form = (name, f"SIG{name}", name.lower())[number % 3]
        play(f"kill -s {form} one")
        play.until("logs one", f"got {name}\n")
    play("kill -s 10 one")
    play("kill --signal 0 one")
    play("kill --signal 65 one")
    play("kill --signal NONSENSE one")
    play("kill --signal SIGRTMIN+3 one")
    play("kill --signal RTMIN one")
    play("kill --signal -9 one")
    play("kill --signal '' one")
    play("ps -a --format '{{.Names}} {{.Status}}'")


def deadly(play: Play) -> None:
    for signal in ("KILL", "9", "SIGTERM", "INT", "HUP", "QUIT"):
        play.quietly("run -d --name one --init busybox sleep 100")
        play(f"kill -s {signal} one")
        play("wait one")
        play.quietly("rm -f one")


def of_what_does_not_run(play: Play) -> None:
    play.quietly("create --name made busybox")
    play("kill made")
    play("kill -s NONSENSE made")
    play.quietly("run --name ended busybox true")
    play("kill ended")
    play("kill -s HUP ended")
    play("stop ended")
    play("stop made")
    play.quietly("run -d --name held busybox sleep 100")
    play.quietly("pause held")
    play("kill -s HUP held")
    play("stop -t 0 held")
    play("ps -a --filter name=held --format '{{.Status}}'")
    play("kill made ended nosuch")


def impatient(play: Play) -> None:
    play.quietly("run -d --name one busybox sh -c 'trap \"\" TERM; echo ready; while :; do sleep 0.05; done'")
    play.until("logs one", "ready")
    play("stop -t 1 one")
    play("inspect -f '{{.State.ExitCode}}' one")
    play.quietly("run -d --name two --stop-timeout 0 busybox sleep 100")
    play("stop two")
    play("inspect -f '{{.State.ExitCode}} {{.Config.StopTimeout}}' two")
    play.quietly("run -d --name three --stop-signal KILL busybox sleep 100")
    play("stop three")
    play("inspect -f '{{.State.ExitCode}} {{.Config.StopSignal}}' three")
