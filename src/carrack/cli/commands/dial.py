"""``carrack system dial-stdio``: the daemon's socket on standard input and output, for clients that come by ssh."""

from carrack.cli.command import Command
from carrack.cli.streams import exchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed


def _dial(session: "Session", _: "Parsed") -> int:
    exchange(session.daemon.connect().detach(), stdin=True, raw=True)
    return 0


DIAL = Command(
    "",
    "Proxy the stdio stream to the daemon connection",
    _dial,
    example="ssh host carrack system dial-stdio",
)
