"""Record what a real dockerd makes of the projects: `python -m tests.builds.record [NAME …]`; with ``--examples``,
of the folders of examples/ (`tests.builds.examples` has their names).

The dockerd is one of its own, out of the root file system of other engines, or that of ``--host SOCKET``. ``--classic``
records what its classic builder makes of them. Written to tests/golden/builds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.builds import dockerd, project
from tests.builds.examples import ENVIRONMENT, EXAMPLES, Example
from tests.builds.examples import NOT_CLASSIC as NO_CLASSIC_EXAMPLE
from tests.builds.noise import settled
from tests.builds.outcome import Document, outcome
from tests.cli import busybox
from tests.clients import images, packages
from tests.examples.kitchen import passed_on, ssh_agent

GOLDEN = Path(__file__).parents[1] / "golden" / "builds"
BASE = "builds/base:1"
IMPORT = ["import", "-c", 'CMD ["sh"]', "-", BASE]
CLASSIC = ["build", "--no-cache", "--network", "none"]
BUILDX = ["buildx", "build", "--no-cache", "--provenance=false", "--load"]
_MADE = "builds/made:1"
#: of the projects, what dockerd's classic builder makes nothing of, or something that ours does not, and why
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


#: projects whose extended attributes dockerd's loses, and how
LOSES_ATTRIBUTES = {
    "capabilities": "it changes the owner of what it copied or unpacked after the capabilities are set, which takes"
    " them off; and layers of its overlay2 have no attributes of users",
}


def path_of(name: str, classic: bool = False, examples: bool = False) -> Path:
    """Where what dockerd made of a project, or of an example, is."""
    folder = GOLDEN / "examples" if examples else GOLDEN
    return folder / "classic" / f"{name}.json" if classic else folder / f"{name}.json"


def built(
    program: list[str], verb: list[str], environment: dict[str, str], words: Sequence[str], folder: Path, base: bytes
) -> Document:
    """Build by a command line whose words for it are ``verb``; gives what came out, or what was said last."""
    done = subprocess.run(
        [*program, *verb, "-t", _MADE, *words], capture_output=True, env=environment, cwd=folder, timeout=600
    )
    if done.returncode:
        return {"error": "\n".join(done.stderr.decode("utf-8", "replace").strip().splitlines()[-20:])}
    saved = subprocess.run([*program, "save", _MADE], stdout=subprocess.PIPE, env=environment, check=True)
    subprocess.run([*program, "rmi", "-f", _MADE], stdout=subprocess.DEVNULL, env=environment, check=True)
    return outcome(saved.stdout, base)


def built_example(
    program: list[str], verb: list[str], environment: dict[str, str], example: Example, folder: Path, base: bytes
) -> Document:
    """The same of an example, with what has to be built before it."""
    example.write(folder)
    if example.needs:
        verb = [*verb, *passed_on(secrets="buildx" in verb)]
    environment = {**environment, **ENVIRONMENT}
    if example.first:
        subprocess.run([*program, *verb, *example.first], capture_output=True, env=environment, cwd=folder, check=True)
    return built(program, verb, environment, example.words, folder, base)


def without_attributes(name: str, document: Document) -> Document:
    """Where dockerd's loses extended attributes ours has kept them, at least those that come with an archive."""
    if name not in LOSES_ATTRIBUTES:
        return document
    kept = {path for path, shown in document["files"].items() if shown.pop("xattrs", None)}
    assert {"/app2/bin/again", "/app2/bin/note", "/there/moved"} <= kept
    return document


def debian() -> tuple[Path, bytes]:
    """The archive of Debian's base image that the tests keep, and the tar of its files. Raises FileNotFoundError."""
    archive = images.archive(images.BASE)
    return archive, images.only_layer(archive)


@contextmanager
def client(host: str) -> Iterator[dict[str, str]]:
    """The environment of a docker command that speaks to a daemon and has buildx."""
    with tempfile.TemporaryDirectory(prefix="builds-") as config:
        (Path(config) / "cli-plugins").mkdir()
        (Path(config) / "cli-plugins/docker-buildx").symlink_to(packages.buildx())
        yield {**os.environ, "DOCKER_HOST": host, "DOCKER_CONFIG": config}


@contextmanager
def peer(given: str) -> Iterator[str]:
    """The address of the dockerd that is asked."""
    if given:
        yield given
        return
    assert not dockerd.missing(), dockerd.missing()
    with tempfile.TemporaryDirectory(prefix="builds-", dir="/var/tmp") as folder:
        own = dockerd.Dockerd(Path(folder), outside=True)
        try:
            yield own.host
        finally:
            own.close()


def provide(environment: dict[str, str], base: bytes, *, with_debian: bool) -> None:
    """Give a dockerd the images that builds begin with."""
    for words in (IMPORT, busybox.IMPORT):
        subprocess.run(["docker", *words], input=base, stdout=subprocess.DEVNULL, env=environment, check=True)
    if with_debian:
        archive = str(debian()[0])
        subprocess.run(["docker", "load", "-q", "-i", archive], stdout=subprocess.DEVNULL, env=environment, check=True)


def record(name: str, environment: dict[str, str], base: bytes, *, classic: bool, examples: bool) -> None:
    """What dockerd makes of one project or example. Raises RuntimeError when it makes nothing."""
    verb = CLASSIC if classic else BUILDX
    environment = {**environment, "DOCKER_BUILDKIT": "0"} if classic else environment
    with tempfile.TemporaryDirectory(prefix="builds-") as text:
        if examples:
            example = EXAMPLES[name]
            below = debian()[1] if example.base.startswith("debian") else base
            document = built_example(["docker"], verb, environment, example, Path(text), below)
        else:
            made = project.read(name)
            made.write(Path(text))
            document = built(["docker"], verb, environment, (*made.options, "."), Path(text), base)
    if "error" in document:
        raise RuntimeError(f"{name}: {document['error']}")
    if examples:
        document = settled(document, EXAMPLES[name], recorded=True)
    place = path_of(name, classic, examples)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="")
    parser.add_argument("--classic", action="store_true")
    parser.add_argument("--examples", action="store_true")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    base = busybox.root_file_system()
    assert base is not None, "busybox-static is not installed"
    names = [name for name in EXAMPLES if not given.classic or not EXAMPLES[name].needs]
    names = names if given.examples else project.names()
    left_out = (NO_CLASSIC_EXAMPLE if given.examples else NOT_CLASSIC) if given.classic else {}
    with peer(given.host) as host, client(host) as environment, ssh_agent() as sock:
        provide(environment, base, with_debian=given.examples)
        environment["SSH_AUTH_SOCK"] = sock
        for name in given.names or [name for name in names if name not in left_out]:
            record(name, environment, base, classic=given.classic, examples=given.examples)


if __name__ == "__main__":
    main()
