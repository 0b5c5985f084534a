"""Where our answers are not Docker's, on purpose, and why. An entry that matches nothing any more fails the tests."""

from __future__ import annotations

from fnmatch import fnmatchcase

# (pattern of `scenario/step[version].path`, reason)
DELIBERATE: tuple[tuple[str, str], ...] = (
    # What this engine is made of.
    ("*.json.Driver", "layers lie otherwise: the driver has another name"),
    ("*.json.GraphDriver.*", "layers lie otherwise: there are no folders of overlay2"),
    ("*.json.HostConfig.Runtime", "the runtime is our own"),
    ("*.json.NetworkSettings.SandboxKey", "a network namespace is kept by its process, not by a file"),
    ("system/info[[]*.json.Runtimes.*", "the runtime is our own"),
    ("system/info[[]*.json.Containerd", "there is no containerd"),
    ("system/info[[]*.json.CDISpecDirs.*", "devices by CDI are not built"),
    ("system/info[[]*.json.DefaultAddressPools.*", "networks of a user's own are not built, so there are no pools for them"),
    ("system/info[[]*.json.DriverStatus.*", "the driver tells of itself what it has"),
    ("*.headers.Builder-Version", "images are not built here, so no builder is announced"),
    ("*.Options.com.docker.network.bridge.name", "the bridge has another name"),
    ("*.json.memory_stats.stats.*", "all figures of the kernel's memory.stat are shown, new ones too"),
    ("*.json.blkio_stats.*", "whether a disk was touched depends on what the page cache holds"),
    # Sizes.
    ("*.Size", "an image's size is that of its layers' tars, heads and padding included"),
    ("*.VirtualSize", "an image's size is that of its layers' tars, heads and padding included"),
    ("files/*.headers.X-Docker-Container-Path-Stat", "folders of a layer have another file system's size"),
    # What is not built is refused by name.
    ("networks/connect *", "connecting after the creation is not built"),
    ("networks/disconnect *", "connecting after the creation is not built"),
    ("errors/create: bad link*", "links are not built"),
    ("errors/create: links of another*", "links are not built"),
    ("errors/remove a link*", "links are not built"),
    ("errors/create: bad device request*", "device requests are not built"),
    ("errors/create: bad storage option*", "storage options are not built"),
    ("errors/create: address on the bridge*", "addresses of a client's choice are not built, on no network"),
    ("errors/create: aliases on the bridge*", "aliases are not built, on no network"),
    ("errors/create: bad log mode*", "the non-blocking mode of logs is not built"),
    ("errors/*checkpoint*", "checkpoints are not built"),
    ("volumes/create with half the options*", "options of volume drivers are not built"),
    ("images/absent: push*", "registries are not built"),
    ("images/pull of nothing*", "registries, and imports from a URL, are not built"),
    ("system/auth *", "registries are not built"),
    ("images/inspect committed*.json.Container", "an image does not tell the container that it was made from"),
    ("images/inspect committed*.json.ContainerConfig.*", "an image does not tell the container that it was made from"),
    ("*.json.DockerVersion", "it was not Docker that made the image"),
    ("images/save*.tar*", "one blob less: no configs of the format before manifests"),
    ("http-connections/HTTP/1.0 without a length.*.tar*", "one blob less: no configs of the format before manifests"),
    # Bad input is the client's fault (400), never ours (500).
)


def reason(where: str) -> str | None:
    """The pattern that allows a difference; None when nothing does."""
    for pattern, _ in DELIBERATE:
        if fnmatchcase(where, pattern):
            return pattern
    return None
