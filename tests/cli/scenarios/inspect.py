"""``inspect`` with templates, types and sizes."""

from __future__ import annotations

import json

from tests.cli.play import Play, census


def templates(play: Play) -> None:
    play.quietly("create --name one -e A=1 -l kind=x -l other=y -p 80:81 --expose 90 -m 64m busybox echo a b")
    for form in (
        "{{.Name}}", "{{.Config.Env}}", "{{json .Config.Env}}", "{{.Config.Labels}}", "{{json .Config.Labels}}",
        "{{index .Config.Labels \"kind\"}}", "{{.Config.Labels.kind}}", "{{range .Config.Env}}{{.}};{{end}}",
        "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}", "{{len .Args}}", "{{.State.Running}}",
        "{{if .State.Running}}up{{else}}down{{end}}", "{{.HostConfig.Memory}}", "{{printf \"%d %T\" .HostConfig.Memory .Name}}",
        "{{json .HostConfig.PortBindings}}", "{{(index (index .HostConfig.PortBindings \"81/tcp\") 0).HostPort}}",
        "{{.NetworkSettings.Ports}}", "{{.Path}} {{.Args}}", "{{.Created}}", "{{.HostConfig.NetworkMode}}",
        "{{join .Args \"-\"}}", "{{upper .Name}}", "{{.Config.Image}}", "{{.Image}}", "{{.Id}}",
        "{{.Platform}}", "{{.RestartCount}}", "{{.Config.Cmd}}", "{{.Config.Entrypoint}}", "{{json .Config.Entrypoint}}",
        "{{.Mounts}}", "{{json .Mounts}}", "{{.State.StartedAt}}", "{{.NoSuch}}",
        "{{.Config.NoSuch}}", "{{.Config.Labels.nosuch}}", "{{index .Args 7}}", "{{index .Args \"x\"}}", "{{.State.Status.x}}",
        "{{with .Config}}{{.Image}}{{end}}", "{{println .Name}}", "{{eq .Name \"/one\"}}", "{{and .Name .Path}}", "{{not .Name}}",
        "{{/* a comment */}}x", "{{- .Name -}}", "{{\"literal\"}}", "{{1}}", "{{true}}", "{{nil}}", "{{", "{{end}}", "{{if}}", "}}",
        "{{.Name | printf \"%s!\" | upper}}", "{{$x := .Name}}{{$x}}", "{{range .Mounts}}x{{else}}none{{end}}", "{{html \"<a>\"}}",
        "{{split .Name \"n\"}}", "{{lt 1 2}} {{ge 1 2}}",
    ):  # fmt: skip
        play(f"inspect -f '{form}' one", hide={r"0x[0-9a-f]{6,}": "0x0"})


def several(play: Play) -> None:
    play.quietly("create --name one busybox")
    play.quietly("create --name two busybox")
    play.quietly("volume create data")
    play("inspect -f '{{.Name}}' one two")
    play("inspect -f '{{.Name}}' one nosuch two")
    play("inspect -f '{{.Name}}' data bridge one")
    play("inspect one two nosuch -f '{{.Id}}'")
    play("inspect -f json one", hide={r"(?s).*": "<json>"})
    play("inspect -f '{{json .Name}}' one two")
    play("inspect nosuch other")
    play("inspect --type volume -f '{{.Name}}' data")
    play("inspect --type network -f '{{.Name}}' bridge")
    play("inspect --type image -f '{{.Os}}' busybox")
    play("inspect --type container -f '{{.Name}}' one")
    play("inspect -s -f '{{.SizeRw}}' one", hide={r"\d+": "<n>"})
    play("inspect -f '{{.SizeRw}}' one")
    play("container inspect -s -f '{{.SizeRw}}' one", hide={r"\d+": "<n>"})
    play("image inspect -f '{{.RepoTags}} {{json .Config.Cmd}}' busybox")
    play("volume inspect -f '{{.Name}} {{.Driver}} {{.Scope}} {{json .Options}} {{json .Labels}}' data")
    play("network inspect -f '{{.Name}} {{.Driver}}' bridge host none")
    play("image inspect --platform linux/amd64 -f '{{.Os}}' busybox")
    play("inspect --size --type image busybox -f '{{.Os}}'")


def whole(play: Play) -> None:
    """The keys of the answers as they are printed: same names, same order, same indentation."""
    play.quietly("run -d --name one -p 127.0.0.1::80 -v data:/data busybox sleep 100")
    for command in ("inspect one", "image inspect busybox", "volume inspect data", "network inspect none"):
        printed = play.quietly(command)
        lines = [line.partition(":")[0] for line in printed.splitlines()]
        play.note(command, [line for line in lines if line.startswith(('        "', "    {", "["))])
        assert json.dumps(json.loads(printed), indent=4, ensure_ascii=False) == printed.rstrip("\n")


@census("state created", "state running", "state paused", "state exited")
def states(play: Play) -> None:
    form = "'{{.State.Status}} {{.State.Running}} {{.State.Paused}} {{.State.Restarting}} {{.State.ExitCode}} {{.State.Error}}'"
    play.quietly("create --name one busybox sh -c 'exit 3'")
    play(f"inspect -f {form} one")
    play.quietly("run --name two busybox true")
    play(f"inspect -f {form} two")
    play.quietly("run -d --name three busybox sleep 100")
    play(f"inspect -f {form} three")
    play(
        "inspect -f '{{.NetworkSettings.IPAddress}} {{.NetworkSettings.Gateway}} {{.NetworkSettings.MacAddress}}' three"
    )
    play(
        "inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{$v.IPAddress}} {{$v.IPPrefixLen}} {{$v.Aliases}}{{end}}' three"
    )
    play("inspect -f '{{.State.StartedAt}} {{.State.FinishedAt}}' three")
    play.quietly("pause three")
    play(f"inspect -f {form} three")
