from __future__ import annotations

import subprocess
import sys

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_use import with_client

from carrack.errors import Forbidden
from carrack.oci import media_types as types
from carrack.oci import reference
from carrack.registry.client import RegistryClient, credentials_for, server_host
from carrack.registry.credentials import ANONYMOUS, Credentials
from carrack.registry.settings import RegistrySettings, parse_rules


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("", "docker.io"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("https://R.example.com:5000/v2/", "r.example.com:5000"),
        ("r.example.com/path", "r.example.com"),
    ],
)
def test_server_addresses(server: str, expected: str) -> None:
    assert server_host(server) == expected


def test_credentials_by_registry() -> None:
    jane, joe = Credentials("jane", "1"), Credentials("joe", "2")
    config = {"https://index.docker.io/v1/": jane, "r.example.com": joe}
    assert credentials_for(config, reference.parse("alpine")) == jane
    assert credentials_for(config, reference.parse("r.example.com/x")) == joe
    assert credentials_for(config, reference.parse("other.example.com/x")) == ANONYMOUS


def test_settings_change_while_it_runs() -> None:
    with FakeRegistry() as registry:
        registry.content.put_manifest("a", b"{}", types.OCI_MANIFEST, "1")
        name = reference.parse(f"{registry.host}/a")

        async def work(client: RegistryClient) -> None:
            assert client.settings.rules == ()
            before = client.repository(name)
            await before.manifest("1")
            rules = parse_rules(f"[[registry]]\nprefix = '{registry.host}'\nblocked = true")
            client.change(RegistrySettings(rules=rules))
            with pytest.raises(Forbidden):
                client.repository(name)
            assert (await before.manifest("1")).data == b"{}"

        with_client(work)


@pytest.mark.parametrize(
    ("first", "never"),
    [
        ("carrack.registry.reach", {"aiohttp.client"}),
        ("carrack.daemon.wiring", {"aiohttp.client", "tomllib", "carrack.registry.reach", "carrack.registry.rules"}),
    ],
)
def test_what_a_start_does_not_import(first: str, never: set[str]) -> None:
    """aiohttp's client costs a tenth of a second, our own a fortieth: whoever does not pull does not pay."""
    code = f"""
from carrack.daemon.imports import without_client
without_client()
import sys, {first}
print(*sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert never & set(found.stdout.split()) == set()
