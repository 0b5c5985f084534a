"""A context in a tar or zip file, from friends and from others."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.cli.context_archive import pack, unpack
from carrack.client.contexts import Context
from carrack.errors import CarrackError, InvalidArgument

FAR = Context("far", "tcp://192.0.2.1:2376", "text", unverified=True, tls={"ca.pem": b"x", "key.pem": b"y"})


def told(context: Context) -> tuple[object, ...]:
    return context.name, context.host, context.description, context.unverified, context.tls


def test_there_and_back() -> None:
    assert told(unpack(pack(FAR))) == told(FAR)
    plain = Context("near", "unix:///x.sock")
    assert told(unpack(pack(plain))) == told(plain)


def test_members_are_those_of_docker() -> None:
    with tarfile.open(fileobj=io.BytesIO(pack(FAR))) as archive:
        members = [(member.name, f"{member.mode:o}", member.isdir()) for member in archive]
    assert members == [
        ("meta.json", "644", False),
        ("tls", "700", True),
        ("tls/docker", "700", True),
        ("tls/docker/ca.pem", "600", False),
        ("tls/docker/key.pem", "600", False),
    ]


def test_a_zip() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, tarfile.open(fileobj=io.BytesIO(pack(FAR))) as source:
        for member in source:
            opened = source.extractfile(member)
            archive.writestr(member.name + ("" if opened else "/"), opened.read() if opened else b"")
    assert told(unpack(buffer.getvalue())) == told(FAR)


def tar(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name.replace("__", "/").replace("_json", ".json"))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


META = b'{"Name": "a", "Endpoints": {"docker": {"Host": "unix:///x"}}}'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"PK\x03\x04nonsense",
        tar(),
        tar(other=b"x"),
        tar(meta_json=b"[]"),
        tar(meta_json=META, other=b"x"),
        tar(meta_json=META, tls__docker__evil=b"x"),
        tar(meta_json=META, tls__docker____=b"x"),
    ],
)
def test_what_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidArgument):
        unpack(data)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=600), st.booleans())
def test_foreign_bytes(data: bytes, zipped: bool) -> None:
    try:
        unpack((b"PK\x03\x04" if zipped else b"") + data)
    except CarrackError:
        pass
