"""What a verb is: its usage, flags, help and the function that does it; and the session in which it runs."""

import sys

from carrack.cli.flags import Parsed, UsageError, parse
from carrack.client.context import choose, configuration
from carrack.client.settings import Settings
from carrack.client.transport import Daemon, Refused, Unreachable
from carrack.errors import CarrackError, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from carrack.cli.flags import Flag
    from carrack.client.context import Tls
    from carrack.client.credentials import Credentials

PROGRAM = "carrack"


class Command:
    """One verb. ``usage`` is what follows its name; ``least`` and ``most`` bound its arguments (None: no bound)."""

    __slots__ = ("example", "flags", "interspersed", "least", "most", "run", "short", "usage")

    def __init__(
        self,
        usage: str,
        short: str,
        run: "Callable[[Session, Parsed], int]",
        flags: "Sequence[Flag]" = (),
        *,
        least: int = 0,
        most: int | None = 0,
        interspersed: bool = True,
        example: str = "",
    ) -> None:
        self.usage = usage
        self.short = short
        self.run = run
        self.flags = flags
        self.least = least
        self.most = most
        self.interspersed = interspersed
        self.example = example


class Session:
    """One run of the program: the daemon it speaks to (connected when first used), its name and environment."""

    def __init__(self, environment: "Mapping[str, str]") -> None:
        self.environment = environment
        self.verb = ""
        self.debug = False
        self.host: str | None = None
        self.context: str | None = None
        self.config: str | None = None
        self.tls: Tls | None = None
        self._daemon: Daemon | None = None
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """What the user's configuration file says of formats, keys, proxies, headers and filters."""
        if self._settings is None:
            self._settings = Settings(configuration(self.config, self.environment))
        return self._settings

    @property
    def daemon(self) -> Daemon:
        if self._daemon is None:
            host = choose(self.host, self.context, self.tls, self.environment, self.config)
            version = self.environment.get("DOCKER_API_VERSION") or None
            self._daemon = Daemon(host, version, self.settings.headers())
        return self._daemon

    @property
    def credentials(self) -> "Credentials":
        """The user's accounts at registries."""
        from carrack.client.credentials import Credentials

        return Credentials(configuration(self.config, self.environment), self.environment, write_error)

    @property
    def context_name(self) -> str:
        """The context that is used, ``default`` where a host is named or nothing is."""
        from carrack.client.context import named_by

        return named_by(self.host, self.context, self.environment, self.config) or "default"

    def close(self) -> None:
        if self._daemon is not None:
            self._daemon.close()

    @property
    def name(self) -> str:
        """The verb as the user knows it: ``carrack container ls``."""
        return f"{PROGRAM} {self.verb}".rstrip()


def execute(session: Session, command: Command, words: list[str]) -> int:
    """Parse and run; usage errors are told here, other failures are the caller's."""
    try:
        parsed = parse(command.flags, words, interspersed=command.interspersed)
        if parsed.flag("help"):
            from carrack.cli.help import command_help

            write(command_help(session.verb, command))
            return 0
        _check_count(session, command, len(parsed.arguments))
    except UsageError as error:
        prefix = f"{PROGRAM}: " if error.exit_code == 1 else ""
        write_error(f"{prefix}{error}\n\nUsage:  {session.name}{' ' if command.usage else ''}{command.usage}")
        hint = "See" if error.exit_code == 1 and command.most is None else "Run"  # as docker has it
        write_error(f"\n{hint} '{session.name} --help' for more information")
        return error.exit_code
    try:
        return command.run(session, parsed)
    finally:
        session.close()


_EMPTY = "invalid container name or ID: value is empty"
EMPTY_NETWORK = "invalid network name or ID: value is empty"


def each(session: Session, names: list[str], action: "Callable[[str], str | None]", empty: str = _EMPTY) -> int:
    """Do something to each name and print what it gives (None: its name); a failure does not stop the rest."""
    failed = 0
    for name in names:
        try:
            checked(name, empty)
            done = action(name)
        except (CarrackError, OSError) as error:
            if isinstance(error, Unreachable):
                raise
            write_error(describe(error))
            failed = 1
        else:
            if done != "":
                write(name if done is None else done)
    return failed


def checked(name: str, empty: str = _EMPTY) -> str:
    """Refuse the empty name, which would ask for another resource."""
    if not name.strip():
        raise InvalidArgument(empty)
    return name


def describe(error: BaseException) -> str:
    """An error as the user reads it."""
    if isinstance(error, Refused):
        return f"Error response from daemon: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def write(text: str, end: str = "\n") -> None:
    sys.stdout.write(text + end)


def write_error(text: str, end: str = "\n") -> None:
    sys.stdout.flush()
    sys.stderr.write(text + end)
    sys.stderr.flush()


def _check_count(session: Session, command: Command, count: int) -> None:
    least, most = command.least, command.most
    if count >= least and (most is None or count <= most):
        return
    plural = "s" if (most if count > least else least) != 1 else ""
    if most == 0:
        wanted = "accepts no arguments"
    elif most is None:
        wanted = f"requires at least {least} argument{plural}"
    elif least == most:
        wanted = f"requires {least} argument{plural}"
    elif least:
        wanted = f"requires at least {least} and at most {most} arguments"
    else:
        wanted = f"requires at most {most} argument{plural}"
    raise UsageError(f"'{session.name}' {wanted}", 1)
