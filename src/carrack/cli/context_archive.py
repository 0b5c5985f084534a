"""A context as a file to carry: ``meta.json`` and ``tls/docker/*.pem`` in a tar (or, on the way in, a zip).

What is imported is foreign: members are read by their known names only, and nothing is unpacked to a path they name.
"""

import io

from carrack.client import document
from carrack.client.contexts import TLS_FILES, Context, parse_metadata
from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_META, _TLS, _FOLDER = "meta.json", "tls/", "tls/docker/"
_LIMIT = 1 << 20


def pack(context: Context) -> bytes:
    """The tar that the docker command imports too."""
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        members = [(_META, document.dumps(context.metadata()).encode(), 0o644)]
        members += [(_FOLDER + file, data, 0o600) for file, data in context.tls.items()]
        if not context.tls:
            members.append(("tls/", b"", 0o700))
        for name, data, mode in _with_folders(members):
            info = tarfile.TarInfo(name.rstrip("/"))
            info.mode, info.size = mode, len(data)
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def unpack(data: bytes) -> Context:
    """The context in a tar or zip; :class:`InvalidArgument` for anything else in it, or no metadata."""
    files = dict(_zip_members(data) if data.startswith(b"PK\x03\x04") else _tar_members(data))
    if _META not in files:
        raise InvalidArgument("invalid context: no metadata found")
    context = parse_metadata(files.pop(_META))
    for name, content in files.items():
        file = name.removeprefix(_FOLDER)
        if not name.startswith(_FOLDER) or file not in TLS_FILES.values():
            raise InvalidArgument(f"unexpected context file: {name}: only keys of the docker endpoint are known")
        context.tls[file] = content
    return context


def _with_folders(members: list[tuple[str, bytes, int]]) -> "Iterator[tuple[str, bytes, int]]":
    told: set[str] = set()
    for member in members:
        for folder in (_TLS, _FOLDER):
            if member[0].startswith(folder) and folder not in told:
                told.add(folder)
                yield folder, b"", 0o700
        if member[0] not in told:
            yield member


def _tar_members(data: bytes) -> "Iterator[tuple[str, bytes]]":
    import tarfile

    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                opened = archive.extractfile(member) if member.isreg() else None
                if opened is None:
                    if not member.isdir():
                        raise InvalidArgument(f"unexpected context file: {member.name}: it is no regular file")
                    continue
                yield member.name.removeprefix("./"), opened.read(_LIMIT)
    except tarfile.ReadError as error:
        if data:
            raise InvalidArgument("unexpected EOF") from error  # it is neither a tar nor a zip


def _zip_members(data: bytes) -> "Iterator[tuple[str, bytes]]":
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                if not name.endswith("/"):
                    with archive.open(name) as opened:
                        yield name, opened.read(_LIMIT)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise InvalidArgument(f"the zip file cannot be read: {error}") from error
