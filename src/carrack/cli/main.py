"""The program ``carrack``: global flags, the verb's module, and every failure turned into words and an exit code.

Only what every verb needs is imported here; the verb's own module is loaded by name (:mod:`carrack.cli.verbs`).
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Command, Session
    from carrack.cli.flags import Parsed

_GLOBAL = (
    ("config", "", "string", "Location of client config files (default ~/.docker)"),
    (
        "context",
        "c",
        "string",
        "Name of the context to use to connect to the daemon (overrides CARRACK_HOST and DOCKER_HOST)",
    ),
    ("debug", "D", "bool", "Show where in the program an error comes from"),
    ("host", "H", "list", "Daemon socket to connect to (default unix:///run/carrack.sock)"),
    ("log-level", "l", "string", 'Set the logging level ("debug", "info", "warn", "error", "fatal")'),
    ("tls", "", "bool", "Use TLS; implied by --tlsverify"),
    ("tlscacert", "", "string", "Trust certs signed only by this CA"),
    ("tlscert", "", "string", "Path to TLS certificate file"),
    ("tlskey", "", "string", "Path to TLS key file"),
    ("tlsverify", "", "bool", "Use TLS and verify the remote"),
    ("version", "v", "bool", "Print version information and quit"),
)


def main(words: list[str] | None = None) -> int:
    """Run the program and return its exit code.

    Called without words, as the program is, it ends the process at once: taking the interpreter down piece by piece
    would cost more than many a verb.
    """
    from carrack.cli.exit import flush

    code = flush(_run(sys.argv[1:] if words is None else words))
    if words is None:
        import os

        sys.stderr.flush()
        os._exit(code)
    return code


def _run(words: list[str]) -> int:
    from carrack.cli.exit import SIGPIPE_CODE, failure_code

    debug = False
    try:
        if words and words[0] in ("--version", "-v"):
            return _print_version()
        session, command, rest, debug = _resolve(words)
        if command is None:
            return int(rest[0])
        from carrack.cli.command import execute

        return execute(session, command, rest)
    except BrokenPipeError:
        return SIGPIPE_CODE
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        return failure_code(error, debug)


def _resolve(words: list[str]) -> "tuple[Session, Command | None, list[str], bool]":
    """Find the verb: its session, command and words; without a command, the one word is an exit code."""
    import os

    from carrack.cli.command import Session, write_error
    from carrack.cli.flags import UsageError, parse
    from carrack.cli.verbs import GROUPS, is_refused, place

    session = Session(os.environ)
    try:
        parsed = parse(_GLOBAL, words, interspersed=False)
        _configure(session, parsed)
    except UsageError as error:
        write_error(
            f"{error}\n\nUsage:  carrack [OPTIONS] COMMAND [ARG...]\n\nRun 'carrack --help' for more information"
        )
        return session, None, ["125"], False
    debug, rest = parsed.flag("debug"), parsed.arguments
    if parsed.flag("version"):
        return session, None, [str(_print_version())], debug
    if parsed.flag("help") or not rest or rest[0] == "help":
        return session, None, [str(_help(rest[1:]))], debug
    group = ""
    if rest[0] in GROUPS:
        group, rest = rest[0], rest[1:]
        if not rest or rest[0] in ("--help", "-h", "help"):
            return session, None, [str(_help([group, *rest[1:]]))], debug
    verb = rest[0]
    where = place(group, verb)
    session.verb = f"{group} {verb}".strip()
    if where is not None:
        return session, load(where), rest[1:], debug
    if is_refused(group, verb):
        hint = "; make or load images with: carrack image bootstrap | carrack load" if verb in ("pull", "build") else ""
        write_error(f"carrack: '{session.name}' is not built yet{hint}")
    else:
        usage = f"\n\nUsage:  carrack {group} COMMAND" if group else ""
        topic = f"carrack {group}".rstrip()
        write_error(f"carrack: unknown command: {session.name}{usage}\n\nRun '{topic} --help' for more information")
    return session, None, ["1"], debug


def load(where: str) -> "Command":
    """The command at ``module:NAME`` of :mod:`carrack.cli.commands`."""
    module, _, name = where.partition(":")
    path = f"carrack.cli.commands.{module}"
    __import__(path)
    command: Command = getattr(sys.modules[path], name)
    return command


def _configure(session: "Session", parsed: "Parsed") -> None:
    hosts = parsed.words("host")
    if len(hosts) > 1:
        from carrack.errors import InvalidArgument

        raise InvalidArgument("specify only one -H")
    session.host = hosts[0] if hosts else None
    session.context = parsed.text("context") or None
    session.config = parsed.text("config") or None
    verify = parsed.flag("tlsverify")
    if verify or parsed.flag("tls"):
        from carrack.client.context import Tls, files_in

        home = (
            session.config
            or session.environment.get("DOCKER_CONFIG")
            or session.environment.get("HOME", "/root") + "/.docker"
        )
        found = files_in(session.environment.get("DOCKER_CERT_PATH") or home, verify=verify)
        session.tls = Tls(
            parsed.text("tlscacert") or found.ca,
            parsed.text("tlscert") or found.certificate,
            parsed.text("tlskey") or found.key,
            verify,
        )


def _help(words: list[str]) -> int:
    from carrack.cli.help import show

    return show(words, _GLOBAL)


def _print_version() -> int:
    from carrack import __version__

    sys.stdout.write(f"Carrack version {__version__}\n")
    return 0
