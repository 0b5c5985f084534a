"""``carrack login`` and ``logout``: accounts at registries, checked by the daemon and kept with the user."""

import posix
import sys

from carrack.cli import notice, terminal
from carrack.cli.command import Command, write, write_error
from carrack.cli.exit import Exit
from carrack.client import registry
from carrack.client.account import HUB, Account, key_of, place_of
from carrack.client.credential_helper import HelperError
from carrack.client.transport import Refused
from carrack.errors import CarrackError, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

_NO_TERMINAL = "Error: Cannot perform an interactive login from a non TTY device"
_OTHER_ACCOUNT = "To login with a different account, run 'docker logout' followed by 'docker login'"
_SIGN_UP = (
    "Log in with your Docker ID or email address to push and pull images from Docker Hub. "
    "If you don't have a Docker ID, head over to https://hub.docker.com/ to create one."
)
_PAT = "A Personal Access Token (PAT) can be used instead.\nTo create a PAT, visit https://app.docker.com/settings\n\n"
_PLAIN = (
    "\nWARNING! Your credentials are stored unencrypted in '{}'.\n"
    "Configure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n"
)


def _login(session: "Session", parsed: "Parsed") -> int:
    _warn_of_variable(session)
    username, password = _given(parsed)
    place = _place(parsed.arguments)
    known = Account(key_of(place))
    if not username and not password:
        known = session.credentials.for_repository(place)
        if known.username and known.password and (answer := _again(session, known)) is not None:
            return _keep(session, place, known, answer)
    account = _asked(place, username, password, known.username)
    return _keep(session, place, account, registry.login(session.daemon, account))


def _given(parsed: "Parsed") -> tuple[str, str]:
    """User and password as far as the command line and standard input say them."""
    username, password = parsed.text("username"), parsed.text("password")
    for name in ("username", "password"):
        if parsed.given(name) and not parsed.text(name):
            raise InvalidArgument(f"{name} is empty")
    from_input = parsed.flag("password-stdin")
    if password and from_input:
        raise InvalidArgument("conflicting options: cannot specify both --password and --password-stdin")
    if password:
        write_error("WARNING! Using --password via the CLI is insecure. Use --password-stdin.")
    if from_input:
        if not username:
            raise InvalidArgument("the --password-stdin option requires --username to be set")
        data = sys.stdin.buffer.read(1 << 20).decode("utf-8", "surrogateescape")
        password = data.removesuffix("\n").removesuffix("\r")
    return username, password


def _place(arguments: list[str]) -> str:
    """``host`` or ``host/path`` to log in to; Docker Hub where none is named."""
    return place_of(arguments[0]) if arguments and arguments[0] else "docker.io"


def _again(session: "Session", account: Account) -> "Document | None":
    """Try the account that is kept; None when it is not accepted any more."""
    write_error(f"Authenticating with existing credentials... [Username: {account.username}]")
    notice.show(_OTHER_ACCOUNT)
    write_error("\n")
    try:
        return registry.login(session.daemon, account)
    except Refused as error:
        if error.status == 401:
            write_error("Stored credentials invalid or expired")
        else:
            write_error(f"Login did not succeed, error: Error response from daemon: {error}")
        return None


def _asked(place: str, username: str, password: str, known: str) -> Account:
    """The account that the user names; what is missing is asked for on the terminal."""
    username, password = username.strip(), password.strip()
    if (not username or not password) and not posix.isatty(0):
        raise Exit(1, _NO_TERMINAL)
    if not username:
        if place == "docker.io":
            write(_SIGN_UP)
        username = _line(f"Username ({known}): " if known else "Username: ") or known
    if not username:
        raise Exit(1, "Error: Non-null Username Required")
    if not password:
        if place == "docker.io":
            notice.show(_PAT)
        with terminal.NoEcho(0):
            password = _line("Password: ")
            write("")
    if not password:
        raise Exit(1, "Error: Password Required")
    return Account(key_of(place.partition("/")[0]), username, password)


def _line(prompt: str) -> str:
    write(prompt, end="")
    sys.stdout.flush()
    return sys.stdin.readline().strip()


def _keep(session: "Session", place: str, account: Account, answer: "Document") -> int:
    token = answer.get("IdentityToken") or ""
    if token:  # it stands for the password from now on, which need not be kept
        account = Account(account.server, account.username, "", token)
    credentials = session.credentials
    try:
        new = credentials.store(place, account)
    except (HelperError, OSError) as error:
        raise InvalidArgument(f"Error saving credentials: {error}") from error
    if new and credentials.is_plain(place):
        write_error(_PLAIN.format(credentials.path))
    if answer.get("Status"):
        write(str(answer["Status"]))
    return 0


def _warn_of_variable(session: "Session") -> None:
    from carrack.client.credentials import VARIABLE

    if session.environment.get(VARIABLE):
        notice.show(f"{VARIABLE} is set and takes precedence.\nUnset {VARIABLE} to restore the CLI auth behaviour.")


def _logout(session: "Session", parsed: "Parsed") -> int:
    _warn_of_variable(session)
    place = _place(parsed.arguments)
    key = key_of(place)
    write(f"Removing login credentials for {HUB if place == 'docker.io' else key}")
    try:
        session.credentials.erase(place)
    except (CarrackError, OSError) as error:
        raise Exit(1, f"could not erase credentials of {key}: {error}") from error
    return 0


LOGIN = Command(
    "[OPTIONS] [SERVER]",
    "Authenticate to a registry, Docker Hub if none is named",
    _login,
    (
        ("password", "p", "string", "Password or Personal Access Token (PAT)"),
        ("password-stdin", "", "bool", "Take the Password or Personal Access Token (PAT) from stdin"),
        ("username", "u", "string", "Username"),
    ),
    most=1,
    example="carrack login -u me registry.example.org\n"
    "echo $TOKEN | carrack login -u robot --password-stdin registry.example.org/team",
)
LOGOUT = Command(
    "[SERVER]",
    "Log out from a registry, Docker Hub if none is named",
    _logout,
    most=1,
    example="carrack logout registry.example.org",
)
