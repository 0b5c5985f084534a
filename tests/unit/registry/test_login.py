from __future__ import annotations

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_auth import Auth
from tests.fakes.registry_use import with_client

from carrack.errors import Unauthorized
from carrack.registry.credentials import Credentials
from carrack.registry.failures import Unreachable

JANE, WRONG = Credentials("jane", "secret"), Credentials("jane", "wrong")


@pytest.mark.parametrize("address", ["{host}", "http://{host}", "https://{host}/v1/", "{host}/"])
def test_basic_credentials_are_checked(address: str) -> None:
    with FakeRegistry(auth=Auth("basic", users={"jane": "secret"})) as registry:
        server = address.format(host=registry.host)
        assert with_client(lambda client: client.check(server, JANE)) == ""
        with pytest.raises(Unauthorized, match="401 Unauthorized"):
            with_client(lambda client: client.check(server, WRONG))
        assert {request.path for request in registry.requests} == {"/v2/"}


@pytest.mark.parametrize("get", [True, False])
def test_an_identity_token_comes_back_and_is_good(get: bool) -> None:
    with FakeRegistry(auth=Auth("bearer", users={"jane": "secret"}, get=get)) as registry:
        identity = with_client(lambda client: client.check(registry.host, JANE))
        assert identity
        again = Credentials(identity_token=identity)
        with_client(lambda client: client.check(registry.host, again))
        with pytest.raises(Unauthorized, match="incorrect username or password"):
            with_client(lambda client: client.check(registry.host, WRONG))


def test_a_registry_that_gives_no_identity_token() -> None:
    with FakeRegistry(auth=Auth("bearer", users={"jane": "secret"}, identity=False)) as registry:
        assert with_client(lambda client: client.check(registry.host, JANE)) == ""


def test_a_registry_for_everybody() -> None:
    with FakeRegistry() as registry:
        assert with_client(lambda client: client.check(registry.host, JANE)) == ""


def test_nobody_there() -> None:
    with FakeRegistry() as registry:
        pass
    with pytest.raises(Unreachable, match="login to"):
        with_client(lambda client: client.check(registry.host, JANE))
