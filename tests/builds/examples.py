"""The folders of examples/ as builds to compare: by which words each is built, on which base, with what installed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True, slots=True)
class Example:
    """``words``: of the build that is compared, ``first``: of one before it; ``needs``: programs that install.

    ``own``: patterns of the paths that are the example's own, the others being of packages, which move on; () is all.
    ``session``: only buildx builds it, for it asks the client for secrets or keys.
    """

    folder: str
    words: tuple[str, ...] = (".",)
    first: tuple[str, ...] = ()
    base: str = "busybox:latest"
    needs: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    session: bool = False

    def write(self, place: Path) -> None:
        """A copy with the modes of a fresh clone. No frontend is named, for that would come from a registry."""
        shutil.copytree(FOLDER / self.folder, place, dirs_exist_ok=True, copy_function=shutil.copy)
        for path in place.rglob("*"):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            if path.name == "Dockerfile":
                lines = path.read_text().splitlines(keepends=True)
                path.write_text("".join(line for line in lines if not line.startswith("# syntax=")))


_DEBIAN = "debian:bookworm"
_SECRETS = ("--secret", "id=netrc,src=netrc.example", "--secret", "id=TOKEN")
EXAMPLES = {
    "chain": Example("chain"),
    "heredocs": Example("heredocs"),
    "monorepo-api": Example("monorepo", ("-f", "api/Dockerfile", ".")),
    "monorepo-web": Example("monorepo", ("-f", "web/Dockerfile", ".")),
    "onbuild": Example("onbuild", ("--build-arg", "MODE=test", "app"), ("-t", "onbuild-base", "base")),
    "reproducible": Example("reproducible", ("--build-arg", "SOURCE_DATE_EPOCH=1700000000", ".")),
    "secrets": Example("secrets", (*_SECRETS, "."), session=True),
    "stages": Example("stages"),
    "node": Example("node", base=_DEBIAN, needs=("apt", "npm"), own=("/app*",), session=True),
    "python": Example("python", base=_DEBIAN, needs=("apt", "pip"), own=("/app*", "/venv/bin/*"), session=True),
    "service": Example("service", base=_DEBIAN, needs=("apt",), own=("/usr/local/bin/*", "/data*")),
    "site": Example(
        "site", base=_DEBIAN, needs=("apt",), own=("/etc/nginx/sites-*", "/var/www/html*", "/var/log/nginx*")
    ),
    "ssh": Example("ssh", ("--ssh", "default", "."), needs=("apt",), session=True),
    "static": Example("static", base=_DEBIAN, needs=("apt",)),
}
#: what the builds read from their environment
ENVIRONMENT = {"TOKEN": "t0ken"}
#: what dockerd's classic builder makes nothing of, and why
NOT_CLASSIC = {
    "heredocs": "it has no heredocs",
    "monorepo-api": "the docker command knows no ignore file of a Dockerfile's own without buildx",
    "monorepo-web": "the docker command knows no ignore file of a Dockerfile's own without buildx",
    "node": "it has no mounts",
    "python": "it has no mounts",
    "secrets": "it has no mounts",
    "service": "it has no --chmod",
    "ssh": "it has no mounts",
    "stages": "it builds stages that nobody needs, one of which fails",
}
