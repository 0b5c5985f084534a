"""``exec`` on pipes; on terminals it is in :mod:`terminal`."""

from __future__ import annotations

from tests.cli.play import Play


def streams_and_codes(play: Play) -> None:
    play.quietly("run -d --name one busybox sleep 100")
    play("exec one echo hello")
    play("exec one sh -c 'echo out; echo err >&2; exit 3'")
    play("exec -i one cat", stdin="typed\n")
    play("exec one cat", stdin="not read\n")
    play("exec -i one sh -c 'read a; echo got $a; exit 7'", stdin="one\ntwo\n")
    play("exec one sh -c 'kill -9 $$'")
    play("exec one sh -c 'kill -TERM $$'")
    play("exec -d one sh -c 'echo made > /tmp/made'")
    play.until("exec one cat /tmp/made", "made")
    play("exec -d one sh -c 'exit 3'")
    play("container exec one true")
    play("exec one -c true")


def options(play: Play) -> None:
    play.quietly("run -d --name one -e FROM=container -h box busybox sleep 100")
    (play.folder / "file").write_text("FILE=1\nINHERITED\n")
    play("exec one env", unordered=True)
    play("exec -e A=1 -e FROM=exec one env", unordered=True)
    play("exec -e INHERITED -e NOT_SET one env", unordered=True, environment={"INHERITED": "outside"})
    play("exec --env-file ./file one env", unordered=True, environment={"INHERITED": "outside"})
    play("exec -t one env", unordered=True)
    play("exec -w /tmp one pwd")
    play("exec -w /nosuch one pwd")
    play("exec -w relative one pwd")
    play("exec one id")
    for user in ("nobody", "1000", "nobody:staff", "1000:50", "nosuch", "root:nosuch", "-1"):
        play(f"exec -u {user} one id")
    play("exec --privileged one grep CapEff /proc/self/status")
    play("exec one grep CapEff /proc/self/status")
    play("exec -u nobody one grep CapEff /proc/self/status")
    play("exec --env-file ./nosuch one true")


def commands_that_cannot_run(play: Play) -> None:
    play.quietly("run -d --name one busybox sleep 100")
    play("exec one nosuch")
    play("exec one /nosuch")
    play("exec one /etc")
    play("exec one /etc/passwd")
    play("exec one ''")
    play("exec -t one nosuch")
    play("exec -d one nosuch")
    play("exec -i one nosuch", stdin="x")


def containers_that_cannot(play: Play) -> None:
    play.quietly("create --name made busybox true")
    play("exec made true")
    play.quietly("run --name ended busybox true")
    play("exec ended true")
    play("exec -d ended true")
    play.quietly("run -d --name held busybox sleep 100")
    play.quietly("pause held")
    play("exec held true")
    play.quietly("unpause held")
    play("exec held true")


def what_is_told_of_them(play: Play) -> None:
    play.quietly("run -d --name one busybox sleep 100")
    play("inspect -f '{{.ExecIDs}}' one")
    play("exec -d one sleep 50")
    play("inspect -f '{{len .ExecIDs}}' one")
    play("top one -eo args", unordered=True)
    play("restart -t 0 one")
    play("inspect -f '{{.ExecIDs}}' one")
