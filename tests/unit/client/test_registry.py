from __future__ import annotations

from pathlib import Path

from tests.fakes.api_server import serving

from carrack.client import registry
from carrack.client.account import Account


def test_requests(tmp_path: Path) -> None:
    answers = {
        "POST /auth": (200, {"Status": "Login Succeeded", "IdentityToken": ""}),
        "GET /images/search": (200, [{"name": "a"}]),
        "GET /distribution/r:1/a:b/json": (200, {"Platforms": []}),
        "POST /images/r:1/a/push": (200, {"status": "Pushed"}),
    }
    account = Account("r:1", "me", "pw")
    with serving(tmp_path / "s", answers) as server:
        daemon = server.daemon
        assert registry.login(daemon, account)["Status"] == "Login Succeeded"
        assert registry.search(daemon, "a", {"limit": 3}, account) == [{"name": "a"}]
        assert registry.distribution(daemon, "r:1/a:b", account) == {"Platforms": []}
        assert list(registry.push(daemon, "r:1/a", "b", "linux", account)) == [{"status": "Pushed"}]
        daemon.close()
    login, *others = server.requests
    assert login.document == account.document()
    assert [request.headers["x-registry-auth"] for request in others] == [account.header()] * 3
    assert "pw" not in "".join(map(repr, server.requests))
    assert {str(request).replace("/v1.51", "") for request in server.requests} == {
        "POST /auth?",
        "GET /images/search?term=a&limit=3",
        "GET /distribution/r:1/a:b/json?",
        "POST /images/r:1/a/push?tag=b&platform=%7B%22os%22%3A%22linux%22%7D",
    }
