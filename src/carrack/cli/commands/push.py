"""``carrack push``: an image, or all of a repository's, to the registry that its name says."""

from carrack.cli import notice
from carrack.cli.command import Command, write
from carrack.cli.render.progress import show_messages
from carrack.client import images, registry
from carrack.errors import InvalidArgument, NotSupported
from carrack.oci import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

_ONE_PLATFORM = (
    "Using --platform pushes only the specified platform manifest of a multi-platform image index.\n"
    "Other components, like attestations, will not be included.\n"
    "To push the complete multi-platform image, remove the --platform flag.\n"
)
_ALONE = "Not all multiplatform-content is present and only the available single-platform image was pushed"
NO_SIGNING = (
    "--disable-content-trust=false is not supported: signatures of Docker Content Trust (Notary v1) are obsolete, "
    "docker has dropped them in version 29; sign with cosign or notation, which keep signatures in the registry"
)


def _push(session: "Session", parsed: "Parsed") -> int:
    if not parsed.flag("disable-content-trust", True):
        raise NotSupported(NO_SIGNING)
    name, every = reference.parse(parsed.arguments[0]), parsed.flag("all-tags")
    quiet, platform = parsed.flag("quiet"), parsed.text("platform")
    if every and (name.tag or name.digest):
        raise InvalidArgument("tag can't be used with --all-tags/-a")
    if name.digest:
        raise InvalidArgument("cannot push a digest reference: what is pushed gets its digest from its content")
    if not every and not name.tag:
        name = name.with_default_tag()
        if not quiet:
            write(f"Using default tag: {name.tag}")
    if platform:
        images.platform_document(platform)
        notice.show_within(_ONE_PLATFORM)
    account = session.credentials.for_repository(name.name)
    messages, notes = registry.push(session.daemon, name.familiar_name, name.tag, platform, account), list[str]()
    show_messages(_noted(messages, notes), quiet=quiet)
    if quiet:
        write(name.familiar)
    for note in notes:
        notice.show_within(note)
    return 0


def _noted(messages: "Iterable[Document]", notes: list[str]) -> "Iterator[Document]":
    """The messages; what the user should know in the end is added to ``notes``."""
    for message in messages:
        aux = message.get("aux") or {}
        if aux.get("manifestPushedInsteadOfIndex"):
            digests = (aux[name]["digest"] for name in ("originalIndex", "selectedManifest"))
            notes.append(f"{_ALONE}\n{' -> '.join(digests)}")
        yield message


PUSH = Command(
    "[OPTIONS] NAME[:TAG]",
    "Upload an image to a registry",
    _push,
    (
        ("all-tags", "a", "bool", "Push all tags of an image to the repository"),
        ("disable-content-trust", "", "bool", "Skip image signing (default true)"),
        (
            "platform",
            "",
            "string",
            "Push a platform-specific manifest as a single-platform image to the registry. Image index won't be pushed,"
            " meaning that other manifests, including attestations won't be preserved."
            " 'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)",
        ),
        ("quiet", "q", "bool", "Suppress verbose output"),
    ),
    least=1,
    most=1,
    example="carrack push registry.example.org/team/web:1",
)
