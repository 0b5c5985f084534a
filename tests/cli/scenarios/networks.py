"""The predefined networks."""

from __future__ import annotations

from tests.cli.play import Play


def listing(play: Play) -> None:
    play("network ls")
    play("network list -q")
    play("network ls --no-trunc")
    for name in ("ID", "Name", "Driver", "Scope", "IPv4", "IPv6", "Internal", "Labels"):
        play(f"network ls --format '{{{{.{name}}}}}'")
    play("network ls --format '{{.Label \"x\"}}|'")
    play("network ls --format json")
    play("network ls --format 'table {{.Name}}\\t{{.Driver}}'")
    for one in (
        "name=bridge", "name=o", "driver=bridge", "driver=nosuch", "type=builtin", "type=custom", "scope=local", "scope=swarm",
        "dangling=true", "dangling=false", "label=x", "id=nosuch",
    ):  # fmt: skip
        play(f"network ls --filter {one} --format '{{{{.Name}}}}'")


def inspection(play: Play) -> None:
    play("network inspect none host", hide={r'"Created": ".*"': '"Created": "<time>"'})
    play(
        "network inspect bridge -f '{{.Name}} {{.Driver}} {{.Scope}} {{.EnableIPv4}} {{.EnableIPv6}} {{.Internal}} {{.Attachable}}'"
    )
    play("network inspect bridge -f '{{.IPAM.Driver}} {{len .IPAM.Config}} {{.IPAM.Options}}'")
    play.quietly("run -d --name one busybox sleep 100")
    play("network inspect bridge -f '{{range .Containers}}{{.Name}} {{.IPv4Address}} {{.MacAddress}}{{end}}'")
    play("network inspect bridge host nosuch -f '{{.Name}}'")
    play("network inspect -v bridge -f '{{.Name}}'")
    play("network rm bridge")
    play("network rm none host")
    play("network prune -f")
    play("network prune", stdin="n\n")
