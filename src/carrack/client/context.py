"""Which daemon is meant: ``--host``, the environment, a named context, or the socket of this machine's own daemon.

Named contexts themselves are in :mod:`carrack.client.contexts`, which is loaded only where one is named.
"""

from carrack.errors import InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_UNRESOLVED = "Failed to initialize: unable to resolve docker endpoint: "
DEFAULT_HOST = "unix:///run/carrack.sock"


class Tls:
    """Files of a TLS client, each None when not given; without ``verify`` the server is not checked."""

    __slots__ = ("ca", "certificate", "key", "verify")

    def __init__(self, ca: str | None, certificate: str | None, key: str | None, verify: bool) -> None:
        self.ca = ca
        self.certificate = certificate
        self.key = key
        self.verify = verify


class Host:
    """Where a daemon listens: ``scheme`` unix (``address`` is a path), tcp (a name and ``port``) or ssh."""

    __slots__ = ("address", "environment", "port", "scheme", "tls", "url")

    def __init__(self, url: str, scheme: str, address: str, port: int = 0, tls: Tls | None = None) -> None:
        self.url = url
        self.scheme = scheme
        self.address = address
        self.port = port
        self.tls = tls
        self.environment: Mapping[str, str] = {}  # for the program that makes the way to it, where one does


def parse_host(url: str, tls: Tls | None = None) -> Host:
    """Read ``unix:///path``, ``tcp://name:port``, ``name:port`` or ``ssh://user@name``; refuses what is malformed."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "tcp", url
    if scheme == "unix":
        if not rest.startswith("/"):
            raise InvalidArgument(f"invalid host {url!r}: a Unix socket is named as unix:///absolute/path")
        return Host(url, "unix", rest)
    if scheme in ("tcp", "http", "https"):
        name, port = _name_and_port(url, rest.rstrip("/"), 2376 if tls or scheme == "https" else 2375)
        return Host(
            f"tcp://{rest}", "tcp", name, port, tls or (Tls(None, None, None, True) if scheme == "https" else None)
        )
    if scheme == "ssh":
        from carrack.client.ssh import arguments

        arguments(url)  # refuses what is malformed
        return Host(url, "ssh", rest)
    raise InvalidArgument(f"{_UNRESOLVED}invalid bind address format: {url}")


def choose(
    host: str | None, context: str | None, tls: Tls | None, environment: "Mapping[str, str]", config: str | None = None
) -> Host:
    """The daemon meant by a flag, CARRACK_HOST, DOCKER_HOST, DOCKER_CONTEXT or ``context use``, in this order."""
    if host and context:
        raise InvalidArgument("conflicting options: cannot specify both --host and --context")
    directory = configuration(config, environment)
    if not context:
        context = named_by(host, context, environment, config)
        host = host or environment.get("CARRACK_HOST") or environment.get("DOCKER_HOST")
    if context and context != "default":
        chosen = named(context, directory)
    else:
        chosen = parse_host(host or DEFAULT_HOST, tls or _environment_tls(environment, directory))
    chosen.environment = environment
    return chosen


def named_by(host: str | None, context: str | None, environment: "Mapping[str, str]", config: str | None) -> str | None:
    """The name of the context that is meant, None where a host is named instead."""
    if context:
        return context
    if host or environment.get("CARRACK_HOST") or environment.get("DOCKER_HOST"):
        return None
    return environment.get("DOCKER_CONTEXT") or _used(configuration(config, environment))


def configuration(given: str | None, environment: "Mapping[str, str]") -> str:
    """The directory of client files: ``--config``, DOCKER_CONFIG, or ``.docker`` at home."""
    return given or environment.get("DOCKER_CONFIG") or environment.get("HOME", "/root") + "/.docker"


def named(name: str, directory: str) -> Host:
    """The host of a context kept below ``directory``; :class:`NotFound` when there is none of that name."""
    from carrack.client.contexts import Store

    store = Store(directory)
    try:
        context = store.get(name)
    except NotFound as error:
        raise NotFound(f"Failed to initialize: unable to resolve docker endpoint: {error}") from error
    if not context.host:
        raise InvalidArgument(f'context "{name}" names no docker endpoint')
    return parse_host(context.host, _context_tls(f"{store.tls_path(name)}/docker", context.unverified))


def _used(directory: str) -> str:
    """The context that ``context use`` chose, empty for none; a look costs next to nothing where there is no file."""
    try:
        with open(f"{directory}/config.json", "rb") as file:
            data = file.read(1 << 20)
    except OSError:
        return ""
    if b"currentContext" not in data:
        return ""
    from carrack.client.contexts import Store

    return Store(directory).current()


def _environment_tls(environment: "Mapping[str, str]", directory: str) -> Tls | None:
    """TLS as DOCKER_TLS_VERIFY and DOCKER_CERT_PATH ask for it."""
    if not environment.get("DOCKER_TLS_VERIFY"):
        return None
    return files_in(environment.get("DOCKER_CERT_PATH") or directory, verify=True)


def files_in(directory: str, *, verify: bool) -> Tls:
    """The files ``ca.pem``, ``cert.pem`` and ``key.pem`` of a directory, as far as they are there."""
    ca, certificate, key = (_existing(f"{directory}/{name}") for name in ("ca.pem", "cert.pem", "key.pem"))
    return Tls(ca, certificate, key, verify)


def _context_tls(directory: str, unverified: bool) -> Tls | None:
    tls = files_in(directory, verify=not unverified)
    return tls if tls.ca or tls.certificate or unverified else None


def _existing(path: str) -> str | None:
    try:
        open(path, "rb").close()
    except OSError:
        return None
    return path


def _name_and_port(url: str, text: str, default: int) -> tuple[str, int]:
    name, colon, port = text.rpartition(":")
    if text.endswith("]") or not colon:
        name, port = text, str(default)
    if not port.isdigit() or not 0 < int(port) < 65536 or "/" in name:
        port = name.partition(":")[2] + ":" + port if ":" in name.strip("[]") and not name.startswith("[") else port
        raise InvalidArgument(f'{_UNRESOLVED}parse "{url}": invalid port ":{port.rpartition(":")[2]}" after host')
    return name.strip("[]") or "127.0.0.1", int(port)
