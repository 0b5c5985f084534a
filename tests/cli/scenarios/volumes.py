"""Volumes."""

from __future__ import annotations

from tests.cli.play import Play


def verbs(play: Play) -> None:
    play("volume ls")
    play("volume create one")
    play("volume create one")
    play("volume create")
    play("volume create --label kind=x --label other= two")
    play("volume create --driver local three")
    play("volume create --driver nosuch four")
    play("volume create --opt nonsense=1 five")
    play("volume create 'bad name'")
    play("volume create -- -x")
    play("volume create --label =x six")
    play("volume ls", unordered=True)
    play("volume ls -q", unordered=True)
    play("volume inspect one", hide={r'"Mountpoint": ".*"': '"Mountpoint": "<path>"'})
    play("volume inspect two one nosuch -f '{{.Name}} {{json .Labels}}'")
    play("volume rm one nosuch three")
    play("volume rm -f nosuch")
    play("volume rm one")


def formats_and_filters(play: Play) -> None:
    play.quietly("volume create --label kind=x one")
    play.quietly("volume create --label kind=y two")
    play.quietly("volume create --label b=2 three")
    play.quietly("create --name user -v one:/m busybox")
    for name in ("Name", "Driver", "Scope", "Labels", "Links", "Size", "Status", "Availability", "Group"):
        play(f"volume ls --format '{{{{.{name}}}}}'")
    play("volume ls --format '{{.Label \"kind\"}}'")
    play("volume ls --format '{{.Mountpoint}}'", hide={r"/\S+/volumes/": "<root>/"})
    play("volume ls --format json", hide={r'"Mountpoint":"[^"]*"': '"Mountpoint":"<path>"'})
    play("volume ls --format 'table {{.Name}}\\t{{.Driver}}'")
    play("volume list -q")
    for one in (
        "dangling=true", "dangling=false", "name=one", "name=o", "name=^o", "name=nosuch", "label=kind", "label=kind=x", "label=b",
        "driver=local", "driver=nosuch", "scope=local",
    ):  # fmt: skip
        play(f"volume ls -q --filter {one}")


def in_use(play: Play) -> None:
    play.quietly("create --name user -v one:/m busybox")
    play.quietly("run -d --name runs -v two:/m busybox sleep 100")
    play("volume rm one")
    play("volume rm -f one")
    play("volume rm two")
    play.quietly("rm -f user runs")
    play("volume rm one two")


def pruning(play: Play) -> None:
    play("volume prune -f")
    play.quietly("volume create one")
    play.quietly("volume create --label keep=1 two")
    play.quietly("create --name user -v used:/m -v /anonymous busybox")
    play.quietly("create --name gone -v /anonymous busybox")
    play.quietly("rm gone")
    play("volume prune", stdin="n\n")
    play("volume prune", stdin="y\n")
    play("volume ls -q", unordered=True)
    play("volume prune -f -a --filter label!=keep")
    play("volume prune -f --filter all=1")
    play("volume ls -q", unordered=True)
