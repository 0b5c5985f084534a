"""``run`` and ``create``: streams, exit codes, names, removal."""

from __future__ import annotations

import signal

from tests.cli.play import Play, census


@census("exit-code 128+n")
def streams_and_codes(play: Play) -> None:
    play("run --rm busybox echo hello")
    play("run --rm busybox sh -c 'echo out; echo err >&2; exit 3'")
    play("run --rm -i busybox cat", stdin="typed\n")
    play("run --rm busybox cat", stdin="not read\n")
    play("run --rm -i busybox sh -c 'read a; echo got $a; exit 7'", stdin="one\ntwo\n")
    play("run --rm busybox sh -c 'printf no-newline'")
    play("run --rm busybox true")
    play("run --rm busybox false")
    play("run --rm busybox sh -c 'kill -9 $$'")
    play("run --rm busybox sh -c 'exit 255'")
    play("ps -a --format '{{.Names}}'")


def attaching_some_streams(play: Play) -> None:
    play("run --rm -a stdout busybox sh -c 'echo out; echo err >&2'")
    play("run --rm -a stderr busybox sh -c 'echo out; echo err >&2'")
    play("run --rm -a stdin -a stdout -i busybox cat", stdin="through\n")
    play("run --name one -a stdin -i busybox sh -c 'read a; echo $a'", stdin="unseen\n")
    play.until("ps -a --filter name=one --format '{{.State}}'", "exited")
    play("logs one")
    play("run --rm -a nonsense busybox true")
    play("run --rm -a stdout -d busybox true")


def in_the_background(play: Play) -> None:
    play("run -d --name one busybox sh -c 'echo said; exit 4'")
    play("wait one")
    play("logs one")
    play("run -d --rm --name two busybox sleep 0.1")
    play.until("ps -aq --filter name=two", "")
    play("ps -a --format '{{.Names}} {{.State}}'")
    play("run -d --name three busybox /nosuch")
    play("ps -a --filter name=three --format '{{.Names}} {{.Status}}'")
    play("inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}' three")


@census("exit-code 126", "exit-code 127")
def commands_that_cannot_run(play: Play) -> None:
    play("run --rm busybox /nosuch")
    play("run --rm busybox nosuch")
    play("run --rm busybox nosuch with arguments")
    play("run --rm busybox /etc")
    play("run --rm busybox /etc/passwd")
    play("run --rm busybox ''")
    play("run --rm --entrypoint /nosuch busybox")
    play("run --rm --entrypoint nosuch busybox word")
    play("run --rm -w /etc/passwd busybox true")
    play("run --rm -t busybox /nosuch")
    play("run --rm --init busybox /nosuch", hide={r"\(\d+\)": "(<pid>)"})
    play("ps -aq")


def start_of_what_cannot_run(play: Play) -> None:
    play("create --name one busybox /nosuch")
    play("start one")
    play("start -a one")
    play("inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}' one")
    play("ps -a --format '{{.Names}} {{.Status}}'")
    play("create --name two busybox /etc/passwd")
    play("start two")
    play("start two nosuch")
    play("inspect -f '{{.State.Status}} {{.State.ExitCode}}' two")


def names(play: Play) -> None:
    play("create --name one busybox")
    play("create --name one busybox")
    play("run --name one busybox true")
    play("run -d --name one busybox true")
    play("create --name /slash busybox")
    play("create --name -dash busybox")
    play("create --name x busybox")
    play("create --name 'with space' busybox")
    play("create --name a/b busybox")
    play("ps -a --filter name=one --filter name=slash --format '{{.Names}}'")
    play("inspect -f '{{.Name}}' slash")


def words_and_entrypoints(play: Play) -> None:
    play("run --rm --entrypoint echo busybox one two")
    play("run --rm --entrypoint '' busybox echo plain")
    play("run --rm --entrypoint sh busybox -c 'echo $0 $1' zero first")
    play("create --name one --entrypoint echo busybox")
    play("inspect -f '{{json .Config.Entrypoint}} {{json .Config.Cmd}} {{.Path}} {{json .Args}}' one")
    play("create --name two busybox")
    play("inspect -f '{{json .Config.Entrypoint}} {{json .Config.Cmd}} {{.Path}} {{json .Args}}' two")
    play("create --name three busybox sh -c 'a b' \"it's\" '\"quoted\"'")
    play("ps -a --no-trunc --format '{{.Names}} {{.Command}}'")
    play("run --rm busybox --help", hide={r"BusyBox v.*": "BusyBox"})


def files_with_the_id(play: Play) -> None:
    play("run --cidfile ./id --name one busybox true")
    identity = (play.folder / "id").read_text()
    play(f"inspect -f '{{{{.Name}}}}' {identity}")
    play("run --cidfile ./id busybox true")
    play("create --cidfile ./other --name two busybox")
    play("create --pull never --cidfile ./third busybox:nosuch")
    play("run --cidfile ./nosuch/id busybox true")
    play("ps -a --format '{{.Names}}'")


def signals_of_the_client(play: Play) -> None:
    script = 'trap "echo got-term; exit 9" TERM; trap "echo got-int" INT; echo ready; while :; do sleep 0.05; done'
    running = play.start(f"run --rm --name one busybox sh -c '{script}'")
    running.read("ready\n")
    running.process.send_signal(signal.SIGINT)
    running.read("got-int\n")
    running.finish(signal.SIGTERM)
    play("ps -aq")
    running = play.start(f"run --name two --sig-proxy=false busybox sh -c '{script}'")
    running.read("ready\n")
    running.finish(signal.SIGKILL)
    play("ps --format '{{.Names}}'")


def restart_policies(play: Play) -> None:
    play("run -d --name one --restart on-failure:2 busybox sh -c 'echo try; exit 3'")
    play.until("inspect -f '{{.RestartCount}} {{.State.Status}}' one", "2 exited")
    play("logs one")
    play("ps -a --format '{{.Names}} {{.Status}}'")
    play("run --rm --restart always busybox true")
    play("create --restart nonsense busybox")
    play("create --restart always:3 busybox")
    play("create --restart on-failure:x busybox")
    play("create --restart on-failure:-1 busybox")
    play("create --restart no:1 busybox")
    play("create --name four --restart unless-stopped busybox")
    play("inspect -f '{{json .HostConfig.RestartPolicy}}' four")


def images_that_are_not_there(play: Play) -> None:
    play("create --pull never nosuch")
    play("create --pull never nosuch:tag")
    play("run --pull never nosuch true")
    play("run --pull never --rm -d nosuch true")
    play("run --pull nonsense busybox true")
    play("run UPPER true")
    play("run bad:tag:again true")
    play("run '' true")
    play("run bad@sha256:12 true")
    play("create --pull never " + "a" * 64)
