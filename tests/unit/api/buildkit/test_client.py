"""What only the client has."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.fakes.buildkit import FakeCaller, FakeSession

from carrack.api.buildkit.client import SessionAgents
from carrack.http.grpc import Failed
from carrack.registry.credentials import ANONYMOUS


def agents(tmp_path: Path, **answers: Any) -> SessionAgents:
    paths = {
        "secret": "/moby.buildkit.secrets.v1.Secrets/GetSecret",
        "credentials": "/moby.filesync.v1.Auth/Credentials",
        "agent": "/moby.sshforward.v1.SSH/CheckAgent",
    }
    session: Any = FakeSession(FakeCaller({}, {paths[name]: answer for name, answer in answers.items()}))
    return SessionAgents(session, str(tmp_path / "agents"))


def test_secrets(tmp_path: Path) -> None:
    async def run() -> None:
        assert await agents(tmp_path, secret={"data": b"hush"}).secret("x") == b"hush"
        assert await agents(tmp_path, secret=Failed(5, "not found")).secret("x") is None
        assert await agents(tmp_path).secret("x") is None

    asyncio.run(run())


def test_credentials(tmp_path: Path) -> None:
    async def run() -> None:
        asked = []

        def answer(message: dict[str, str]) -> dict[str, str]:
            asked.append(message["Host"])
            return {"Username": "me", "Secret": "pw"}

        found = await agents(tmp_path, credentials=answer).credentials("docker.io")
        assert (found.username, found.password, asked) == ("me", "pw", ["https://index.docker.io/v1/"])
        token = await agents(tmp_path, credentials={"Username": "", "Secret": "t"}).credentials("r")
        assert token.identity_token == "t"
        assert await agents(tmp_path, credentials={"Username": "", "Secret": ""}).credentials("r") == ANONYMOUS
        assert await agents(tmp_path).credentials("r") == ANONYMOUS

    asyncio.run(run())


def test_agents(tmp_path: Path) -> None:
    async def run() -> None:
        async with agents(tmp_path).ssh("default") as path:
            assert path is None
        async with agents(tmp_path, agent={}).ssh("default") as path:
            assert path is not None
            assert Path(path).is_socket()
            assert Path(path).parent.stat().st_mode & 0o077 == 0
        assert not Path(path).exists()

    asyncio.run(run())
