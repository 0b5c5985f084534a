"""``carrack registry``: a registry of one's own, as a program that takes this one's place."""

import posix
import sys

from carrack.cli.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed

_PROGRAM = "import sys; from carrack.registry_server.main import main; sys.exit(main())"
_FLAGS = (
    ("config", "", "string", "Configuration file (TOML); flags go over it"),
    ("root", "", "string", "Where everything is kept (default /var/lib/carrack-registry)"),
    ("listen", "", "list", "Address to listen on, HOST:PORT or unix:///PATH (default 127.0.0.1:5000)"),
    ("tls-cert", "", "string", "TLS certificate with its chain, in PEM"),
    ("tls-key", "", "string", "Key of the TLS certificate"),
    ("htpasswd", "", "string", "File of users and bcrypt hashes; without it everyone may everything"),
    ("tokens", "", "bool", "Give tokens for passwords (needed where some may pull without a password)"),
    ("proxy", "", "string", "URL of a registry to stand before: what is pulled through is kept, nothing is pushed"),
    ("read-only", "", "bool", "Refuse pushes and deletions, and collect no garbage"),
    ("log-level", "", "string", 'Set the logging level ("debug", "info", "warning", "error")'),
)


def _serve(session: "Session", parsed: "Parsed") -> int:
    words = ["serve"]
    for name, _, kind, _ in _FLAGS:
        if kind == "list":
            words += [f"--{name}={value}" for value in parsed.words(name)]
        elif kind == "bool":
            words += [f"--{name}"] if parsed.flag(name) else []
        elif parsed.text(name):
            words.append(f"--{name}={parsed.text(name)}")
    return _become(words)


def _password(session: "Session", parsed: "Parsed") -> int:
    return _become(["password", "--", *parsed.arguments])


def _become(words: list[str]) -> int:
    sys.stdout.flush()
    posix.execv(sys.executable, [sys.executable, "-c", _PROGRAM, *words])
    return 127


SERVE = Command(
    "[OPTIONS]",
    "Serve a registry to push to and pull from",
    _serve,
    _FLAGS,
    example="carrack registry serve\n"
    "carrack registry serve --listen :5000 --tls-cert cert.pem --tls-key key.pem --htpasswd users",
)
PASSWORD = Command(
    "USER",
    "Print a line for the registry's file of users; the password is asked for, or read from a pipe",
    _password,
    least=1,
    most=1,
    example="carrack registry password alice >> users",
)
