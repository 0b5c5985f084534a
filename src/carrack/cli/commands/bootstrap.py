"""``carrack image bootstrap``: a base image from the distribution's own packages, without any registry."""

from carrack.cli.command import Command
from carrack.cli.render.progress import show_messages
from carrack.client import images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed


def _bootstrap(session: "Session", parsed: "Parsed") -> int:
    for name in parsed.arguments:
        show_messages(images.bootstrap(session.daemon, name), parsed.flag("quiet"))
    return 0


BOOTSTRAP = Command(
    "[OPTIONS] NAME [NAME...]",
    "Make a base image from the distribution's own packages",
    _bootstrap,
    (("quiet", "q", "bool", "Suppress progress output"),),
    least=1,
    most=None,
    example="carrack image bootstrap busybox\ncarrack image bootstrap debian:bookworm",
)
