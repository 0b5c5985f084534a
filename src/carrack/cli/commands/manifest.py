"""``carrack manifest``: manifests looked at, and lists of them made for images of several platforms."""

from carrack.cli import manifest_lists
from carrack.cli.command import Command, write, write_error
from carrack.client import document
from carrack.errors import Conflict, InvalidArgument, NotFound
from carrack.oci import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.cli.registry_access import Registries
    from carrack.client.document import Document
    from carrack.oci.reference import Reference

_INSECURE = ("insecure", "", "bool", "Allow communication with an insecure registry")


def _create(session: "Session", parsed: "Parsed") -> int:
    lists = _lists(session)
    try:
        target = reference.parse(parsed.arguments[0]).with_default_tag()
    except InvalidArgument as error:
        raise InvalidArgument(f"error parsing name for manifest list {parsed.arguments[0]}: {error}") from error
    if target in lists and not parsed.flag("amend"):
        raise Conflict("refusing to amend an existing manifest list with no --amend flag")
    registries, found = _registries(session, parsed), []
    for word in parsed.arguments[1:]:
        name = reference.parse(word).with_default_tag()
        kept = lists.entry(target, name) or registries.fetch(name)
        if isinstance(kept, list):
            raise InvalidArgument(f"{name} is a manifest list")
        found.append((name, kept))
    for name, kept in found:
        lists.put(target, name, kept)
    write(f"Created manifest list {target}")
    return 0


def _annotate(session: "Session", parsed: "Parsed") -> int:
    lists = _lists(session)
    target, name = (reference.parse(word).with_default_tag() for word in parsed.arguments)
    kept = lists.entry(target, name)
    if kept is None:
        raise NotFound(f"manifest for image {name} does not exist in {target}")
    given = {"os": "os", "arch": "architecture", "variant": "variant", "os-version": "os.version"}
    said: dict[str, Any] = {key: parsed.text(flag) for flag, key in given.items()}
    manifest_lists.annotate(kept, {**said, "os.features": parsed.words("os-features")})
    lists.put(target, name, kept)
    return 0


def _inspect(session: "Session", parsed: "Parsed") -> int:
    lists, verbose = _lists(session), parsed.flag("verbose")
    *within, name = (reference.parse(word).with_default_tag() for word in parsed.arguments)
    if within:
        kept = lists.entry(within[0], name)
        if kept is None:
            raise NotFound(f"No such manifest: {name}")
        _show(kept, verbose)
    elif name in lists:
        entries = lists.entries(name)
        _show_list([kept["Descriptor"] for kept in entries], entries if verbose else None)
    elif verbose:
        found = _registries(session, parsed).fetch(name)
        if isinstance(found, list):
            _show_list([], found)
        else:
            _show(found, verbose)
    else:
        _inspect_briefly(_registries(session, parsed), name)
    return 0


def _inspect_briefly(registries: "Registries", name: "Reference") -> None:
    found = registries.document(name)
    if "manifests" in found:
        _show_list(found["manifests"], None)
    else:
        write(_tabbed(found))


def _show(kept: "Document", verbose: bool) -> None:
    write(_tabbed(kept if verbose else document.loads(manifest_lists.raw(kept))))


def _show_list(descriptors: "list[Document]", entries: "list[Document] | None") -> None:
    write(_tabbed(entries) if entries is not None else manifest_lists.index(descriptors).decode())


def _tabbed(value: "Any") -> str:
    lines = document.indented(value, 1).split("\n")
    return "\n".join(line.replace(" ", "\t", len(line) - len(line.lstrip(" "))) for line in lines)


def _push(session: "Session", parsed: "Parsed") -> int:
    lists = _lists(session)
    target = reference.parse(parsed.arguments[0]).with_default_tag()
    entries = lists.entries(target)
    if not entries:
        raise NotFound(f"No such manifest: {target}")
    for kept in entries:
        platform = kept["Descriptor"]["platform"]
        if not platform.get("os") or not platform.get("architecture"):
            raise InvalidArgument(
                f"manifest {kept['Ref']} must have an OS and Architecture to be pushed to a registry: "
                "say them with carrack manifest annotate"
            )
    data = manifest_lists.index([kept["Descriptor"] for kept in entries])
    write(_registries(session, parsed).push(target, entries, data, write))
    if parsed.flag("purge"):
        lists.remove(target)
    return 0


def _rm(session: "Session", parsed: "Parsed") -> int:
    lists, failed = _lists(session), 0
    for word in parsed.arguments:
        target = reference.parse(word).with_default_tag()
        if target in lists:
            lists.remove(target)
        else:
            write_error(f"No such manifest: {target}")
            failed = 1
    return failed


def _lists(session: "Session") -> manifest_lists.Lists:
    from carrack.client.context import configuration

    return manifest_lists.Lists(configuration(session.config, session.environment))


def _registries(session: "Session", parsed: "Parsed") -> "Registries":
    from carrack.cli.registry_access import Registries

    return Registries(session, insecure=parsed.flag("insecure"))


CREATE = Command(
    "MANIFEST_LIST MANIFEST [MANIFEST...]",
    "Create a local manifest list for annotating and pushing to a registry",
    _create,
    (("amend", "a", "bool", "Amend an existing manifest list"), _INSECURE),
    least=2,
    most=None,
    example="carrack manifest create r.example/app:1 r.example/app:1-amd64 r.example/app:1-arm64",
)
ANNOTATE = Command(
    "[OPTIONS] MANIFEST_LIST MANIFEST",
    "Add additional information to a local image manifest",
    _annotate,
    (
        ("arch", "", "string", "Set architecture"),
        ("os", "", "string", "Set operating system"),
        ("os-features", "", "strings", "Set operating system feature"),
        ("os-version", "", "string", "Set operating system version"),
        ("variant", "", "string", "Set architecture variant"),
    ),
    least=2,
    most=2,
    example="carrack manifest annotate --arch arm64 --variant v8 r.example/app:1 r.example/app:1-arm64",
)
INSPECT = Command(
    "[OPTIONS] [MANIFEST_LIST] MANIFEST",
    "Display an image manifest, or manifest list",
    _inspect,
    (_INSECURE, ("verbose", "v", "bool", "Output additional info including layers and platform")),
    least=1,
    most=2,
    example="carrack manifest inspect -v r.example/app:1",
)
PUSH = Command(
    "[OPTIONS] MANIFEST_LIST",
    "Push a manifest list to a repository",
    _push,
    (
        ("insecure", "", "bool", "Allow push to an insecure registry"),
        ("purge", "p", "bool", "Remove the local manifest list after push"),
    ),
    least=1,
    most=1,
    example="carrack manifest push -p r.example/app:1",
)
RM = Command(
    "MANIFEST_LIST [MANIFEST_LIST...]",
    "Delete one or more manifest lists from local storage",
    _rm,
    least=1,
    most=None,
    example="carrack manifest rm r.example/app:1",
)
