"""Record the golden answers: every scenario is played by the real docker command against a real dockerd.

The daemon must hold no containers, volumes, networks or images of anyone else, because listings, prunings and events
are recorded as well: ``scripts/record-golden --host unix:///path/docker.sock [SCENARIO-PATTERN ...]``. It needs
pools as large as the daemon under test has, and no route into 10.230.0.0/16: ``dockerd --bip 10.210.0.1/24
--default-address-pool base=10.211.0.0/16,size=24``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from fnmatch import fnmatch
from pathlib import Path

from tests.cli.busybox import IMAGE, IMPORT, root_file_system
from tests.cli.golden import FOLDER, SCENARIOS, path_of, play


def main() -> int:
    arguments = _arguments()
    host = arguments.host
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "CARRACK_"))}
    with tempfile.TemporaryDirectory() as scratch:
        environment = {**kept, "DOCKER_HOST": host, "DOCKER_CONFIG": f"{scratch}/client", "TERM": "dumb"}
        if foreign := _foreign(environment):
            sys.exit(f"the daemon at {host} is in use: {foreign}")
        _docker(environment, *IMPORT, stdin=root_file_system())
        versions = _docker(environment, "version", "--format", "{{.Server.Version}} {{.Client.Version}}").split()
        head = f"dockerd {versions[0].partition('+')[0]}, docker {versions[1].partition('+')[0]}"
        failed = ""
        for name, scenario in SCENARIOS.items():
            if not arguments.patterns or any(fnmatch(name, pattern) for pattern in arguments.patterns):
                print(name, flush=True)
                folder = Path(tempfile.mkdtemp(dir=scratch))
                try:
                    played = play(scenario, ["docker"], environment, folder)
                except (AssertionError, subprocess.TimeoutExpired) as error:
                    failed = f"{name}: {error}"
                    print(failed, file=sys.stderr)
                    continue
                path_of(name).parent.mkdir(parents=True, exist_ok=True)
                path_of(name).write_text(f"{head}\n\n{played.transcript.render()}")
    for path in FOLDER.rglob("*.txt"):
        if path not in {path_of(name) for name in SCENARIOS}:
            path.unlink()
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--host", required=True, help="unix:// socket of a dockerd that nobody else uses")
    parser.add_argument("patterns", nargs="*", help="scenarios to record, as MODULE.FUNCTION patterns (default: all)")
    return parser.parse_args()


def _foreign(environment: dict[str, str]) -> str:
    images = _docker(environment, "images", "-a", "--format", "{{.Repository}}:{{.Tag}}").split()
    return " ".join(
        [
            *(name for name in images if name != IMAGE),
            *_docker(environment, "ps", "-aq").split(),
            *_docker(environment, "volume", "ls", "-q").split(),
            *_docker(environment, "network", "ls", "-q", "--filter", "type=custom").split(),
        ]
    )


def _docker(environment: dict[str, str], *words: str, stdin: bytes | None = None) -> str:
    done = subprocess.run(["docker", *words], input=stdin, capture_output=True, env=environment, check=True)
    return done.stdout.decode()


if __name__ == "__main__":
    sys.exit(main())
