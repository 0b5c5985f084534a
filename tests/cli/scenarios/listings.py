"""``ps`` and ``stats``: filters, placeholders, tables."""

from __future__ import annotations

from tests.cli.play import Play, census

_ALL = (
    "ID",
    "Names",
    "Image",
    "Command",
    "CreatedAt",
    "RunningFor",
    "Ports",
    "State",
    "Status",
    "Size",
    "Labels",
    "Mounts",
    "LocalVolumes",
    "Networks",
    "Platform",
)

_STATS = ("Container", "Name", "ID", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")


def _several(play: Play) -> None:
    play.quietly("run --name ended -l kind=a -l colour=red busybox sh -c 'exit 3'", code=3)
    play.quietly("create --name made -v data:/data -l kind=b busybox echo a rather long command that is cut")
    play.quietly("run -d --name runs -l kind=a -p 127.0.0.1::80 --expose 90 busybox sleep 100")
    play.quietly("run -d --name held --network none -e A=1 busybox sleep 100")
    play.quietly("pause held")


def tables(play: Play) -> None:
    play("ps")
    play("ps -a")
    _several(play)
    play("ps")
    play("ps -a")
    play("container ls -a")
    play("container list -a -q")
    play("ps -aq --no-trunc")
    play("ps -q")
    play("ps -l")
    play("ps -n 2")
    play("ps -n 0")
    play("ps -n 1 -q")
    play("ps -a --no-trunc")
    play("ps -as", hide={r"\d+B": "<size>"})
    play("ps -a --format table")
    play("ps -aq --format '{{.Names}}'")
    play("ps --last -1 -a --format '{{.Names}}'")


def placeholders(play: Play) -> None:
    _several(play)
    for name in _ALL:
        play(f"ps -a --format '{{{{.{name}}}}}'", hide={r"\d+B": "<size>"} if name == "Size" else None)
    play("ps -a --format '{{.Names}}: {{.Label \"kind\"}}'")
    play("ps -a --format 'table {{.Names}}\\t{{.Label \"kind\"}}\\t{{.State}}'")
    play("ps -a --format 'table {{.Names}}\\t{{.Image}}'")
    play("ps -a --format '{{json .Names}}'")
    play("ps -a --format json", hide={r'"Size":"[^"]*"': '"Size":"<size>"'})
    play("ps -a --format '{{json .}}' --filter name=made", hide={r'"Size":"[^"]*"': '"Size":"<size>"'})
    play("ps -a --format '{{upper .Names}} {{len .Names}} {{printf \"%q %5s|\" .Names .State}}'")
    play("ps -a --format '{{if eq .State \"running\"}}yes{{else}}no{{end}}'")
    play('ps -a --format \'{{join (split .Names "e") "-"}} {{title .Names}} {{pad .Names 1 2}}|\'')
    play("ps -a --format '{{range $i, $e := split .Labels \",\"}}{{$i}}={{$e}};{{end}}'")
    play("ps -a --no-trunc --format '{{.ID}} {{.Command}}'")
    play("ps -a --format 'plain text'")
    play("ps -a --format ''")
    play("ps -a --format '{{.Names}}\\t{{.State}}\\n'")
    play("ps -a --format 'table'")
    play("ps -a --format 'table {{.Names}} text {{.State}}'")


@census("filter /containers/json status")
def filters(play: Play) -> None:
    _several(play)
    for one in (
        "name=ended", "name=^/made$", "name=e", "name=nosuch", "label=kind", "label=kind=a", "label=kind=nosuch",
        "status=running", "status=exited", "status=paused", "status=created", "status=dead", "status=restarting",
        "status=removing", "exited=3", "exited=0", "ancestor=busybox", "ancestor=busybox:latest", "ancestor=nosuch",
        "before=runs", "since=made", "volume=data", "volume=/data", "volume=nosuch", "network=none", "network=bridge",
        "network=nosuch", "publish=80", "publish=80/tcp", "publish=81", "publish=x", "expose=90", "expose=90-91/tcp", "expose=80",
        "health=none", "health=healthy", "is-task=false", "is-task=true", "id=nosuch", "label!=kind", "name=", "status=",
    ):  # fmt: skip
        play(f"ps -a --filter '{one}' --format '{{{{.Names}}}}'")
    play("ps -a --filter name=ended --filter name=made --format '{{.Names}}'")
    play("ps -a --filter label=kind=a --filter label=colour=red --format '{{.Names}}'")
    play("ps -a --filter status=exited --filter status=created --format '{{.Names}}'")
    play("ps -a --filter label=kind=a --filter status=running --format '{{.Names}}'")
    play("ps --filter status=exited --format '{{.Names}}'")
    play("ps -f exited=3 --format '{{.Names}}'")
    identity = play.quietly("inspect -f '{{.Id}}' made").strip()
    play(f"ps -a --filter id={identity[:12]} --format '{{{{.Names}}}}'")


def ports(play: Play) -> None:
    play.quietly("create --name one --expose 80 --expose 81/udp --expose 90-95 busybox sleep 100")
    play("ps -a --format '{{.Ports}}'")
    play("start one")
    play("ps --format '{{.Ports}}'")
    first, last = play.ports + 1, play.ports + 3
    ports = f"-p 127.0.0.1:{first}-{last}:{first}-{last} -p 127.0.0.1:{play.ports + 10}:80/udp"
    play.quietly(f"run -d --name two {ports} busybox sleep 100")
    play("ps --filter name=two --format '{{.Ports}}'", hide={"42": "forty-two-"})
    play("port two", hide={"42": "forty-two-"})


def stats(play: Play) -> None:
    play.quietly("run -d --name one busybox sleep 100")
    play.quietly("create --name two busybox")
    number = {r"\d+(\.\d+)?([kKMGT]?i?B|%)": "<n>"}
    fields = "|".join(f"{{{{.{name}}}}}" for name in _STATS)
    play(f"stats --no-stream --format '{fields}' one", hide=number)
    play("stats --no-stream", hide={**number, " {2,}": "  "})
    play("stats --no-stream --format json one", hide=number)
    play("stats --no-stream -a --format '{{.Name}} {{.MemUsage}}'", unordered=True, hide=number)
    play("stats --no-stream one nosuch")
