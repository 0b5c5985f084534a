"""Named contexts where the docker command keeps them, so that both command lines share the same ones.

::

    <config>/config.json                               "currentContext"
    <config>/contexts/meta/<sha256 of name>/meta.json  {"Name", "Metadata", "Endpoints": {"docker": {"Host", …}}}
    <config>/contexts/tls/<sha256 of name>/docker/     ca.pem, cert.pem, key.pem (mode 0600)

Every file is replaced as a whole, keys before the metadata that makes them count.
"""

import posix

from carrack.client import config_file, document, paths, sums
from carrack.errors import Conflict, InvalidArgument, NotFound, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.client.document import Document

DEFAULT = "default"
TLS_FILES = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}
_PATTERN = "^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$"
_LIMIT = 1 << 20


class Context:
    """One context: ``host`` and the ``tls`` files (name of the file: its bytes) of its daemon."""

    def __init__(
        self,
        name: str,
        host: str,
        description: str = "",
        *,
        unverified: bool = False,
        tls: dict[str, bytes] | None = None,
    ) -> None:
        self.name = name
        self.host = host
        self.description = description
        self.unverified = unverified
        self.tls = tls or {}

    def metadata(self) -> "Document":
        """``meta.json`` as the docker command writes it."""
        described = {"Description": self.description} if self.description else {}
        return {"Name": self.name, "Metadata": described, "Endpoints": {"docker": self.endpoint()}}

    def endpoint(self) -> "Document":
        return {"Host": self.host, "SkipTLSVerify": self.unverified}


def parse_metadata(data: bytes) -> Context:
    """The context of a ``meta.json``, without its keys; :class:`InvalidArgument` when it is not one."""
    try:
        meta = document.loads(data)
        endpoint, metadata = meta["Endpoints"]["docker"], meta.get("Metadata") or {}
        texts = [meta["Name"], endpoint.get("Host") or "", metadata.get("Description") or ""]
    except (Unavailable, KeyError, TypeError, AttributeError):
        raise InvalidArgument("the metadata of a context names no docker endpoint") from None
    if not all(isinstance(text, str) for text in texts):
        raise InvalidArgument("the metadata of a context has texts that are none")
    return Context(texts[0], texts[1], texts[2], unverified=bool(endpoint.get("SkipTLSVerify")))


class Store:
    """The contexts below a directory of client files."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def all(self) -> list[Context]:
        """All contexts but ``default``, by name; what is no context is passed over."""
        folder, found = f"{self.directory}/contexts/meta", []
        try:
            keys = posix.listdir(folder)
        except FileNotFoundError:
            return []
        for key in keys:
            try:
                found.append(parse_metadata(_read(f"{folder}/{key}/meta.json")))
            except (OSError, InvalidArgument):
                continue
        return sorted(found, key=lambda context: context.name)

    def get(self, name: str) -> Context:
        """The context of that name with its keys; :class:`NotFound` when there is none."""
        check_name(name)
        path = self.meta_path(name) + "/meta.json"
        try:
            context = parse_metadata(_read(path))
        except FileNotFoundError:
            told = f"context {quoted(name)}: context not found: open {path}: no such file or directory"
            raise NotFound(told) from None
        for file in sorted(posix.listdir(self._keys(name)) if paths.is_folder(self._keys(name)) else []):
            context.tls[file] = _read(f"{self._keys(name)}/{file}")
        return context

    def __contains__(self, name: str) -> bool:
        return paths.exists(self.meta_path(name) + "/meta.json")

    def add(self, context: Context) -> None:
        """Keep a new context; :class:`Conflict` when the name is taken."""
        check_name(context.name)
        if context.name in self:
            raise Conflict(f"context {quoted(context.name)} already exists")
        self.put(context)

    def put(self, context: Context) -> None:
        """Keep a context in place of the one of its name."""
        _remove_tree(self.tls_path(context.name))
        for file, data in context.tls.items():
            config_file.write(f"{self._keys(context.name)}/{file}", data, 0o600, folder_mode=0o700)
        meta = document.dumps(context.metadata()).encode()
        config_file.write(self.meta_path(context.name) + "/meta.json", meta, 0o644)

    def remove(self, name: str) -> None:
        _remove_tree(self.meta_path(name))
        _remove_tree(self.tls_path(name))

    def current(self) -> str:
        """The context that ``use`` chose, empty for the default."""
        value = config_file.load(self.directory).get("currentContext")
        return value if isinstance(value, str) else ""

    def use(self, name: str) -> None:
        """Choose a context (empty: the default) in ``config.json``, whose other settings stay as they are."""
        with config_file.change(self.directory) as settings:
            settings.pop("currentContext", None)
            if name:
                settings["currentContext"] = name

    def meta_path(self, name: str) -> str:
        return f"{self.directory}/contexts/meta/{sums.sha256(name.encode())}"

    def tls_path(self, name: str) -> str:
        return f"{self.directory}/contexts/tls/{sums.sha256(name.encode())}"

    def _keys(self, name: str) -> str:
        return self.tls_path(name) + "/docker"


def check_name(name: str) -> None:
    """Refuse what is no name of a context that can be kept."""
    if not name:
        raise InvalidArgument("context name cannot be empty")
    if name == DEFAULT:
        raise InvalidArgument('"default" is a reserved context name')
    body = name.replace("_", "").replace(".", "").replace("+", "").replace("-", "")
    if len(name) < 2 or not name.isascii() or not name[0].isalnum() or (body and not body.isalnum()):
        raise InvalidArgument(
            f'context name {quoted(name)} is invalid, names are validated against regexp "{_PATTERN}"'
        )


def quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(_LIMIT)


def _remove_tree(path: str) -> None:
    import shutil
    from os.path import lexists

    if lexists(path):
        shutil.rmtree(path)
