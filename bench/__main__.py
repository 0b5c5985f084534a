"""Run ours and the peers alternately on the same work and print medians and their ratios.

    scripts/bench --ours unix:///run/carrack.sock --peer unix:///run/docker.sock [ROW...]

Every target does a row's work once per round, after a pause; the first round is not counted. Wall is the time of the
work alone. CPU is what all processors of the host did from its start until the end of the pause after it, so that
work put off until after the answer counts: keep the machine otherwise idle. A ratio says how many times better ours
is; "(≥ N)" is what is wanted of it, "MISSED" that it is not reached.

Both daemons need the image busybox; podman needs it in its own store. The peers' containers are named after --prefix
and removed. Memory rows need root, and no other program that shares pages with an engine, such as a second daemon: PSS
divides them. For the rows of images give a docker-archive that neither daemon has; for those of flows the tests make
one that fits (/var/cache/carrack/images/python_3_*.tar). All rows with 20 runs take about an hour; --slow-runs 5 makes
it a third. A thousand published ports take dockerd minutes.

The rows of builds want `--docker "env DOCKER_CONFIG=DIR docker"` with buildx in that folder's cli-plugins.
The rows of pulls want a registry that `python -m bench.stock` has filled. Without --podman its rows are left out. With
rows given, only those; --rows lists them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bench.builds import Place
from bench.fleet import leftovers
from bench.measure import Figures, Pause, lines, measure
from bench.pulls import Registry
from bench.rows import Sizes, rows
from bench.target import Target


def parser() -> argparse.ArgumentParser:
    """The options."""
    found = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--ours", default="unix:///run/carrack.sock", help="our daemon's socket")
    found.add_argument("--peer", default="unix:///run/docker.sock", help="dockerd's socket")
    found.add_argument("--docker", default="docker", help="the docker command, the same for both daemons")
    found.add_argument("--carrack", default="carrack", help="our command")
    found.add_argument("--podman", default="", help='podman as it is called, such as "nsenter -t PID -m -n podman"')
    found.add_argument("--runs", type=int, default=20, help="counted runs of each target (20)")
    found.add_argument("--slow-runs", type=int, help="the same for the rows of many containers and of images")
    found.add_argument("--gap", type=float, default=0.25, help="seconds of pause before and after each run (0.25)")
    found.add_argument("--settle", type=float, help="seconds that CPU is counted after the answer (as --gap)")
    found.add_argument("--count", type=int, default=50, help="containers of the rows of many (50)")
    found.add_argument("--honest", type=int, default=300, help="containers of the row of the host's memory (300)")
    found.add_argument("--seconds", type=float, default=0.5, help="length of one run of a rate (0.5)")
    found.add_argument("--archive", type=Path, help="docker-archive for the rows of images")
    found.add_argument("--tools", type=Path, help="docker-archive with iperf3 and Python for the rows of flows")
    found.add_argument("--compose", type=Path, help="the program docker-compose for the rows of Compose")
    found.add_argument("--ctr", default="", help="containerd's ctr as it is called, for the rows of pulls")
    found.add_argument("--registry", default="", help="HOST:PORT with the images of bench.stock, for the rows of pulls")
    found.add_argument(
        "--contexts", default="", help="folder for the rows of builds, with :PATH as podman's mount namespace calls it"
    )
    found.add_argument("--link", default="", help="device to shape to 100 Mbit/s, such as lo in a namespace of its own")
    found.add_argument("--prefix", default="bench", help="begin of the containers' names (bench)")
    found.add_argument("--json", type=Path, help="keep every figure in this file")
    found.add_argument("--rows", action="store_true", help="print the rows' names")
    found.add_argument("row", nargs="*", help="rows to measure (all)")
    return found


def main() -> None:
    """Measure the rows and print a table in Markdown."""
    arguments = parser()
    options = arguments.parse_args()
    pulled = Registry(options.registry, options.link) if options.registry else None
    sizes = (options.count, options.honest, options.seconds, options.archive, options.tools, options.compose, pulled)
    here, _, podman = options.contexts.partition(":")
    table = rows(Sizes(*sizes, Place(Path(here), podman or here) if here else None))
    if options.rows:
        print("\n".join(f"{name:12} {row.title}" for name, row in table.items()))
        return
    if unknown := set(options.row) - set(table):
        arguments.error(f"no such row: {', '.join(sorted(unknown))}; --rows lists them (images need --archive)")
    targets = _targets(options)
    for target in targets:
        leftovers(target)
    figures: dict[str, Figures] = {}
    print("| work | with | medians | ratio |\n|---|---|---|---|")
    for name in options.row or table:
        row = table[name]
        taking_part = [target for target in targets if target.key in row.keys]
        if len(taking_part) < 2:
            continue
        runs = min(row.most, (options.slow_runs or options.runs) if row.slow else options.runs)
        figures[name] = measure(row, taking_part, runs, Pause(options.gap, options.settle))
        print("\n".join(lines(row, figures[name], taking_part)), flush=True)
        if options.json:
            options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def _targets(options: argparse.Namespace) -> list[Target]:
    found = [
        Target("dockerd", "dockerd, docker CLI", options.docker, options.peer, options.prefix),
        Target(
            "classic",
            "dockerd, classic builder",
            f"env DOCKER_BUILDKIT=0 {options.docker}",
            options.peer,
            options.prefix,
        ),
        Target("docker", "carrackd, docker CLI", options.docker, options.ours, options.prefix),
        Target("carrack", "carrackd, our CLI", options.carrack, options.ours, options.prefix),
    ]
    if options.podman:
        found.insert(1, Target("podman", "podman", options.podman, prefix=options.prefix))
    if options.ctr:
        for key, title in (("ctr", "containerd, overlayfs"), ("ctr-erofs", "containerd, erofs")):
            found.insert(1, Target(key, title, options.ctr, prefix=options.prefix))
    return found


if __name__ == "__main__":
    main()
