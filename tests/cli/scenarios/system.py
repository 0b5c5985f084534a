"""``version``, ``info``, ``system df``, prune of all."""

from __future__ import annotations

from tests.cli.play import Play, census


@census("docker --version")
def versions(play: Play) -> None:
    for form in ("{{.Client.Os}}/{{.Client.Arch}}", "{{.Server.Os}} {{.Server.Arch}}", "{{.Server.APIVersion}}",
                 "{{.Client.Context}}", "{{.Server.Experimental}}"):  # fmt: skip
        play(
            f"version -f '{form}'",
        )
    play("version --format json", hide={r"(?s).*": "<json>"})


def information(play: Play) -> None:
    play.quietly("run -d --name one busybox sleep 100")
    play.quietly("create --name two busybox")
    play.quietly("run -d --name three busybox sleep 100")
    play.quietly("pause three")
    for form in (
        "{{.Containers}} {{.ContainersRunning}} {{.ContainersPaused}} {{.ContainersStopped}} {{.Images}}",
        "{{.OSType}} {{.Architecture}}", "{{.LoggingDriver}}", "{{.Plugins.Volume}}",
        "{{.Swarm.LocalNodeState}} {{.LiveRestoreEnabled}} {{.ExperimentalBuild}} {{.Isolation}}",
        "{{.Debug}} {{.HTTPProxy}} {{.IndexServerAddress}}", "{{.ClientInfo.Context}}",
    ):  # fmt: skip
        play(f"info -f '{form}'")
    play("system info -f '{{.Containers}}'")


def usage(play: Play) -> None:
    play("system df")
    play.quietly("run --name one -v data:/data busybox sh -c 'echo x > /data/x; echo y > /y'")
    play("system df", hide={r"\d+(\.\d+)?[kM]?B( \(\d+%\))?": "<size>", " {2,}": "  "})
    play("system df --format '{{.Type}} {{.TotalCount}} {{.Active}}'")
    play("system df --format json", hide={r'"(Size|Reclaimable)":"[^"]*"': r'"\1":"<size>"'})
    play("system df --format 'table {{.Type}}\\t{{.TotalCount}}'")
    play("system df -v", hide={r"\d+(\.\d+)?[kM]?B": "<size>", " {2,}": "  "})
    play("system df -v --format '{{range .Containers}}{{.Names}} {{.Image}} {{.State}}{{end}}'")
    play(
        "system df -v --format '{{range .Volumes}}{{.Name}} {{.Links}}{{end}}|{{range .Images}}{{.Repository}}{{end}}'"
    )
    play("volume ls --format '{{.Size}} {{.Links}}'")


def pruning_containers(play: Play) -> None:
    play("container prune -f")
    play("container prune", stdin="n\n")
    play("container prune", stdin="")
    play.quietly("run --name one -l keep=1 busybox true")
    play.quietly("run --name two busybox sh -c 'exit 3'", code=3)
    play.quietly("create --name three busybox")
    play.quietly("run -d --name four busybox sleep 100")
    play("container prune -f --filter label=nosuch")
    play("container prune -f --filter until=24h")
    play("container prune -f --filter label!=keep", unordered=True)
    play("ps -a --format '{{.Names}}'")
    play("container prune", stdin="y\n")
    play("ps -a --format '{{.Names}}'")


def pruning_all(play: Play) -> None:
    play("system prune", stdin="n\n")
    play("system prune -a --volumes", stdin="n\n")
    play.quietly("run --name one -v /anonymous -v data:/d busybox true")
    play.quietly("commit one")
    play("system prune -f --filter label=nosuch")
    play("system prune -f --volumes", hide={"(?m)^[0-9a-f]{64}$": "<id>", r"space: .*": "space: <size>"})
    play("ps -aq")
    play("volume ls -q")
    play("system prune -f")
