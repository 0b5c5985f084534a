"""From creation to removal: start, stop, restart, pause, rename, wait, update, top, diff, commit, export, rm."""

from __future__ import annotations

import json

from tests.cli.play import Play, census

_PATIENT = "sh -c 'trap \"exit 5\" TERM; echo ready; while :; do sleep 0.05; done'"


def starting_and_stopping(play: Play) -> None:
    play("create --name one busybox " + _PATIENT)
    play("stop one")
    play("start one")
    play("start one")
    play.until("logs one", "ready")
    play("stop one")
    play("stop one")
    play("ps -a --format '{{.Names}} {{.Status}}'")
    play("restart one")
    play.until("logs one", "ready\nready")
    play("restart -t 3 one")
    play.until("logs one", "ready\nready\nready")
    play("stop --timeout 3 -s TERM one")
    play("stop -s NONSENSE one")
    play("start one nosuch")
    play("stop -t 5 one nosuch")
    play("inspect -f '{{.State.ExitCode}} {{.State.Status}} {{.State.OOMKilled}} {{.State.Dead}}' one")
    play(
        "run -d --name two --stop-signal INT busybox sh -c 'trap \"exit 6\" INT; echo ready; while :; do sleep 0.05; done'"
    )
    play.until("logs two", "ready")
    play("stop two")
    play("wait two")


def pausing(play: Play) -> None:
    play.quietly("run -d --name one busybox sleep 100")
    play("pause one")
    play("pause one")
    play("ps --format '{{.Names}} {{.Status}} {{.State}}'")
    play("inspect -f '{{.State.Status}} {{.State.Paused}} {{.State.Running}}' one")
    play("start one")
    play("restart -t 0 one")
    play("pause one")
    play("top one -eo args")
    play("rm one")
    play("unpause one")
    play("unpause one")
    play("pause one nosuch")
    play("stop -t 0 one")
    play("pause one")
    play("unpause one")
    play("create --name two busybox")
    play("pause two")
    play("unpause two")


def renaming(play: Play) -> None:
    play.quietly("create --name one busybox")
    play.quietly("create --name two busybox")
    play("rename one two")
    play("rename one one")
    play("rename one three")
    play("rename one four")
    play("rename three /slash")
    play("rename slash 'bad name'")
    play("rename slash ''")
    play("rename '' five")
    play("ps -a --format '{{.Names}}'")


@census("exit-code 137")
def waiting(play: Play) -> None:
    play.quietly("run -d --name one busybox sh -c 'exit 3'")
    play.quietly("run -d --name two busybox sh -c 'exit 4'")
    play("wait one two")
    play("wait one")
    play("wait one nosuch two")
    play.quietly("run -d --name three busybox sleep 100")
    waiting = play.start("wait three")
    play.quietly("kill three")
    waiting.finish()
    play.quietly("create --name four busybox")
    play("wait four")


def removing(play: Play) -> None:
    play.quietly("run -d --name one busybox sleep 100")
    play("rm one")
    play.quietly("pause one")
    play("rm one")
    play("rm -f one")
    play("rm -f one")
    play.quietly("create --name two -v /anonymous -v named:/n busybox")
    play("rm -v two")
    play("volume ls --format '{{.Name}}'")
    play.quietly("create --name three -v /anonymous busybox")
    play("rm three")
    play("volume ls -q")
    play.quietly("create --name four busybox")
    play.quietly("create --name five busybox")
    play("rm four nosuch five")
    play("container rm nosuch")


def updating(play: Play) -> None:
    play.quietly("run -d --name one -m 64m busybox sleep 100")
    form = (
        "inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.CpuShares}} {{.HostConfig.CpuShares}} "
        "{{json .HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}}' one"
    )
    play("update -m 128m --memory-swap 256m one")
    play(form)
    play("update --cpus 0.5 --cpu-shares 256 --pids-limit 44 --restart on-failure:3 one")
    play(form)
    play("update one")
    play("update -m 1m one")
    play("update -m 512m one")
    play("update --cpus 1 --cpu-quota 1000 one")
    play("update --cpu-period 10 one")
    play("update --cpuset-cpus 99 one", hide={r"(?<=available: ).*": "<cpus>"})
    play("update --restart nonsense one")
    play("update --restart always:3 one")
    play("update -m 32m one nosuch")
    play("run -d --rm --name two busybox sleep 100")
    play("update --restart always two")
    play(form)


def top(play: Play) -> None:
    play.quietly("run -d --name one -h box busybox sh -c 'sleep 100; true'")
    numbers = {r"(?m)^(root +)\d+ +\d+ +\d+ +\S+ +\S+ +\S+ +": r"\1<numbers> "}
    play("top one", hide={**numbers, " {2,}": " "}, unordered=True)
    play("top one -o args", unordered=True)
    play("top one -eo args", unordered=True)
    play("top one -eo pid,args", unordered=True, hide={r"(?m)^ *\d+ +": "<pid> "})
    play("top one aux", unordered=True, hide={**{r"(?m)^root .*\d:\d\d ": "<numbers> "}, " {2,}": " "})
    play("top one -o nonsense")
    play("top one --nonsense", hide={r"(?s)(ps: |error: ).*": r"\1"})
    play("container top one -o comm", unordered=True)
    play.quietly("create --name two busybox")
    play("top two")
    play.quietly("run --name three busybox true")
    play("top three")


def differences(play: Play) -> None:
    play.quietly(
        "run --name one busybox sh -c 'echo x > /new; mkdir -p /d/e; rm /www/index.html; chmod 700 /root; echo y >> /etc/group'"
    )
    play("diff one", unordered=True)
    play.quietly("create --name two busybox")
    play("diff two")
    play.quietly("run -d --name three -v /vol busybox sh -c 'touch /vol/x /tmp/y; sleep 100'")
    play.until("exec three ls /tmp", "y")
    play("container diff three", unordered=True)


def exporting(play: Play) -> None:
    play.quietly("run --name one busybox sh -c 'echo x > /new; rm /www/index.html'")
    play("export one -o ./file.tar")
    play.note("size", [str((play.folder / "file.tar").stat().st_size > 100_000)])
    play("export one -o ./nosuch/file.tar")
    play("import ./file.tar again:latest")
    play("run --rm again sh -c 'cat /new; ls /www'")
    play("run --rm again")
    play("import -c 'CMD [\"cat\", \"/new\"]' -c 'ENV A=1' -c 'EXPOSE 80' -m 'a message' ./file.tar again:two")
    play("run --rm again:two")
    play("history --format '{{.CreatedBy}}|{{.Comment}}' again:two")
    play("inspect -f '{{json .Config.Env}} {{json .Config.ExposedPorts}} {{.Comment}} {{.Author}}' again:two")
    play("import ./nosuch.tar x")
    play("import ./file.tar UPPER")
    play("import - x", stdin="not a tar")
    play("import -c 'NONSENSE x' ./file.tar x")
    play("import -c 'RUN x' ./file.tar x")
    play("import --platform nonsense/x ./file.tar x")
    play("images --format '{{.Repository}}:{{.Tag}}' again", unordered=True)


def committing(play: Play) -> None:
    play.quietly("run --name one -e FROM=container -w /tmp -u nobody -l kind=x busybox sh -c 'true'")
    play("commit one")
    play("commit -a 'An Author' -m 'a message' one made:one")
    play("inspect -f '{{.Author}}|{{.Comment}}|{{json .Config.Env}}|{{json .Config.Cmd}}' made:one")
    play("inspect -f '{{.Config.WorkingDir}}|{{.Config.User}}|{{json .Config.Labels}}' made:one")
    changes = [
        'ENV A=1 C="two words"',
        'CMD ["echo", "changed"]',
        'ENTRYPOINT ["sh", "-c"]',
        "EXPOSE 80/tcp 81/udp",
        'LABEL kind=y other="a b"',
        "USER root",
        "WORKDIR /www",
        "VOLUME /data",
        "STOPSIGNAL INT",
        "HEALTHCHECK NONE",
        "ONBUILD RUN true",
    ]
    options = " ".join("-c '" + change + "'" for change in changes)
    play(f"commit {options} one made:two")
    image = json.loads(play.quietly("image inspect made:two"))[0]
    play.note(
        "config", [f"{key}: {json.dumps(value, sort_keys=True)}" for key, value in sorted(image["Config"].items())]
    )
    play("commit -c 'ENV FROM=changed' -c 'ENV Z=1' one made:three")
    play("inspect -f '{{json .Config.Env}}' made:three")
    play("commit -c 'CMD echo shell form' one made:four")
    play("inspect -f '{{json .Config.Cmd}}' made:four")
    play("history --no-trunc --format '{{.CreatedBy}}|{{.Comment}}' made:two")
    for wrong in ("NONSENSE x", "RUN true", "CMD", "ENV", "EXPOSE x", "FROM x", "ENV A", "LABEL", "WORKDIR"):
        play(f"commit -c '{wrong}' one made:wrong")
    play("commit one UPPER")
    play("commit one bad:tag:again")
    play("commit --nonsense one")
    play.quietly("run -d --name two busybox sleep 100")
    play("commit -p=false two made:five")
    play("commit -p two made:five")
    play("ps --filter name=two --format '{{.State}}'")
    play("images --format '{{.Repository}}:{{.Tag}}' made", unordered=True)
