"""``carrack pull``, and what ``run`` and ``create`` pull: an image, or all of a repository's, from its registry."""

from carrack.cli.command import Command, write
from carrack.cli.exit import Exit
from carrack.cli.render.progress import show_messages
from carrack.client import images
from carrack.errors import CarrackError, InvalidArgument, NotSupported
from carrack.oci import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.oci.reference import Reference


def pull(session: "Session", image: str, platform: str, *, quiet: bool) -> None:
    """Pull the image of a container to be made; progress goes to standard error. Raises errors by meaning."""
    name = reference.parse(image).with_default_tag()
    try:
        show_messages(_messages(session, name, platform), quiet=quiet, fd=2)
    except Exit as failure:
        raise CarrackError(str(failure)) from failure


def _messages(session: "Session", name: "Reference", platform: str) -> "Iterator[Any]":
    account = session.credentials.for_repository(name.name)
    return images.pull(session.daemon, name.familiar_name, name.digest or name.tag, platform, account)


def _pull(session: "Session", parsed: "Parsed") -> int:
    if not parsed.flag("disable-content-trust", True):
        raise NotSupported(
            "--disable-content-trust=false: signatures of Docker Content Trust are obsolete and are not verified here"
        )
    name, every, quiet = reference.parse(parsed.arguments[0]), parsed.flag("all-tags"), parsed.flag("quiet")
    if every and (name.tag or name.digest):
        raise InvalidArgument("tag can't be used with --all-tags/-a")
    if not every and not name.tag and not name.digest:
        name = name.with_default_tag()
        if not quiet:
            write(f"Using default tag: {name.tag}")
    show_messages(_messages(session, name, parsed.text("platform")), quiet=quiet)
    write(str(name))
    return 0


PULL = Command(
    "[OPTIONS] NAME[:TAG|@DIGEST]",
    "Download an image from a registry",
    _pull,
    (
        ("all-tags", "a", "bool", "Download all tagged images in the repository"),
        ("disable-content-trust", "", "bool", "Skip image verification (default true)"),
        ("platform", "", "string", "Set platform if server is multi-platform capable"),
        ("quiet", "q", "bool", "Suppress verbose output"),
    ),
    least=1,
    most=1,
    example="carrack pull debian:stable-slim\ncarrack pull --platform linux/arm64 registry.example.org/team/web:1",
)
