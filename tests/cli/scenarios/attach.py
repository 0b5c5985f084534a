"""``attach`` and ``start -a`` on pipes."""

from __future__ import annotations

import signal

from tests.cli.play import Play, census, moment

_LOOP = "while :; do sleep 0.05; done"


def streams(play: Play) -> None:
    play.quietly("run -d -i --name one busybox sh -c 'read x; echo got $x; sleep 0.2; echo err >&2; sleep 0.3; exit 3'")
    attached = play.start("attach one")
    attached.type("typed\n")
    attached.finish(open_stdin=True)
    play("attach one")
    started = play.start("start -ai one")
    started.type("more\n")
    started.finish(open_stdin=True)
    play("logs one")
    play.quietly('run -d --name said busybox sh -c \'trap "echo bye; exit 0" TERM; ' + _LOOP + "'")
    begin, attached = moment(), play.start("attach --no-stdin said")
    play.until_attached("said", begin)
    play("stop said")
    attached.finish()
    play("attach nosuch")
    play.quietly("create --name three busybox")
    play("attach three")


@census("state restarting")
def paused_and_restarting(play: Play) -> None:
    play.quietly("run -d --name one busybox sleep 100")
    play.quietly("pause one")
    play("attach one")
    play.quietly("unpause one")
    play.quietly("run -d --name again --restart always busybox sh -c 'exit 1'")
    play.until("inspect -f '{{.RestartCount}} {{.State.Status}}' again", "6 restarting")  # for 6.4 seconds
    play("attach again")
    play("exec again true", hide={r"(?s)\A.*is restarting.*": "is restarting"})
    play.quietly("rm -f again")


def signals(play: Play) -> None:
    script = f'trap "echo got-term; exit 9" TERM; trap "echo got-int" INT; echo ready; {_LOOP}'
    play.quietly(f"run -d --name signalled busybox sh -c '{script}'")
    play.until("logs signalled", "ready")
    begin, attached = moment(), play.start("attach signalled")
    play.until_attached("signalled", begin)
    attached.process.send_signal(signal.SIGINT)
    attached.read("got-int\n")
    attached.finish(signal.SIGTERM)
    play("start signalled")
    play.until("logs signalled", "ready\ngot-int\ngot-term\nready")
    begin, attached = moment(), play.start("attach --sig-proxy=false signalled")
    play.until_attached("signalled", begin)
    attached.finish(signal.SIGKILL)
    play("ps --format '{{.Names}} {{.State}}'")


def starting(play: Play) -> None:
    play.quietly("create --name one busybox sh -c 'echo out; sleep 0.2; echo err >&2; sleep 0.3; exit 3'")
    play("start one")
    play.quietly("wait one")
    play("start -a one")
    play("start -a one one")
    play("start one one")
    play.quietly("wait one")
    play.quietly("create --name two -i busybox cat")
    play("start -i two", stdin="through\n")
    play("start -a -i two", stdin="again\n")
    play.quietly("run -d --name three busybox sleep 100")
    play("start three")
    play("start --nonsense three")
    play.quietly("pause three")
    play("start three")
    play("logs one")
