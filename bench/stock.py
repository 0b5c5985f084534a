"""Fill a registry with the images that the rows of pulls want: bench/NAME:1.

    python -m bench.stock --registry http://127.0.0.1:5055 debian=debian.tar python=python.tar nginx=nginx.tar

Each argument is a docker-archive, or a folder that becomes one layer. Layers are compressed with gzip as docker does.
Besides, two are made: `small`, one layer of 50,000 small files, and `large`, four layers of 256 MiB, half of which no
compression makes smaller.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.registry import Client, digest_of

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
FILES, LARGE_LAYERS, LARGE = 50_000, 4, 256 << 20


def archive(path: str) -> tuple[dict[str, object], list[bytes]]:
    """The config and the layers, as plain tars, of a docker-archive's first image."""
    with tarfile.open(path) as tar:

        def member(name: str) -> bytes:
            file = tar.extractfile(name)
            assert file is not None, f"{path} has no {name}"
            return file.read()

        entry = json.loads(member("manifest.json"))[0]
        layers = [member(name) for name in entry["Layers"]]
        return json.loads(member(entry["Config"])), layers


def made(layers: Iterable[bytes]) -> tuple[dict[str, object], list[bytes]]:
    """A config for these layers."""
    found = list(layers)
    config: dict[str, object] = {
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/true"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in found]},
    }  # fmt: skip
    return config, found


def folder(path: str) -> bytes:
    """A tar of a folder."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(path, arcname="data")
    return packed.getvalue()


def small(files: int = FILES) -> bytes:
    """A tar of that many files of 0 to 4 KiB, 100 to a directory."""
    chance, packed = random.Random(1), io.BytesIO()
    words = [chance.randbytes(40).hex() for _ in range(500)]
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for number in range(files):
            if number % 100 == 0:
                folder = tarfile.TarInfo(f"data/{number // 100}")
                folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(folder)
            data = " ".join(chance.choices(words, k=chance.randrange(50))).encode()
            entry = tarfile.TarInfo(f"data/{number // 100}/file-{number}.txt")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def large(number: int, size: int = LARGE) -> bytes:
    """A tar of one file, of which every other 64 KiB is random."""
    chance, packed = random.Random(number), io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        entry = tarfile.TarInfo(f"large-{number}")
        entry.size = size
        data = b"".join(chance.randbytes(1 << 16) + bytes(1 << 16) for _ in range(size >> 17))
        tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def gzipped(data: bytes) -> bytes:
    """As docker compresses a layer: level 6, no name, no time."""
    work = zlib.compressobj(6, zlib.DEFLATED, 31)
    return work.compress(data) + work.flush()


def push(client: Client, name: str, config: dict[str, object], layers: list[bytes]) -> None:
    """Push an image as bench/NAME:1."""
    repository = f"bench/{name}"

    def blob(data: bytes, kind: str) -> dict[str, object]:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        client.push(repository, data, digest)
        return {"mediaType": kind, "digest": digest, "size": len(data)}

    entries = [blob(gzipped(layer), _LAYER) for layer in layers]
    document: dict[str, object] = {"schemaVersion": 2, "mediaType": _MANIFEST}
    document |= {"config": blob(json.dumps(config).encode(), _CONFIG), "layers": entries}
    client.push_manifest(repository, "1", document)


def wanted(archives: Iterable[str], *, besides: bool) -> Iterator[tuple[str, dict[str, object], list[bytes]]]:
    """Every image by its name."""
    for each in archives:
        name, _, path = each.partition("=")
        yield name, *(made([folder(path)]) if Path(path).is_dir() else archive(path))
    if besides:
        yield "small", *made([small()])
        yield "large", *made(large(number) for number in range(LARGE_LAYERS))


def main() -> None:
    """Push all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--registry", default="http://127.0.0.1:5055")
    parser.add_argument("--only", action="store_true", help="push the archives alone")
    parser.add_argument("archive", nargs="*", help="NAME=FILE")
    options = parser.parse_args()
    for name, config, layers in wanted(options.archive, besides=not options.only):
        with Client(options.registry) as client:
            push(client, name, config, layers)
        print(f"bench/{name}:1 has {sum(map(len, layers)) >> 20} MiB in {len(layers)} layers", flush=True)


if __name__ == "__main__":
    main()
