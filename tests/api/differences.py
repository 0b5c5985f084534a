# ruff: noqa: E501 - a table, one entry to a line
"""Where our answers are not Docker's, on purpose, and why. An entry that matches nothing any more fails the tests."""

from __future__ import annotations

from fnmatch import fnmatchcase

# (pattern of `scenario/step[version].path`, reason)
DELIBERATE: tuple[tuple[str, str], ...] = (
    # What this engine is made of.
    ("*.json.Driver", "layers lie otherwise: the driver has another name"),
    ("*.json.GraphDriver*", "layers lie otherwise: there are no folders of overlay2"),
    ("*.json.HostConfig.Runtime", "the runtime is our own"),
    ("*.json.NetworkSettings.SandboxKey", "a network namespace is kept by its process, not by a file"),
    ("system/info*.json.Runtimes.*", "the runtime is our own"),
    ("system/info*.json.Containerd", "there is no containerd"),
    ("system/info*.json.DefaultAddressPools.*", "networks of a user's own are not built, so there are no pools for them"),
    ("*.headers.Builder-Version", "images are not built here, so no builder is announced"),
    ("*.Options.com.docker.network.bridge.name", "the bridge has another name"),
    ("*.json.memory_stats.stats.*", "all figures of the kernel's memory.stat are shown, new ones too"),
    ("*.json.DockerVersion", "it was not Docker that made the image"),
    ("containers-rich/inspect privileged*.json.HostConfig.SecurityOpt", "there are no SELinux labels that could be disabled"),
    ("containers-rich/inspect with container:*.json.Config.Hostname", "the name that the container will have is shown before its start, too"),
    ("containers-rich/list*.Mounts*.Source", "the place of an anonymous volume is told in lists, too"),
    ("containers/inspect exited*.DNSNames", "the default bridge has no names; Docker shows some after a rename"),
    ("images/inspect committed*.json.Container*", "an image does not tell the container that it was made from"),
    ("images/save*.tar*", "one blob less: no configs of the format before manifests"),
    ("http-connections/HTTP/1.0 without a length.*.tar*", "one blob less: no configs of the format before manifests"),
    ("files/export*.tar*", "no /dev/console is made in images"),
    ("streams/input sent with the request*", "bytes that come with the request are kept; Docker loses them"),
    ("streams/logs of all three*", "bytes that came with the request were kept"),
    ("errors/*LogPath", "the log's path is told from the first try on"),
    ("errors/inspect: stopped container's network*Path", "a container keeps name files of its own, though it shares another's network"),
    ("errors/start: *.json.message", "the runtime is our own: its words have no shim and no runc in them"),
    ("errors/inspect: *.json.State.Error", "the runtime is our own: its words have no shim and no runc in them"),
    ("errors/*sysctl that does not exist*", "the runtime is our own: a missing sysctl is the engine's failure, with its path"),
    ("errors/*directory that is a file*", "the folder to work in is looked at when the container starts"),
    ("exec/*when it is over*", "an exec's exit code can be asked for a while after its container's end"),
    ("containers-parameters/put a directory over a file*.status", "refused as the specification says: a bad request"),
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
    ("errors/create: bad storage option*", "a size is kept by a file system of its own, not by quotas of the data root's"),
    ("errors/create: address on the bridge*", "addresses of a client's choice are not built, on no network"),
    ("errors/create: aliases on the bridge*", "aliases are not built, on no network"),
    ("errors/*checkpoint*", "checkpoints are not built"),
    ("errors/start with bad keys*", "a start attaches nobody, so keys to detach are refused there"),
    ("images/absent: push*", "registries are not built"),
    ("images/pull of nothing*", "registries, and imports from a URL, are not built"),
    ("system/auth *", "registries are not built"),
    # What cannot work is refused when it is asked for; Docker records it, and fails at the start or ignores it.
    ("types/*Cmd = *", "a container without an image is refused"),
    ("types/*Entrypoint = *", "a container without an image is refused"),
    ("types/*Shell = *", "a container without an image is refused"),
    ("errors/create: no image*", "a container without an image is refused"),
    ("errors/create: *", "what cannot work is refused at the creation, or with 400 where Docker answers 500"),
    ("images/save of none*", "an archive of nothing is refused"),
    ("images/tag nothing*", "a tag without a name is refused"),
    ("images/tag with a digest*", "the command's own words"),
    ("images/load of *", "the archive's fault is told in our words, without our paths"),
    ("files/put what is no archive*", "the archive's fault is told in our words"),
    ("files/*.json.message", "a path that is none is told in our words"),
    ("mounts/options: size*.json.message", "it is said what to do instead"),
    # What a client did wrong is its fault (400, 404, 409), not the engine's (500).
    ("system/events *nonsense*.status", "500 for a bad value would be a defect"),
    ("http/a plus in the query*.status", "500 for a bad value would be a defect"),
    ("containers/unpause again*.status", "a conflict, and no defect"),
    ("errors/bad * time*.status", "500 for a bad value would be a defect"),
    ("mounts/bind: *.status", "500 for a bad bind would be a defect"),
    ("errors/logs * nonsense*.status", "500 for a bad value would be a defect"),
    ("errors/start: absent *.status", "a user that is not there is no defect"),
    ("errors/unpause what does not run*.status", "a conflict, and no defect"),
    ("errors/start: stopped container's ipc*.status", "a conflict with the other container's state"),
    ("containers-verbs/list *.status", "500 for a bad value would be a defect"),
    ("exec/bad keys*", "the words that attach has for the same"),
    ("exec/start again*", "a conflict is answered before the connection becomes a stream"),
    ("files/*.status", "a path or an archive that is none is no defect"),
    ("streams/logs since a duration*.status", "500 for a bad value would be a defect"),
    ("images/list by *.status", "500 for a bad value would be a defect"),
    ("networks/prune until nonsense*", "no network is there that a time could choose"),
    ("networks/list by bad type*.status", "500 for a bad value would be a defect"),
    # HTTP.
    ("http/too old*.text", "the oldest version spoken is 1.41"),
    ("http/no minor version*.text", "the oldest version spoken is 1.41"),
    ("http/escaped NUL*", "no id holds a NUL"),
    ("http/an absolute target without a path*", "nothing is at no path"),
    ("http/trailing slash of the volumes*.json.message", "a volume without a name is none, with one blank more"),
    ("http/CONNECT*", "there is no proxy here; Docker redirects to nowhere"),
    ("http/CAKE of *", "a method that HTTP does not know ends the connection"),
    ("http/a method of small letters*", "a method that HTTP does not know ends the connection"),
    ("http-bodies/nested deeply*", "values nest to 64, not to 10,000"),
    ("http-connections/*chunk*", "broken chunks are refused before a handler sees the body, and end the connection"),
    ("http-connections/both lengths*", "ambiguous lengths are refused (RFC 9112, 6.3)"),
    ("http-connections/two equal lengths*", "ambiguous lengths are refused (RFC 9112, 6.3)"),
    ("http-connections/an empty length*", "a length is a number"),
    ("http-connections/HTTP/1.2*", "the versions spoken are 1.0 and 1.1"),
    ("http-connections/the preface of HTTP/2*", "the versions spoken are 1.0 and 1.1; Docker redirects"),
    ("http-connections/a folded header*", "folded lines are refused (RFC 9112, 5.2)"),
    ("http-connections/bare line feeds*", "lines end in CR LF: parsers disagree about others"),
    ("http-connections/empty lines before*", "empty lines before a request are skipped (RFC 9112, 2.2)"),
    ("http-connections/half-closed within a body*", "a client that ends amid its body gets no answer"),
    ("http-connections/wait, half-closed*", "a client that half-closes a stream is gone"),
    ("http-connections/bytes sent with the request*", "a refusal before the stream is an ordinary JSON answer"),
    ("errors/absent: attach*", "a refusal before the stream is an ordinary JSON answer"),
    ("errors/attach with *", "a refusal before the stream is an ordinary JSON answer"),
)  # fmt: skip


def reason(where: str) -> str | None:
    """The pattern that allows a difference; None when nothing does."""
    for pattern, _ in DELIBERATE:
        if fnmatchcase(where, pattern):
            return pattern
    return None
