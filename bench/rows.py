"""Every row of the table, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import application, builds, chatty, commands, copies, crowd, fleet, flows, images, networks, pulls, restart
from bench.measure import WALL, Metric, Row, Sample, nothing
from bench.target import Target

_RATE = Metric("rate", "/s", more=True)
_ALL = ("dockerd", "docker", "carrack")


@dataclass(frozen=True)
class Sizes:
    """``count`` containers for the rows of many, ``honest`` for the row of the host's memory, ``seconds`` for each run
    of a rate. ``archive`` is an image to load, ``tools`` one with iperf3 and Python, both docker-archives; ``compose``
    the program; ``registry`` what is pulled from; ``contexts`` where contexts of builds are made. The rows that need
    what is None are left out."""

    count: int
    honest: int
    seconds: float
    archive: Path | None = None
    tools: Path | None = None
    compose: Path | None = None
    registry: pulls.Registry | None = None
    contexts: builds.Place | None = None


def rows(sizes: Sizes) -> dict[str, Row]:
    """The rows by their short names."""
    found = {**_single(), **_many(sizes.count, sizes.seconds), **_memory(sizes.count, sizes.honest), **_large()}
    found |= {**_copies(), **_networks()}
    if sizes.archive is not None:
        found |= _images(sizes.archive)
    if sizes.compose is not None:
        found |= _application(sizes.compose)
    if sizes.registry is not None:
        found |= {**_pulls(sizes.registry), **_pushes(sizes.registry)}
    if sizes.contexts is not None:
        found |= builds.rows(sizes.contexts)
    if sizes.tools is not None:
        found |= _flows(sizes.tools, sizes.seconds)
    return found


def _single() -> dict[str, Row]:
    run_goals = {("docker", "wall"): 6.0, ("docker", "CPU"): 6.0, ("carrack", "wall"): 10.0}
    return {
        "run": Row("`run --rm`, bridge", commands.run_bridge, _ALL, run_goals),
        "none": Row(
            "`run --rm --network none`",
            commands.run_none,
            ("podman", "carrack"),
            {("carrack", "wall"): 6.0},
        ),
        "none-docker": Row("`run --rm --network none`, dockerd", commands.run_none, _ALL),
        "cycle": Row("API create + start + wait + delete", commands.cycle, goals={("docker", "wall"): 12.0}),
        "exec": Row(
            "`exec`",
            commands.execute,
            _ALL,
            {("docker", "wall"): 2.0, ("carrack", "wall"): 5.0},
            prepare=commands.sleeper,
            clean=commands.no_sleeper,
        ),
        "ps": Row("`ps -a`", commands.list_all, _ALL, prepare=commands.sleeper, clean=commands.no_sleeper),
        "version": Row("`version`", commands.version, _ALL),
    }


def _many(count: int, seconds: float) -> dict[str, Row]:
    start, remove = fleet.start(count), fleet.remove(count)
    return {
        "detached": Row(
            f"{count} × `run -d`",
            fleet.run_detached(count),
            goals={("docker", "wall"): 4.0},
            after=remove,
            slow=True,
        ),
        "remove": Row(f"`rm -f` of {count}", remove, goals={("docker", "wall"): 5.0}, before=start, slow=True),
        "list": Row(
            f"`GET /containers/json?all=1`, {count} running",
            fleet.list_rate(seconds, count),
            goals={("docker", "rate"): 5.0},
            metrics=(_RATE, Metric("bytes", "each")),
            prepare=start,
            clean=remove,
        ),
        "burst": Row(
            f"{count} started at once",
            fleet.burst(count),
            goals={("docker", "rate"): 4.0, ("docker", "p99"): 4.0},
            metrics=(_RATE, Metric("p99", "ms")),
            before=fleet.create(count),
            after=remove,
            slow=True,
        ),
        "log": Row(
            "json-file lines of one chatty container",
            chatty.lines_rate(max(seconds, 1.0)),
            goals={("docker", "rate"): 1.0, ("docker", "cost"): 1.0},
            metrics=(_RATE, Metric("cost", "CPU s per million")),
        ),
    }


def _memory(count: int, honest: int) -> dict[str, Row]:
    each = Metric("PSS", "MiB")
    return {
        "idle": Row(
            "idle engine", fleet.idle_memory, goals={("docker", "PSS"): 2.0}, metrics=(each,), slow=True, most=5
        ),
        "memory": Row(
            f"engine memory per running container, of {count}",
            fleet.memory_each(count),
            goals={("docker", "PSS"): 4.0},
            metrics=(each,),
            after=fleet.remove(count),
            slow=True,
            most=5,
        ),
        "honest": Row(
            f"fall of MemAvailable per container, of {honest}",
            fleet.honest_each(honest),
            ("dockerd", "docker", "podman"),
            {("docker", "memory"): 3.0},
            metrics=(Metric("memory", "MiB"),),
            after=fleet.remove(honest),
            slow=True,
            most=3,
        ),
    }


def _large(count: int = 1000, running: int = 500, restarted: int = 200, figures: int = 100) -> dict[str, Row]:
    """The rows of very many containers; that of restarts needs both daemons with --live-restore."""
    crowded = crowd.Crowd(count, running)
    made = crowd.Shared(crowded.prepare, crowded.clean)
    fed = crowd.Shared(fleet.start(figures), fleet.remove(figures))

    def live(target: Target) -> None:
        restart.live(target)
        fleet.start(restarted)(target)

    return {
        "restart": Row(
            f"daemon restart with {restarted} running, until it lists them",
            restart.restart(restarted),
            goals={("docker", "wall"): 5.0},
            metrics=(Metric("stop", "ms"), WALL),
            prepare=live,
            clean=fleet.remove(restarted),
            slow=True,
        ),
        "crowd": Row(
            f"`ps -a` of {count} of which {running} run; wanted: at most 1.3 MiB for each that runs",
            crowded.listed,
            _ALL,
            {("docker", "wall"): 5.0, ("carrack", "wall"): 5.0, ("docker", "api"): 5.0},
            metrics=(WALL, Metric("api", "ms"), Metric("PSS", "MiB")),
            prepare=made.prepare,
            clean=made.clean,
        ),
        "stats": Row(
            f"`stats --no-stream` of {figures}",
            crowd.figures(figures),
            _ALL,
            {("docker", "wall"): 5.0, ("carrack", "wall"): 5.0},
            prepare=fed.prepare,
            clean=fed.clean,
            slow=True,
        ),
    }


def _copies(size: int = 1 << 30, files: int = 50_000) -> dict[str, Row]:
    found = {}
    for name, title, kept in (
        ("cp-large", "one file of 1 GiB", copies.Copies("large", size=size)),
        ("cp-many", f"{files:,} files", copies.Copies("many", files=files)),
    ):
        for way, work, after in (("in", kept.into, nothing), ("out", kept.out, kept.forget_out)):
            found[f"{name}-{way}"] = Row(
                f"`cp` of {title}, {way}",
                work,
                goals={("docker", "wall"): 1.0},
                prepare=kept.prepare,
                after=after,
                clean=kept.clean,
                slow=True,
                most=5,
            )
    return found


def _networks(ports: int = 1000, first: int = 20_000) -> dict[str, Row]:
    up, down, left = Metric("up", "ms"), Metric("down", "ms"), Metric("left", "kinds")
    found = {
        "network": Row("`network create`, `network rm`", networks.make_and_remove, goals={("docker", "wall"): 5.0}),
        "networked": Row(
            "100 containers on 10 networks, by the API: up, removed, kinds of things left",
            networks.crowded(10, 10),
            goals={("docker", "up"): 5.0, ("docker", "down"): 5.0},
            metrics=(up, down, left),
            slow=True,
            most=3,
        ),
    }
    for name, title, work in (
        ("connect", "`network connect` of a running container", networks.connect),
        ("connect-api", "the same by the API", networks.connect_by_api),
    ):
        found[name] = Row(
            title,
            work,
            goals={("docker", "wall"): 5.0},
            prepare=networks.apart,
            after=networks.disconnect,
            clean=networks.together_no_more,
        )
    for name, title, shift, most in (("ports", "equal", 0, 5), ("ports-shifted", "shifted", 7, 60)):
        found[name] = Row(
            f"{ports:,} {title} ports published at start: time added; wanted: at most {most} ms",
            networks.ports(ports, first, shift),
            goals={("docker", "added"): 50.0},
            metrics=(Metric("added", "ms"),),
            slow=True,
            most=1,
        )
    return found


def _application(compose: Path) -> dict[str, Row]:
    six = application.Application(compose)
    return {
        "compose-up": Row(
            "Compose: `up -d` of six services", six.up, goals={("docker", "wall"): 2.0}, after=six.down, slow=True
        ),
        "compose-down": Row("the same: `down`", six.down, goals={("docker", "wall"): 3.0}, before=six.up, slow=True),
    }


def _flows(tools: Path, seconds: float) -> dict[str, Row]:
    pair = flows.Pair(tools, seconds)

    def row(title: str, work: Callable[[Target], Sample], metrics: tuple[Metric, ...], goal: float) -> Row:
        goals = {("docker", metric.name): goal for metric in metrics}
        return Row(title, work, goals=goals, metrics=metrics, prepare=pair.prepare, clean=pair.clean)

    rate = (Metric("rate", "Gbit/s", more=True),)
    times = (Metric("p50", "µs"), Metric("p99", "µs"))
    return {
        "flow": row("iperf3, container to container", pair.between, rate, 1.0),
        "flow-port": row("iperf3, host to published port", pair.published, rate, 1.0),
        "flow-local": row("iperf3, 127.0.0.1 to published port", pair.loopback, rate, 1.2),
        "names": row("a container's name, 8 clients asking", pair.names(8, 1000), times, 1.0),
    }


def _images(archive: Path) -> dict[str, Row]:
    image = images.name_in(archive)
    forget = images.forget(image)
    return {
        "load": Row(
            f"`load` of {image} until it runs",
            images.load(archive, image),
            goals={("docker", "wall"): 4.0, ("docker", "CPU"): 5.0},
            before=forget,
            clean=forget,
            slow=True,
        ),
        "save": Row(
            f"`save` of {image}",
            images.save(image),
            goals={("docker", "wall"): 3.0},
            prepare=images.loaded(archive),
            after=images.no_archive,
            clean=forget,
        ),
    }


def _pulls(registry: pulls.Registry) -> dict[str, Row]:
    """The rows of images out of a registry, each against every peer."""
    peers: tuple[tuple[str, str, dict[tuple[str, str], float]], ...] = (
        ("dockerd", "", {("docker", "wall"): 3.0, ("docker", "CPU"): 4.0}),
        ("podman", "-podman", {("carrack", "wall"): 3.0, ("carrack", "CPU"): 4.0}),
        ("ctr", "-ctr", {("carrack", "CPU"): 3.0}),
        ("ctr-erofs", "-erofs", {("carrack", "CPU"): 1.5}),
    )
    found = {}
    for name in ("debian", "python", "small"):
        forget = registry.forget(name)
        for peer, suffix, goals in peers:
            found[f"pull-{name}{suffix}"] = Row(
                f"pull of the {name} image until it can run",
                registry.pull(name),
                (peer, *(("docker", "carrack") if peer == "dockerd" else ("carrack",))),
                goals,
                before=forget,
                after=forget,
                slow=True,
            )
    if registry.link:
        forget = registry.forget("nginx")
        found["first-200"] = Row(
            "`run -d` of nginx over 100 Mbit/s until its first answer",
            registry.answer("nginx"),
            _ALL,
            {("docker", "wall"): 1.2, ("carrack", "wall"): 1.2},
            prepare=registry.shape,
            before=forget,
            after=forget,
            clean=registry.unshape,
            slow=True,
        )
    return found


def _pushes(registry: pulls.Registry) -> dict[str, Row]:
    """The rows of images into a registry, of their removal, and of what all of it takes."""
    fresh = pulls.Fresh(registry, 120 << 20)
    forget = registry.forget("large")
    return {
        "push": Row(
            "`push` of a fresh layer of 120 MiB",
            fresh.push,
            _ALL,
            {("docker", "wall"): 3.0, ("carrack", "wall"): 3.0},
            before=fresh.commit,
            after=fresh.forget,
            slow=True,
        ),
        "rmi": Row(
            "`rmi` of the image of 50,000 files",
            registry.remove("small"),
            _ALL,
            {("docker", "wall"): 10.0, ("carrack", "wall"): 10.0},
            before=registry.have("small"),
            clean=registry.forget("small"),
            slow=True,
        ),
        "peak": Row(
            "memory over idle while an image of 1 GiB is pulled and pushed; wanted: at most 100 MiB",
            pulls.peak(registry, "large"),
            metrics=(Metric("pull", "MiB"), Metric("push", "MiB")),
            before=forget,
            clean=forget,
            slow=True,
            most=3,
        ),
    }
