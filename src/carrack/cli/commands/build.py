"""``carrack build``: an image out of a Dockerfile and the files beside it."""

import binascii
import sys

from carrack.cli.build_context import REMOTE, ignored
from carrack.cli.command import Command
from carrack.cli.context_sync import prepare
from carrack.cli.exit import Exit
from carrack.cli.render.progress import show_messages
from carrack.client import document, paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from carrack.cli.build_caches import Caches
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document


def _build(session: "Session", parsed: "Parsed") -> int:
    source = parsed.arguments[0]
    call = "check" if parsed.flag("check") else parsed.text("call")
    if call not in ("", "build"):
        from carrack.cli import build_calls

        given = _arguments(parsed, session.environment)
        lent, secrets = _agents(session, parsed, source), _secrets(session, parsed)
        file, target = parsed.text("file"), parsed.text("target")
        return build_calls.answer(session, call, source, file, given, target, lent, secrets)
    _check(parsed)
    query = _query(parsed, session.environment)
    layouts = _named(session, parsed, query)
    output = None
    if parsed.text("output"):
        from carrack.cli import build_output

        output = build_output.parse(parsed.text("output"))
        query["outputs"] = '[{"Type":"tar"}]'
    headers = _secrets(session, parsed)
    caches = _caches(session, parsed, layouts, _agents(session, parsed, source))
    try:  # the files come last: what is refused is refused before any are sent
        data = _data(session, parsed, source, query)
        headers += caches.told(session, query) if caches is not None else ()
        messages = document.stream(session.daemon.upload("POST", "/build", query, data, headers=headers).chunks())
        if output is not None:
            build_output.take(messages, *output)
        else:
            show_messages(_found(messages, parsed.text("iidfile"), parsed.text("metadata-file")))
    finally:
        if caches is not None:
            caches.close()
    if parsed.flag("push"):
        _push(session, parsed)
    return 0


def _data(session: "Session", parsed: "Parsed", source: str, query: "dict[str, Any]") -> "bytes | Iterable[bytes]":
    """The context's files; none where it lies elsewhere."""
    if source.startswith(REMOTE) and not paths.is_folder(source):
        query |= {"remote": source, "dockerfile": parsed.text("file") or None}
        return b""
    data = _standard_input() if source == "-" else _context(session, source, parsed.text("file"), query)
    return _compressed(data) if parsed.flag("compress") else data


def _secrets(session: "Session", parsed: "Parsed") -> "list[tuple[str, str]]":
    if not parsed.words("secret"):
        return []
    from carrack.cli.build_secrets import header

    return header(parsed.words("secret"), session.environment)


def _check(parsed: "Parsed") -> None:
    """Refuse what would otherwise be without effect, before anything is done."""
    if parsed.text("output") and (parsed.words("tag") or parsed.text("iidfile")):
        raise Exit(1, "--output gives files and makes no image: leave out --tag and --iidfile")
    if parsed.text("output") and (parsed.flag("push") or parsed.flag("load")):
        raise Exit(1, "--output gives files and makes no image: leave out --push and --load")
    if parsed.flag("push") and not parsed.words("tag"):
        raise Exit(1, "--push needs a name to push to: give one with --tag")
    if not parsed.flag("disable-content-trust", True):
        raise Exit(
            1,
            "--disable-content-trust=false: signatures of Docker Content Trust are obsolete and are not verified here",
        )
    if parsed.flag("no-cache") and parsed.words("no-cache-filter"):
        raise Exit(1, "--no-cache and --no-cache-filter cannot currently be used together")
    if not parsed.flag("rm", True):
        raise Exit(1, "--rm=false: steps run in no containers that could stay; `builds logs` has what they told")


def _compressed(data: "bytes | Iterable[bytes]") -> "Iterator[bytes]":
    """The context as gzip, as docker's command sends it."""
    import zlib

    packer = zlib.compressobj(wbits=31)
    for piece in [data] if isinstance(data, bytes) else data:
        yield packer.compress(piece)
    yield packer.flush()


def _push(session: "Session", parsed: "Parsed") -> None:
    """Every name of what was built to its registry."""
    from carrack.client import registry
    from carrack.oci import reference

    for word in dict.fromkeys(parsed.words("tag")):
        name = reference.parse(word).with_default_tag()
        account = session.credentials.for_repository(name.name)
        messages = registry.push(session.daemon, name.familiar_name, name.tag, "", account)
        show_messages(messages, quiet=parsed.flag("quiet"))


def _standard_input() -> "Iterator[bytes]":
    from carrack.cli.archive_file import from_file

    return from_file("-")


def _named(session: "Session", parsed: "Parsed", query: "dict[str, Any]") -> "list[str]":
    if not parsed.words("build-context"):
        return []
    from carrack.cli import build_named

    return build_named.told(session.daemon, parsed.words("build-context"), query)


def _agents(session: "Session", parsed: "Parsed", source: str) -> "list[str]":
    """The words for those that are lent; of itself the user's own for a context that comes by ssh, as with buildx."""
    own = source.startswith(("git@", "ssh://")) and session.environment.get("SSH_AUTH_SOCK") is not None
    return parsed.words("ssh") or (["default"] if own else [])


def _caches(session: "Session", parsed: "Parsed", layouts: "list[str]", lent: "list[str]") -> "Caches | None":
    """Those that are asked for; by a build argument, too, as docker's users wrote ``--cache-to type=inline`` before."""
    sources, targets = parsed.words("cache-from"), parsed.words("cache-to")
    inline = _arguments(parsed, session.environment).get("BUILDKIT_INLINE_CACHE", "").lower() in ("1", "true")
    if not (sources or targets or layouts or inline or lent):
        return None
    from carrack.cli.build_caches import Caches

    caches = Caches(sources, targets, layouts=layouts, inline=inline)
    if lent:
        from carrack.cli.build_agents import Agents

        caches.agents = Agents(lent, session.environment)
    return caches


def _context(session: "Session", source: str, dockerfile: str, query: "dict[str, Any]") -> "bytes | Iterable[bytes]":
    if not paths.is_folder(source):
        raise Exit(1, f"unable to prepare context: path {source!r} not found")
    inside = "Dockerfile"
    if not paths.exists(paths.join(source, inside)) and paths.exists(paths.join(source, "dockerfile")):
        inside = "dockerfile"
    if dockerfile:
        from os.path import realpath, relpath

        path = dockerfile if paths.exists(dockerfile) else paths.join(source, dockerfile)
        inside = relpath(realpath(path), realpath(source))
        if inside.startswith(".."):
            raise Exit(1, f"the Dockerfile ({dockerfile}) must be within the build context")
    if not paths.is_file(paths.join(source, inside)):
        raise Exit(1, f"unable to prepare context: there is no {inside} in {source}; name it with -f")
    query["dockerfile"] = inside
    return prepare(session.daemon, source, ignored(source, inside), query)


def _arguments(parsed: "Parsed", environment: "Mapping[str, str]") -> dict[str, str]:
    arguments = {}
    for word in parsed.words("build-arg"):
        name, equals, value = word.partition("=")
        if equals or name in environment:
            arguments[name] = value if equals else environment[name]
    return arguments


def _query(parsed: "Parsed", environment: "Mapping[str, str]") -> "dict[str, Any]":
    arguments = _arguments(parsed, environment)
    labels = dict(word.partition("=")[::2] for word in parsed.words("label"))
    limits = {
        "memory": parsed.value("memory"), "memswap": parsed.value("memory-swap"), "shmsize": parsed.value("shm-size"),
        "cpushares": parsed.number("cpu-shares"), "cpuperiod": parsed.number("cpu-period"),
        "cpuquota": parsed.number("cpu-quota"), "cpusetcpus": parsed.text("cpuset-cpus") or None,
        "cpusetmems": parsed.text("cpuset-mems") or None, "cgroupparent": parsed.text("cgroup-parent") or None,
    }  # fmt: skip
    return {
        "t": parsed.words("tag"),
        "buildargs": arguments or None,
        "labels": labels or None,
        "target": parsed.text("target") or None,
        "platform": parsed.text("platform") or None,
        "attest": _attests(parsed),
        "annotation": parsed.words("annotation"),
        "networkmode": parsed.text("network") or None,
        "extrahosts": parsed.words("add-host"),
        "nocache": "1" if parsed.flag("no-cache") else None,
        "nocachefilter": parsed.words("no-cache-filter"),
        "allow": parsed.words("allow"),
        "pull": "1" if parsed.flag("pull") else None,
        "q": "1" if parsed.flag("quiet") else None,
        "squash": "1" if parsed.flag("squash") else None,
        "isolation": parsed.text("isolation") or None,
        "securityopt": parsed.words("security-opt"),
        "explain": "1" if parsed.flag("explain") else None,
        "style": "buildkit",
        "ulimits": document.dumps(parsed.value("ulimit")) if parsed.value("ulimit") else None,
        **{name: str(value) for name, value in limits.items() if value is not None},
    }


def _attests(parsed: "Parsed") -> list[str]:
    """What is to be said about the image, whichever of the flags says so."""
    wanted = list(parsed.words("attest"))
    for kind in ("provenance", "sbom"):
        text = parsed.text(kind)
        if text:
            words = {"true": "", "1": "", "false": ",disabled=true", "0": ",disabled=true"}.get(text, f",{text}")
            wanted.append(f"type={kind}{words}")
    return wanted


def _write(path: str, data: bytes) -> None:
    from os.path import abspath

    from carrack.client.config_file import write

    write(abspath(path), data, 0o644)


def _found(messages: "Iterable[Document]", iidfile: str, metadata: str) -> "Iterator[Document]":
    """The messages without what is said of the image among them, which goes into files if they are wanted."""
    for message in messages:
        aux = message.get("aux") or {}
        identity = aux.get("ID")
        if identity and iidfile:
            _write(iidfile, str(identity).encode())
        if identity and metadata:
            _write(metadata, _metadata(aux.get("Metadata") or {}))
        if not identity:
            yield message
    sys.stdout.flush()


def _metadata(said: "dict[str, str]") -> bytes:
    """As buildx writes it: what is JSON in base64 is shown as such."""
    shown: dict[str, Any] = dict(sorted(said.items()))
    if "containerimage.descriptor" in shown:
        shown["containerimage.descriptor"] = document.loads(binascii.a2b_base64(shown["containerimage.descriptor"]))
    return document.indented(shown, 2).encode()


BUILD = Command(
    "[OPTIONS] PATH | URL | -",
    "Build an image from a Dockerfile",
    _build,
    (
        ("add-host", "", "list", "Add a custom host-to-IP mapping (host:ip)"),
        ("allow", "", "strings", 'Allow extra privileged entitlement (e.g., "network.host", "security.insecure")'),
        ("annotation", "", "list", "Add annotation to the image"),
        ("attest", "", "list", 'Attestation parameters (format: "type=sbom,generator=image")'),
        ("build-arg", "", "list", "Set build-time variables"),
        ("build-context", "", "list", "Additional build contexts (e.g., name=path)"),
        ("cache-from", "", "list", 'External cache sources (e.g., "user/app:cache", "type=local,src=path/to/dir")'),
        ("cache-to", "", "list", 'Cache export destinations (e.g., "user/app:cache", "type=local,dest=path/to/dir")'),
        ("call", "", "string", 'Set method for evaluating build ("check", "outline", "targets")'),
        ("cgroup-parent", "", "string", "Set the parent cgroup for the RUN instructions"),
        ("check", "", "bool", 'Shorthand for "--call=check"'),
        ("compress", "", "bool", "Compress the build context using gzip"),
        ("cpu-period", "", "int", "Limit the CPU CFS (Completely Fair Scheduler) period"),
        ("cpu-quota", "", "int", "Limit the CPU CFS (Completely Fair Scheduler) quota"),
        ("cpu-shares", "c", "int", "CPU shares (relative weight)"),
        ("cpuset-cpus", "", "string", "CPUs in which to allow execution (0-3, 0,1)"),
        ("cpuset-mems", "", "string", "MEMs in which to allow execution (0-3, 0,1)"),
        ("disable-content-trust", "", "bool", "Skip image verification (default true)"),
        ("explain", "", "bool", "Say of each step that was done why it was not taken from the cache"),
        ("file", "f", "string", 'Name of the Dockerfile (default is "PATH/Dockerfile")'),
        ("force-rm", "", "bool", "Always remove intermediate containers (none is ever left)"),
        ("iidfile", "", "string", "Write the image ID to the file"),
        ("isolation", "", "string", "Container isolation technology (only the default one)"),
        ("label", "", "list", "Set metadata for an image"),
        ("load", "", "bool", "Put the image into the store, which is done in any case"),
        ("memory", "m", "bytes", "Memory limit"),
        ("memory-swap", "", "bytes", "Swap limit equal to memory plus swap: -1 to enable unlimited swap"),
        ("metadata-file", "", "string", "Write build result metadata to a file"),
        ("network", "", "string", "Set the networking mode for the RUN instructions during build"),
        ("no-cache", "", "bool", "Do not use cache when building the image"),
        ("no-cache-filter", "", "strings", "Do not cache specified stages"),
        ("output", "o", "string", 'Output destination (format: "type=local,dest=path" or "type=tar,dest=path")'),
        ("platform", "", "string", "Set platforms (comma separated) for which the image is built"),
        ("provenance", "", "string", 'Shorthand for "--attest=type=provenance"'),
        ("pull", "", "bool", "Always attempt to pull a newer version of the image"),
        ("push", "", "bool", "Push the image under each of its names when it is built"),
        ("quiet", "q", "bool", "Suppress the build output and print image ID on success"),
        ("rm", "", "bool", "Remove intermediate containers after a successful build (default true; none is ever left)"),
        ("sbom", "", "string", 'Shorthand for "--attest=type=sbom"'),
        ("secret", "", "list", 'Secret to expose to the build (format: "id=mysecret[,src=/local/secret]")'),
        ("security-opt", "", "list", "Security options (none is supported on Linux)"),
        ("shm-size", "", "bytes", "Size of /dev/shm"),
        (
            "ssh",
            "",
            "list",
            'SSH agent socket or keys to expose to the build (format: "default|<id>[=<socket>|<key>]")',
        ),
        ("squash", "", "bool", "Squash newly built layers into a single new layer"),
        ("tag", "t", "list", 'Name and optionally a tag in the "name:tag" format'),
        ("target", "", "string", "Set the target build stage to build."),
        ("ulimit", "", "ulimit", "Ulimit options"),
    ),
    least=1,
    most=1,
    example="carrack build -t web .\ncarrack build --explain --build-arg VERSION=3 -f app.Dockerfile .",
)
