"""CVE-2018-12608: who has a certificate of any authority that the system trusts got in, not only of the one configured.

Here only certificates of the configured authority, valid now and made for clients, open the door, over TLS 1.2 and up.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fakes.http_peer import parse, run, serving_tcp

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response, text
from carrack.daemon.config import Tls
from carrack.daemon.listen import tls_context

_EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
_CLIENT = "extendedKeyUsage=clientAuth"


def openssl(*words: str, folder: Path) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def authority(folder: Path, name: str) -> None:
    usage = ["-addext", "keyUsage=critical,keyCertSign"]
    names = ["-subj", f"/CN={name}", "-keyout", f"{name}-key.pem", "-out", f"{name}.pem"]
    openssl("req", "-x509", *_EC, "-days", "2", *usage, *names, folder=folder)


def issue(folder: Path, name: str, by: str, extension: str = _CLIENT, start: str = "2020", end: str = "2100") -> None:
    (folder / f"{name}.ext").write_text(extension)
    request = ["-subj", f"/CN={name}", "-keyout", f"{name}-key.pem", "-out", f"{name}.csr"]
    openssl("req", *_EC, *request, folder=folder)
    (folder / "index").write_text("")
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nrand_serial=yes\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n"
        "[p]\ncommonName=supplied\n"
    )
    signed = ["-cert", f"{by}.pem", "-keyfile", f"{by}-key.pem", "-extfile", f"{name}.ext", "-in", f"{name}.csr"]
    valid = ["-startdate", f"{start}0101000000Z", "-enddate", f"{end}0101000000Z"]
    openssl("ca", "-batch", "-notext", "-config", "ca.cnf", *signed, *valid, "-out", f"{name}.pem", folder=folder)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority that the daemon is told of, one that only the system trusts, and what they have issued."""
    folder = tmp_path_factory.mktemp("keys")
    authority(folder, "ours")
    authority(folder, "system")
    issue(folder, "server", "ours", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth")
    issue(folder, "friend", "ours")
    issue(folder, "no_purpose", "ours", "basicConstraints=CA:FALSE")
    issue(folder, "of_a_server", "ours", "extendedKeyUsage=serverAuth")
    issue(folder, "of_the_system", "system")
    issue(folder, "expired", "ours", _CLIENT, end="2021")
    issue(folder, "not_yet", "ours", _CLIENT, start="2099")
    issue(folder, "of_a_friend", "friend")
    names = ["-subj", "/CN=ours", "-keyout", "selfmade-key.pem", "-out", "selfmade.pem"]
    openssl("req", "-x509", *_EC, "-days", "2", "-addext", _CLIENT, *names, folder=folder)
    return folder


async def fine(request: Request) -> Response:
    return text("in")


def asked(keys: Path, name: str | None, prepare: Callable[[ssl.SSLContext], None] | None = None) -> bytes:
    """What a client with that certificate gets; empty when it is shut out."""
    client = ssl.create_default_context(cafile=str(keys / "ours.pem"))
    if name:
        client.load_cert_chain(keys / f"{name}.pem", keys / f"{name}-key.pem")
    if prepare is not None:
        prepare(client)
    answers: list[bytes] = []

    async def main() -> None:
        tls = tls_context(Tls(keys / "ours.pem", keys / "server.pem", keys / "server-key.pem"))
        async with serving_tcp([Route("GET", "/x", fine)], tls) as port:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
                writer.write(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answers.append(await reader.read())
                writer.close()
            except (ssl.SSLError, ConnectionError):
                answers.append(b"")

    run(main)
    return answers[0]


@pytest.mark.census("daemon.json tlsverify", "daemon.json tlscacert", "daemon TLS mutual auth")
@pytest.mark.parametrize("name", ["friend", "no_purpose"])
def test_a_client_of_the_authority_gets_in(keys: Path, name: str) -> None:
    assert parse(asked(keys, name))[2] == b"in"


@pytest.mark.parametrize(
    "name", [None, "of_a_server", "of_the_system", "expired", "not_yet", "of_a_friend", "selfmade"]
)
def test_others_do_not(keys: Path, name: str | None) -> None:
    assert asked(keys, name) == b""


def test_what_the_system_trusts_counts_for_nothing(keys: Path) -> None:
    script = (
        "import ssl, sys; from pathlib import Path; from carrack.daemon.config import Tls; "
        "from carrack.daemon.listen import tls_context; k = Path(sys.argv[1]); "
        "c = tls_context(Tls(k / 'ours.pem', k / 'server.pem', k / 'server-key.pem')); "
        "print([dict(x[0] for x in a['subject'])['commonName'] for a in c.get_ca_certs()])"
    )
    environment = {**os.environ, "SSL_CERT_FILE": str(keys / "system.pem"), "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", script, str(keys)]
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "['ours']\n"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_older_versions_of_tls_are_refused(keys: Path) -> None:
    def old(context: ssl.SSLContext) -> None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    def new(context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    assert asked(keys, "friend", old) == b""
    assert parse(asked(keys, "friend", new))[2] == b"in"
