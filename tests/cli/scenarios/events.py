"""``events``: what is told, by filters and formats."""

from __future__ import annotations

import signal

from tests.cli.play import Play, moment

_SHORT = "'{{.Type}} {{.Action}} {{.Actor.Attributes.name}}'"


def _life(play: Play) -> None:
    play.quietly("run --name one -l kind=x busybox sh -c 'exit 3'", code=3)
    play.quietly("rename one two")
    play.quietly("rm two")


def of_a_life(play: Play) -> None:
    begin = moment()
    _life(play)
    play(f"events --since {begin} --until {moment()} --format {_SHORT}")
    play(f"events --since {begin} --until {moment()}")
    play(f"events --since {begin} --until {moment()} --format json", hide={r'"(time|timeNano)":\d+': r'"\1":0'})
    play(f"events --since {begin} --until {moment()} --format '{{{{json .Actor.Attributes}}}}' --filter event=die")
    play(
        f"events --since {begin} --until {moment()} --format '{{{{.Status}}}} {{{{.ID}}}} {{{{.From}}}} {{{{.Scope}}}}'"
    )
    play(f"system events --since {begin} --until {moment()} -f event=create --format '{{{{.Action}}}}'")


def of_what_is_done(play: Play) -> None:
    begin = moment()
    play.quietly("run -d --name one busybox sleep 100")
    play.quietly("pause one")
    play.quietly("unpause one")
    play.quietly("exec one true")
    play.quietly("top one")
    play.quietly("update -m 64m --memory-swap 128m one")
    play.quietly("cp one:/etc/group ./group")
    play.quietly("cp ./group one:/tmp")
    play.quietly("kill -s CONT one")
    play.quietly("commit one made")
    play.quietly("export one -o ./one.tar")
    play.quietly("restart -t 0 one")
    play.quietly("stop -t 0 one")
    play.quietly("start one")
    play.quietly("kill one")
    play.quietly("wait one")
    play.quietly("rm one")
    play(f"events --since {begin} --until {moment()} --format {_SHORT}", unordered=True)


def of_images_and_volumes(play: Play) -> None:
    begin = moment()
    play.quietly("volume create data")
    play.quietly("run --rm --name user -v data:/data busybox true")
    play.until("ps -aq", "")
    play.quietly("volume rm data")
    play.quietly("tag busybox other:one")
    play.quietly("save other:one -o ./saved.tar")
    play.quietly("rmi other:one")
    play.quietly("load -i ./saved.tar")
    play.quietly("rmi other:one")
    play.quietly("import ./saved.tar made:one")
    play.quietly("rmi made:one")
    play.quietly("volume prune -f")
    play.quietly("container prune -f")
    play.quietly("image prune -f")
    play.quietly("network prune -f")
    play(f"events --since {begin} --until {moment()} --format {_SHORT}")
    play(
        f"events --since {begin} --until {moment()} --filter type=volume --format '{{{{.Action}}}} {{{{.Actor.ID}}}} "
        "{{json .Actor.Attributes}}'"
    )


def filters(play: Play) -> None:
    begin = moment()
    _life(play)
    play.quietly("volume create data")
    play.quietly("tag busybox other")
    end = moment()
    for one in (
        "type=container", "type=image", "type=volume", "type=network", "type=daemon", "event=die", "event=create",
        "event=nosuch", "container=one", "container=two", "container=nosuch", "image=busybox", "image=other", "volume=data", "label=kind",
        "label=kind=x", "label=kind=y", "network=bridge", "scope=local", "scope=swarm", "type=nosuch",
    ):  # fmt: skip
        play(f"events --since {begin} --until {end} --filter {one} --format {_SHORT}")
    play(f"events --since {begin} --until {end} --filter event=die --filter event=start --format {_SHORT}")
    play(f"events --since {begin} --until {end} --filter type=volume --filter event=die --format {_SHORT}")
    play(f"events --since {end} --until {begin} --format {_SHORT}", hide={r"\d{10}\.\d+": "<moment>"})


def following(play: Play) -> None:
    follower = play.start(f"events --since {moment()} --filter type=container --format {_SHORT}")
    play.quietly("create --name zero busybox")
    follower.read("container create zero\n")
    _life(play)
    play.until("ps -aq --filter name=two", "")
    follower.read("container destroy two\n")
    play.quietly("rm zero")
    follower.read("container destroy zero\n")
    follower.finish(signal.SIGINT)


def of_failures(play: Play) -> None:
    begin = moment()
    play("run --name one busybox /nosuch")
    play.quietly("rm one")
    play("run --rm --name gone busybox /nosuch")
    play.until("ps -aq", "")
    play("kill nosuch")
    play.quietly("run -d --name two busybox sh -c 'trap \"\" TERM; sleep 100'")
    play.quietly("rm -f two")
    play(f"events --since {begin} --until {moment()} --format {_SHORT}")
