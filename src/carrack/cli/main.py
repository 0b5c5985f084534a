"""The program ``carrack``: global flags, the verb's module, and every failure turned into words and an exit code.

Only what every verb needs is imported here; the verb's own module is loaded by name (:mod:`carrack.cli.verbs`).
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.bundle import Bundles
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
    ("log-level", "l", "string", 'Set the logging level ("debug", "info", "warn", "error", "fatal"); debug is as -D'),
    ("tls", "", "bool", "Use TLS; implied by --tlsverify"),
    ("tlscacert", "", "string", "Trust certs signed only by this CA"),
    ("tlscert", "", "string", "Path to TLS certificate file"),
    ("tlskey", "", "string", "Path to TLS key file"),
    ("tlsverify", "", "bool", "Use TLS and verify the remote"),
    ("version", "v", "bool", "Print version information and quit"),
)
_BUILDS = ("build", "builder", "image")
"""Verbs that the user may have given to docker's plugin for builds."""
_GARBAGE = 100_000
"""Objects made before the collector looks for cycles: a long list has none, and no command that ends soon needs it."""
_LEVELS = ("debug", "info", "warn", "error", "fatal")


def main(words: list[str] | None = None, bundles: "Bundles | None" = None) -> int:
    """Run the program and return its exit code.

    Called without words, as the program is, it ends the process at once: taking the interpreter down piece by piece
    would cost more than many a verb. By ``bundles`` the verb's modules are loaded faster than by their paths.
    """
    from carrack.cli.exit import flush

    if words is None:
        import gc

        gc.set_threshold(_GARBAGE)
    code = flush(_run(sys.argv[1:] if words is None else words, bundles))
    if bundles is not None and not code:
        bundles.keep()
    if words is None:
        import posix

        sys.stderr.flush()
        posix._exit(code)
    return code


def _run(words: list[str], bundles: "Bundles | None") -> int:
    from carrack.cli.exit import SIGPIPE_CODE, failure_code

    if words and words[0] in ("--version", "-v"):
        return _print_version()
    if bundles is not None:
        bundles.bring("carrack.cli.command", "carrack.cli.verbs")
    from carrack.cli.command import Session, execute

    session = Session(_environment())
    try:
        command, rest = _resolve(session, words, bundles)
        return execute(session, command, rest)
    except BrokenPipeError:
        return SIGPIPE_CODE
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        return failure_code(error, session.debug)


def _resolve(session: "Session", words: list[str], bundles: "Bundles | None") -> "tuple[Command, list[str]]":
    """Read the global flags and find the verb; gives it with its own words. Raises Exit when there is no more to do."""
    from carrack.cli.exit import Exit
    from carrack.cli.flags import UsageError, parse
    from carrack.cli.verbs import GROUPS, place

    try:
        parsed = parse(_GLOBAL, words, interspersed=False)
    except UsageError as error:
        usage = "Usage:  carrack [OPTIONS] COMMAND [ARG...]\n\nRun 'carrack --help' for more information"
        raise Exit(error.exit_code, f"{error}\n\n{usage}") from error
    _configure(session, parsed)
    rest = parsed.arguments
    if parsed.flag("version"):
        raise Exit(_print_version())
    if parsed.flag("help") or not rest or rest[0] == "help":
        raise Exit(_help(rest[1:]))
    if rest[0] in ("bake", "buildx") or (rest[0] in _BUILDS and session.settings.aliases()):
        from carrack.cli import plugins

        session.verb = rest[0]
        if (theirs := plugins.forwarded(session, rest)) is not None:
            plugins.run(session, words[: len(words) - len(rest)], theirs)
    group = rest.pop(0) if rest[0] in GROUPS else ""
    if group and (not rest or rest[0] in ("--help", "-h", "help")):
        raise Exit(_help([group, *rest[1:]]))
    session.verb = f"{group} {rest[0]}".strip()
    where = place(group, rest[0])
    if where is None:
        raise Exit(1, _unknown(session, group, rest[0]))
    return load(where, bundles), rest[1:]


def _unknown(session: "Session", group: str, verb: str) -> str:
    from carrack.cli.verbs import is_refused

    if (group, verb) == ("", "trust"):
        return (
            "carrack: 'carrack trust' is obsolete: docker has dropped its signatures (Notary v1) in version 29; "
            "sign with cosign or notation, which keep theirs in the registry"
        )
    if is_refused(group, verb):
        hint = "; make or load images with: carrack image bootstrap | carrack load" if verb == "build" else ""
        return f"carrack: '{session.name}' is not built yet{hint}"
    usage = f"\n\nUsage:  carrack {group}" if group else ""
    topic = f"carrack {group}".rstrip()
    return f"carrack: unknown command: {session.name}{usage}\n\nRun '{topic} --help' for more information"


def load(where: str, bundles: "Bundles | None" = None) -> "Command":
    """The command at ``module:NAME`` of :mod:`carrack.cli.commands`."""
    module, _, name = where.partition(":")
    path = f"carrack.cli.commands.{module}"
    if bundles is None:
        __import__(path)
    else:
        bundles.bring(path)
    command: Command = getattr(sys.modules[path], name)
    return command


def _configure(session: "Session", parsed: "Parsed") -> None:
    from carrack.errors import InvalidArgument

    hosts, level = parsed.words("host"), parsed.text("log-level", "info")
    if len(hosts) > 1:
        raise InvalidArgument("specify only one -H")
    if level not in _LEVELS:
        raise InvalidArgument(f"Unable to parse logging level: {level}")
    session.debug = parsed.flag("debug") or level == "debug"
    session.host = hosts[0] if hosts else None
    session.context = parsed.text("context") or None
    session.config = parsed.text("config") or None
    verify = parsed.flag("tlsverify")
    if verify or parsed.flag("tls"):
        from carrack.client.context import Tls, configuration, files_in

        directory = session.environment.get("DOCKER_CERT_PATH") or configuration(session.config, session.environment)
        found = files_in(directory, verify=verify)
        session.tls = Tls(
            parsed.text("tlscacert") or found.ca,
            parsed.text("tlscert") or found.certificate,
            parsed.text("tlskey") or found.key,
            verify,
        )


def _environment() -> dict[str, str]:
    """The environment without the module ``os``, which costs more than all of this program's flags together."""
    import posix

    return {
        name.decode("utf-8", "surrogateescape"): value.decode("utf-8", "surrogateescape")
        for name, value in posix.environ.items()
    }


def _help(words: list[str]) -> int:
    from carrack.cli.help import show

    return show(words, _GLOBAL)


def _print_version() -> int:
    from carrack import __version__

    sys.stdout.write(f"Carrack version {__version__}\n")
    return 0
