"""Images of real servers, made from Debian's packages by the engine under test, without any registry.

Each is the distribution's base image (`carrack image bootstrap`) with packages that apt installed in a container,
committed under the name that its registry's image has. Archives of them are kept in `/var/cache/carrack/images`
(`CARRACK_IMAGES_CACHE`), below names made of the recipe and the packages' versions.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.cli.running import CommandLine, DaemonProcess

CACHE = Path(os.environ.get("CARRACK_IMAGES_CACHE", "/var/cache/carrack/images"))
_HERE = Path(__file__).parent / "inside"
_SUITES = ("bookworm", "trixie")
_INSTALL = """
set -e
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
mkdir -p /etc/postgresql-common; echo create_main_cluster=false >/etc/postgresql-common/createcluster.conf
printf 'path-exclude=/usr/share/%s/*\\n' doc man locale >/etc/dpkg/dpkg.cfg.d/lean
echo force-unsafe-io >>/etc/dpkg/dpkg.cfg.d/lean
for program in /usr/local/bin/*; do [ ! -f "$program" ] || chmod 755 "$program"; done
apt-get -qq update
apt-get -qq -y install --no-install-recommends "$@"
"""
_CLEAN = """
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/sbin/policy-rc.d; find /var/log -type f -delete
"""


@dataclass(frozen=True)
class Recipe:
    """An image: its name, the packages in it, files from `inside`, what is run at last, changes to its config."""

    name: str
    packages: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    script: str = ""
    changes: tuple[str, ...] = ()


BASE = Recipe("debian:bookworm")
POSTGRES = Recipe(
    "postgres:15",
    ("postgresql",),
    {"postgres-entrypoint": "/usr/local/bin/docker-entrypoint.sh"},
    "rm -rf /var/lib/postgresql/*; ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/",
    (
        'ENTRYPOINT ["docker-entrypoint.sh"]',
        'CMD ["postgres"]',
        "ENV PGDATA=/var/lib/postgresql/data",
        "VOLUME /var/lib/postgresql/data",
        "EXPOSE 5432",
        "STOPSIGNAL SIGINT",
    ),
)
REDIS = Recipe(
    "redis:7",
    ("redis-server",),
    {"redis-entrypoint": "/usr/local/bin/docker-entrypoint.sh"},
    "mkdir -p /data; chown redis:redis /data",
    ('ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["redis-server"]', "VOLUME /data", "WORKDIR /data", "EXPOSE 6379"),
)
NGINX = Recipe(
    "nginx:latest",
    ("nginx",),
    {},
    "ln -sf /dev/stdout /var/log/nginx/access.log; ln -sf /dev/stderr /var/log/nginx/error.log",
    ('CMD ["nginx", "-g", "daemon off;"]', "EXPOSE 80", "STOPSIGNAL SIGQUIT"),
)
PYTHON = Recipe(
    "python:3",
    ("python3-minimal", "libpython3-stdlib", "python3-psycopg2", "python3-redis", "bind9-dnsutils", "iperf3"),
    {},
    "",
    ('CMD ["python3"]', "ENV PYTHONUNBUFFERED=1", "ENV PYTHONDONTWRITEBYTECODE=1"),
)
"""Python with clients of databases, and what looks at a network from inside: dig, iperf3."""
DOCKER = Recipe(
    "docker:dind",
    ("docker.io", "iptables", "systemd-sysv", "dbus"),
    {"dind-entrypoint": "/usr/local/bin/docker-entrypoint.sh"},
    # The command is in a package of its own since Debian 13.
    "command -v docker >/dev/null || apt-get -qq -y install --no-install-recommends docker-cli",
    ('ENTRYPOINT ["docker-entrypoint.sh"]', "VOLUME /var/lib/docker"),
)
REAPER = Recipe(
    "testcontainers/ryuk:latest",
    ("python3-minimal", "libpython3-stdlib"),
    {"reaper.py": "/usr/local/bin/reaper"},
    "",
    ('ENTRYPOINT ["python3", "-u", "/usr/local/bin/reaper"]', "EXPOSE 8080"),
)


def provide(daemon: DaemonProcess, recipe: Recipe) -> str:
    """Have the daemon hold the image, from the cache or newly made; its name."""
    cli = CommandLine("carrack", daemon)
    if cli("image", "inspect", recipe.name, check=False).returncode == 0:
        return recipe.name
    kept = archive(recipe)
    if not kept.exists():
        _make(cli, daemon, recipe)
        _keep(cli, recipe, kept)
    else:
        cli("load", "-i", str(kept), timeout=300)
    return recipe.name


def _make(cli: CommandLine, daemon: DaemonProcess, recipe: Recipe) -> None:
    base = f"debian:{_suite()}"
    if recipe is BASE:
        cli("image", "bootstrap", base, timeout=300)
        if base != BASE.name:
            cli("tag", base, BASE.name)
        return
    provide(daemon, BASE)
    maker = f"make-{recipe.name.replace('/', '-').replace(':', '-')}"
    cli("create", "--name", maker, BASE.name, "sh", "-c", _INSTALL + recipe.script + _CLEAN, "sh", *recipe.packages)
    try:
        for source, target in recipe.files.items():
            cli("cp", str(_HERE / source), f"{maker}:{target}")
        done = cli("start", "-a", maker, check=False, timeout=300)
        assert done.returncode == 0, f"{recipe.name} cannot be made:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        changes = [word for change in recipe.changes for word in ("-c", change)]
        cli("commit", *changes, maker, recipe.name, timeout=120)
    finally:
        cli("rm", "-fv", maker)


def _keep(cli: CommandLine, recipe: Recipe, archive: Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    for old in CACHE.glob(f"{_file_name(recipe)}_*"):
        old.unlink()
    unfinished = CACHE / f".{archive.name}.{os.getpid()}"
    try:
        cli("save", "-o", str(unfinished), recipe.name, timeout=300)
        unfinished.rename(archive)
    finally:
        unfinished.unlink(missing_ok=True)


def archive(recipe: Recipe) -> Path:
    """Where the image is kept: another recipe, suite, or version of a package has another name."""
    files = [(_HERE / name).read_bytes() for name in sorted(recipe.files)]
    policy = subprocess.run(
        ["apt-cache", "policy", "debianutils", *recipe.packages], capture_output=True, text=True, check=False
    )
    versions = [line for line in policy.stdout.splitlines() if "Candidate" in line]
    text = repr((recipe, files, _suite(), versions, _INSTALL, _CLEAN))
    return CACHE / f"{_file_name(recipe)}_{hashlib.sha256(text.encode()).hexdigest()[:12]}.tar"


def only_layer(kept: Path) -> bytes:
    """The tar of the files of an image of one layer."""
    with tarfile.open(kept) as tar:
        manifest, layers = tar.extractfile("manifest.json"), []
        assert manifest is not None
        for name in json.load(manifest)[0]["Layers"]:
            file = tar.extractfile(name)
            assert file is not None
            layers.append(file.read())
    (layer,) = layers
    return layer


def _file_name(recipe: Recipe) -> str:
    return recipe.name.replace("/", "-").replace(":", "_")


def _suite() -> str:
    """The machine's own suite, whose versions apt knows here; else the oldest that can be made."""
    release = Path("/etc/os-release").read_text()
    return next((suite for suite in _SUITES if f"VERSION_CODENAME={suite}" in release), _SUITES[0])
