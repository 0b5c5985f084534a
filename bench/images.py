"""Images: out of an archive until a container runs, and back into one."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

from bench.target import Failed, Target


def name_in(archive: Path) -> str:
    """The first name in a docker-archive. Raises Failed when it has none."""
    with tarfile.open(archive) as tar:
        file = tar.extractfile("manifest.json")
        names = json.load(file)[0].get("RepoTags") if file else None
    if not names:
        raise Failed(f"{archive} holds no named image")
    return str(names[0])


def forget(image: str) -> Callable[[Target], None]:
    """Remove the image and what runs from it."""

    def work(target: Target) -> None:
        with target.connect() as api:
            api.send("DELETE", f"/containers/{target.name('image')}?force=1")
            api.receive()
            api.send("DELETE", f"/images/{image}?force=1")
            status, body = api.receive()
        if status not in (200, 404):
            raise Failed(f"{target.title}: rmi {image}: {status} {body.decode(errors='replace')}")

    return work


def load(archive: Path, image: str) -> Callable[[Target], None]:
    """`load`, then a container created from it and started."""

    def work(target: Target) -> None:
        target.run("load", "-q", "-i", str(archive))
        with target.connect() as api:
            body = {"Image": image, "Cmd": ["/bin/true"]}
            api.request("POST", f"/containers/create?name={target.name('image')}", body)
            api.request("POST", f"/containers/{target.name('image')}/start")

    return work


def loaded(archive: Path) -> Callable[[Target], None]:
    """Have the image there."""

    def work(target: Target) -> None:
        target.run("load", "-q", "-i", str(archive))

    return work


def save(image: str) -> Callable[[Target], None]:
    """`save` into a file that nobody keeps."""

    def work(target: Target) -> None:
        target.run("save", "-o", f"/tmp/{target.name('save')}.tar", image)

    return work


def no_archive(target: Target) -> None:
    """Take the saved archive away."""
    Path(f"/tmp/{target.name('save')}.tar").unlink(missing_ok=True)
