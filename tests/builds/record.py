"""Record what a real dockerd makes of the projects: `python -m tests.builds.record --host SOCKET [NAME …]`.

``--plugins`` names the folder of the buildx plugin (default: where the docker command finds its own); ``--classic``
records what dockerd's classic builder makes of them. Written to tests/golden/builds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

from tests.builds import project
from tests.builds.outcome import Document, outcome
from tests.cli.busybox import root_file_system

GOLDEN = Path(__file__).parents[1] / "golden" / "builds"
BASE = "builds/base:1"
IMPORT = ["import", "-c", 'CMD ["sh"]', "-", BASE]
CLASSIC = ["build", "--no-cache", "--network", "none"]
_MADE = "builds/made:1"
#: what dockerd's classic builder makes nothing of, or something that ours does not, and why
NOT_CLASSIC = {
    "configs": "dockerd's merges health checks that were replaced, and forgets the author",
    "choices": "dockerd's builds stages that nobody needs",
    "exclude": "dockerd's takes no notice of --exclude",
    "heredocs": "dockerd's has none",
    "ignore": "the docker command knows no ignore file of a Dockerfile's own without buildx",
    "mounts": "dockerd's has none",
    "multi-stage": "dockerd's builds stages that nobody needs",
    "node": "dockerd's has no heredocs",
    "onto": "dockerd's waits for ever for what is in a pipe that is copied",
    "permissions": "dockerd's has no --chmod",
    "python": "dockerd's has no mounts",
    "scratch": "dockerd's has no --chmod",
    "service": "dockerd's forgets what a RUN writes below a VOLUME",
    "wildcards": "dockerd's fails where nothing matches",
}


def path_of(name: str, classic: bool = False) -> Path:
    """Where what dockerd made of a project is."""
    return GOLDEN / "classic" / f"{name}.json" if classic else GOLDEN / f"{name}.json"


def built(
    program: list[str], verb: list[str], environment: dict[str, str], made: project.Project, folder: Path, base: bytes
) -> Document:
    """Build by a command line whose words for it are ``verb``; gives what came out, or what was said last."""
    words = [*program, *verb, *made.options, "-t", _MADE, "."]
    done = subprocess.run(words, capture_output=True, env=environment, cwd=folder, timeout=120)
    if done.returncode:
        return {"error": done.stderr.decode("utf-8", "replace").strip().splitlines()[-1]}
    saved = subprocess.run([*program, "save", _MADE], stdout=subprocess.PIPE, env=environment, check=True)
    subprocess.run([*program, "rmi", "-f", _MADE], stdout=subprocess.DEVNULL, env=environment, check=True)
    return outcome(saved.stdout, base)


def record(name: str, environment: dict[str, str], base: bytes, classic: bool) -> None:
    """What dockerd makes of one project. Raises RuntimeError when it makes nothing."""
    made = project.read(name)
    with tempfile.TemporaryDirectory(prefix="builds-") as text:
        made.write(Path(text))
        verb = CLASSIC if classic else ["buildx", "build", "--no-cache", "--provenance=false", "--load"]
        document = built(["docker"], verb, environment, made, Path(text), base)
    if "error" in document:
        raise RuntimeError(f"{name}: {document['error']}")
    path_of(name, classic).write_text(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--plugins", default="")
    parser.add_argument("--classic", action="store_true")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    base = root_file_system()
    assert base is not None, "busybox-static is not installed"
    path_of("", given.classic).parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="builds-") as config:
        if given.plugins:
            (Path(config) / "cli-plugins").symlink_to(Path(given.plugins).resolve())
        environment = {**os.environ, "DOCKER_HOST": given.host, "DOCKER_CONFIG": config}
        if given.classic:
            environment["DOCKER_BUILDKIT"] = "0"
        subprocess.run(["docker", *IMPORT], input=base, stdout=subprocess.DEVNULL, env=environment, check=True)
        left_out = NOT_CLASSIC if given.classic else {}
        for name in given.names or [name for name in project.names() if name not in left_out]:
            record(name, environment, base, given.classic)


if __name__ == "__main__":
    main()
