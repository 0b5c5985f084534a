"""``carrack context``: names for daemons, shared with the docker command."""

import posix

from carrack.cli.command import Command, describe, write, write_error
from carrack.cli.exit import Exit
from carrack.client.context import DEFAULT_HOST, configuration
from carrack.client.contexts import DEFAULT, TLS_FILES, Context, Store, check_name, quoted
from carrack.errors import CarrackError, Conflict, InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Flag, Parsed
    from carrack.client.document import Document

_HEADINGS = {
    "Current": "CURRENT",
    "Name": "NAME",
    "Description": "DESCRIPTION",
    "DockerEndpoint": "DOCKER ENDPOINT",
    "Error": "ERROR",
}
_DEFAULT_TEXT = "Current DOCKER_HOST based configuration"
_KEYS = ("from", "host", *TLS_FILES, "skip-tls-verify")


def _store(session: "Session") -> Store:
    return Store(configuration(session.config, session.environment))


def current(session: "Session") -> str:
    """The name of the context that commands use now."""
    return session.context_name


def _default(session: "Session") -> Context:
    environment = session.environment
    host = session.host or environment.get("CARRACK_HOST") or environment.get("DOCKER_HOST") or DEFAULT_HOST
    return Context(DEFAULT, host)


def _get(session: "Session", name: str) -> Context:
    return _default(session) if name == DEFAULT else _store(session).get(name)


def _create(session: "Session", parsed: "Parsed") -> int:
    name, store = parsed.arguments[0], _store(session)
    check_name(name)
    if name in store:
        raise Conflict(f"context {quoted(name)} already exists")
    source, wanted = parsed.text("from"), _pairs(parsed)
    if source and wanted:
        raise InvalidArgument("cannot use --docker flag when --from is set")
    if wanted:
        made = _from_pairs(session, wanted)
    else:
        made = _get(session, source or current(session))
        if made.name == DEFAULT:
            made.description = _DEFAULT_TEXT
    made.name = name
    if wanted or parsed.given("description"):
        made.description = parsed.text("description")
    store.add(made)
    write(name)
    write_error(f"Successfully created context {quoted(name)}")
    return 0


def _update(session: "Session", parsed: "Parsed") -> int:
    name, store = parsed.arguments[0], _store(session)
    made = store.get(name)
    if parsed.given("description"):
        made.description = parsed.text("description")
    if wanted := _pairs(parsed):
        endpoint = _from_pairs(session, wanted)
        made.host, made.unverified, made.tls = endpoint.host, endpoint.unverified, endpoint.tls
    store.put(made)
    write(name)
    write_error(f"Successfully updated context {quoted(name)}")
    return 0


def _pairs(parsed: "Parsed") -> dict[str, str]:
    """``--docker host=…,ca=…``, which may be given several times."""
    pairs: dict[str, str] = {}
    for each in parsed.value("docker") or []:
        pairs.update(each)
    return pairs


def _from_pairs(session: "Session", pairs: dict[str, str]) -> Context:
    """The endpoint that ``--docker`` describes; the files are read now, as the context keeps its own."""
    told = "unable to create docker endpoint config"
    for key in pairs:
        if key not in _KEYS:
            raise InvalidArgument(f"{told}: unrecognized config key: {key}")
    if source := pairs.get("from"):
        taken = _get(session, source)
        return Context("", taken.host, unverified=taken.unverified, tls=taken.tls)
    word = pairs.get("skip-tls-verify", "") or "false"
    if word not in ("1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False"):
        raise InvalidArgument(f'{told}: skip-tls-verify: parsing "{word}": invalid syntax')
    tls = {}
    for key, file in TLS_FILES.items():
        if path := pairs.get(key):
            try:
                with open(path, "rb") as opened:
                    tls[file] = opened.read()
            except OSError as error:
                raise InvalidArgument(f"{told}: open {path}: {(error.strerror or '').lower()}") from error
    _check_keys(tls, f"{told}: invalid docker endpoint options")
    return Context("", pairs.get("host", ""), unverified=word[0] in "1tT", tls=tls)


def _check_keys(tls: dict[str, bytes], told: str) -> None:
    """See that the files are what they are given as; what is in them, the connection shows."""
    if "ca.pem" in tls and b"-----BEGIN CERTIFICATE-----" not in tls["ca.pem"]:
        raise InvalidArgument(f"{told}: failed to retrieve context tls info: ca.pem seems invalid")
    if "key.pem" in tls and b"PRIVATE KEY-----" not in tls["key.pem"]:
        raise InvalidArgument(f"{told}: no valid private key found")


def _list(session: "Session", parsed: "Parsed") -> int:
    used, store = current(session), _store(session)
    default = _default(session)
    default.description = _DEFAULT_TEXT
    found = sorted([default, *store.all()], key=lambda context: context.name)
    if parsed.flag("quiet"):
        for context in found:
            write(context.name)
        return 0
    form = "json" if parsed.flag("json") else parsed.text("format")
    starred = form in ("", "table")
    rows = [_row(context, used, starred) for context in found]
    if used not in [context.name for context in found]:
        missing = f"open {store.meta_path(used)}/meta.json: no such file or directory"
        error = f"context {quoted(used)}: context not found: {missing}"
        row = _row(Context(used, ""), used, starred)
        rows.append({**row, "Error": error})
        rows.sort(key=lambda row: str(row["Name"]))
    from carrack.cli.render.table import print_rows

    print_rows(rows, _HEADINGS, "Name Description DockerEndpoint Error", form, "*formatter.clientContextContext")
    if session.environment.get("DOCKER_HOST") and not session.context:
        write_error(
            "Warning: DOCKER_HOST environment variable overrides the active context. "
            "To use a context, either set the global --context flag, or unset DOCKER_HOST environment variable."
        )
    return 0


def _row(context: Context, used: str, starred: bool) -> "dict[str, Any]":
    star = " *" if starred and context.name == used else ""
    return {
        "Current": context.name == used,
        "Name": context.name + star,
        "Description": context.description,
        "DockerEndpoint": context.host,
        "Error": "",
    }


def _use(session: "Session", parsed: "Parsed") -> int:
    name, store = parsed.arguments[0], _store(session)
    if name != DEFAULT:
        store.get(name)
    store.use("" if name == DEFAULT else name)
    write(name)
    write_error(f"Current context is now {quoted(name)}")
    variable = next((v for v in ("CARRACK_HOST", "DOCKER_HOST") if session.environment.get(v)), "")
    if name != DEFAULT and variable:
        write_error(
            f"Warning: {variable} environment variable overrides the active context. To use {quoted(name)}, "
            f"either set the global --context flag, or unset {variable} environment variable."
        )
    return 0


def _show(session: "Session", _: "Parsed") -> int:
    name = current(session)
    if name != DEFAULT:
        _store(session).get(name)
    write(name)
    return 0


def _remove(session: "Session", parsed: "Parsed") -> int:
    store, used, failed = _store(session), current(session), 0
    for name in parsed.arguments:
        try:
            _remove_one(store, name, used, force=parsed.flag("force"))
        except CarrackError as error:
            write_error(describe(error))
            failed = 1
        else:
            write(name)
    return failed


def _remove_one(store: Store, name: str, used: str, *, force: bool) -> None:
    if name == DEFAULT:
        raise InvalidArgument('context "default" cannot be removed')
    if name not in store and not force:
        raise NotFound(f"context {quoted(name)} does not exist")
    if name == used:
        if not force:
            raise Conflict(f"context {quoted(name)} is in use, set -f flag to force remove")
        store.use("")
    store.remove(name)


def inspected(session: "Session", name: str) -> "Document":
    """What ``inspect`` shows of a context."""
    context, store = _get(session, name), _store(session)
    kept = name != DEFAULT
    return {
        **context.metadata(),
        "TLSMaterial": {"docker": list(context.tls)} if context.tls else {},
        "Storage": {
            "MetadataPath": store.meta_path(name) if kept else "<IN MEMORY>",
            "TLSPath": store.tls_path(name) if kept else "<IN MEMORY>",
        },
    }


def _inspect(session: "Session", parsed: "Parsed") -> int:
    from carrack.cli.commands.inspect import show

    names = parsed.arguments or [current(session)]
    return show(names, lambda name: inspected(session, name), parsed)


def _export(session: "Session", parsed: "Parsed") -> int:
    from carrack.cli.context_archive import pack

    name = parsed.arguments[0]
    target = parsed.arguments[1] if len(parsed.arguments) > 1 else f"{name}.dockercontext"
    data = pack(_get(session, name))
    if target == "-":
        if posix.isatty(1):
            raise Exit(1, "cowardly refusing to export to a terminal, specify a file path")
        from carrack.cli.streams import write_all

        write_all(1, data)
        return 0
    try:
        opened = posix.open(target, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL, 0o600)
    except OSError as error:
        raise Exit(1, f"open {target}: {(error.strerror or '').lower()}") from error
    with open(opened, "wb") as file:
        file.write(data)
    write_error(f'Written file "{target}"')
    return 0


def _import(session: "Session", parsed: "Parsed") -> int:
    from carrack.cli.context_archive import unpack

    (name, source), store = parsed.arguments, _store(session)
    check_name(name)
    if name in store:
        raise Conflict(f"context {quoted(name)} already exists")
    try:
        with open(0 if source == "-" else source, "rb", closefd=source != "-") as file:
            made = unpack(file.read(10 << 20))
    except OSError as error:
        raise Exit(1, f"open {source}: {(error.strerror or '').lower()}") from error
    made.name = name
    store.add(made)
    write(name)
    write_error(f"Successfully imported context {quoted(name)}")
    return 0


_ENDPOINT: "tuple[Flag, ...]" = (
    ("description", "", "string", "Description of the context"),
    ("docker", "", "pairs", "set the docker endpoint: host=…, ca=…, cert=…, key=…, skip-tls-verify=…, from=…"),
)
CREATE = Command(
    "[OPTIONS] CONTEXT",
    "Create a context",
    _create,
    (*_ENDPOINT, ("from", "", "string", "create context from a named context")),
    least=1,
    most=1,
    example="carrack context create far --docker host=tcp://far:2376,ca=ca.pem,cert=cert.pem,key=key.pem",
)
UPDATE = Command(
    "[OPTIONS] CONTEXT",
    "Update a context",
    _update,
    _ENDPOINT,
    least=1,
    most=1,
    example="carrack context update far --description 'the machine in the cellar'",
)
LIST = Command(
    "[OPTIONS]",
    "List contexts",
    _list,
    (
        ("format", "", "string", "Format output: 'table', 'table TEMPLATE', 'json' or a Go TEMPLATE"),
        ("json", "", "bool", "Print JSON, one object a line (the same as --format json)"),
        ("quiet", "q", "bool", "Only show context names"),
    ),
    example="carrack context ls",
)
USE = Command("CONTEXT", "Set the current context", _use, least=1, most=1, example="carrack context use far")
SHOW = Command("", "Print the name of the current context", _show, example="carrack context show")
REMOVE = Command(
    "CONTEXT [CONTEXT...]",
    "Remove one or more contexts",
    _remove,
    (("force", "f", "bool", "Force the removal of a context in use"),),
    least=1,
    most=None,
    example="carrack context rm far",
)
INSPECT = Command(
    "[OPTIONS] [CONTEXT] [CONTEXT...]",
    "Display detailed information on one or more contexts",
    _inspect,
    (
        ("format", "f", "string", "Format output: 'json' or a Go TEMPLATE"),
        ("json", "", "bool", "Print JSON in one line (the same as --format json)"),
    ),
    most=None,
    example="carrack context inspect far",
)
EXPORT = Command(
    "[OPTIONS] CONTEXT [FILE|-]",
    "Export a context to a tar archive FILE or a tar stream on STDOUT.",
    _export,
    least=1,
    most=2,
    example="carrack context export far far.dockercontext",
)
IMPORT = Command(
    "CONTEXT FILE|-",
    "Import a context from a tar or zip file",
    _import,
    least=2,
    most=2,
    example="carrack context import far far.dockercontext",
)
