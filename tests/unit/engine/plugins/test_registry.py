from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from pathlib import Path

import pytest
from tests.fakes import certificates
from tests.fakes import plugin as fake

from carrack.engine.plugins.registry import Plugins
from carrack.errors import NotFound, Unavailable


def test_plugins_are_found_and_remembered(tmp_path: Path) -> None:
    async def play() -> None:
        plugins = Plugins([str(tmp_path)], patience=0)
        assert plugins.activated("VolumeDriver") == []
        found = await plugins.get("one", "VolumeDriver")
        assert await plugins.get("one", "VolumeDriver") is found
        assert plugins.activated("VolumeDriver") == ["one"]
        with pytest.raises(NotFound, match='"one" does not implement authz'):
            await plugins.get("one", "authz")
        with pytest.raises(NotFound, match='plugin "nosuch" not found'):
            await plugins.get("nosuch", "VolumeDriver")

    with fake.Plugin(tmp_path / "one.sock", tmp_path / "v") as server:
        asyncio.run(play())
    assert len(server.called("Plugin.Activate")) == 1


def test_all_of_a_kind(tmp_path: Path) -> None:
    async def play() -> None:
        (tmp_path / "down.spec").write_text(f"unix://{tmp_path}/nosuch")
        plugins = Plugins([str(tmp_path)], patience=0)
        found, warnings = await plugins.all("VolumeDriver")
        assert [plugin.name for plugin in found] == ["one"]
        assert len(warnings) == 1
        assert warnings[0].startswith("plugin down: ")
        with fake.Plugin(tmp_path / "nosuch", tmp_path / "v"):
            assert (await plugins.all("VolumeDriver"))[1] == warnings  # not asked again so soon
            assert (await plugins.get("down", "VolumeDriver")).name == "down"

    with (
        fake.Plugin(tmp_path / "one.sock", tmp_path / "v"),
        fake.Plugin(tmp_path / "guard.sock", tmp_path / "v", ("authz",)),
    ):
        asyncio.run(play())


def test_one_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    async def play() -> None:
        plugins = Plugins([str(tmp_path)], patience=0)
        with fake.Plugin(tmp_path / "one.sock", tmp_path / "v"):
            await plugins.get("one", "VolumeDriver")
        with pytest.raises(NotFound):
            await plugins.get("one", "VolumeDriver")
        assert plugins.activated("VolumeDriver") == []
        (tmp_path / "one.spec").write_text(f"unix://{tmp_path}/nosuch")
        with pytest.raises(Unavailable):
            await plugins.get("one", "VolumeDriver")

    asyncio.run(play())


def test_a_plugin_over_tcp_with_certificates(tmp_path: Path) -> None:
    try:
        papers = certificates.make(tmp_path)
    except FileNotFoundError:
        pytest.skip("the openssl command makes the certificates")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(papers.authority))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(papers.server, papers.server_key)
    (tmp_path / "plugins").mkdir()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            body = json.dumps({"Implements": ["VolumeDriver"]}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
        writer.close()

    async def play() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
        address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        full = {"CAFile": str(papers.authority), "CertFile": str(papers.client), "KeyFile": str(papers.client_key)}
        for name, config in (("good", full), ("nameless", {"CAFile": full["CAFile"]}), ("trusting", {})):
            document = {"Name": name, "Addr": address, "TLSConfig": config}
            (tmp_path / "plugins" / f"{name}.json").write_text(json.dumps(document))
        plugins = Plugins([str(tmp_path / "plugins")], patience=0)
        async with server:
            assert (await plugins.get("good", "VolumeDriver")).name == "good"
            for name in ("nameless", "trusting"):  # one without a certificate, one that does not know the authority
                with pytest.raises(Unavailable, match=name):
                    await plugins.get(name, "VolumeDriver")

    asyncio.run(play())
