"""Throw-away certificates for tests of mutual TLS, made with the openssl command."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """One authority's certificate, and certificates with keys for a server and a client."""

    authority: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path

    def client_context(self, *, anonymous: bool = False) -> ssl.SSLContext:
        """What a client uses; without a certificate of its own when `anonymous`."""
        context = ssl.create_default_context(cafile=str(self.authority))
        if not anonymous:
            context.load_cert_chain(self.client, self.client_key)
        return context


def make(path: Path, *more: str) -> Certificates:
    """Make them below `path`; the server's is for 127.0.0.1, localhost and `more` alternative names."""
    authority, authority_key = path / "ca.pem", path / "ca-key.pem"
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    usage = ["-addext", "keyUsage=critical,keyCertSign"]  # Python 3.13 asks for it
    _openssl(*new, *usage, "-subj", "/CN=test authority", "-keyout", str(authority_key), "-out", str(authority))
    for name, extension in (
        ("server", f"subjectAltName={','.join(('IP:127.0.0.1', 'DNS:localhost', *more))}\nextendedKeyUsage=serverAuth"),
        ("client", "extendedKeyUsage=clientAuth"),
    ):
        (path / f"{name}.ext").write_text(extension)
        request, key = path / f"{name}.csr", path / f"{name}-key.pem"
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        _openssl("req", *curve, "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(request))
        sign = ["x509", "-req", "-in", str(request), "-CA", str(authority), "-CAkey", str(authority_key)]
        _openssl(*sign, "-days", "2", "-extfile", str(path / f"{name}.ext"), "-out", str(path / f"{name}.pem"))
    files = [path / f"{part}.pem" for part in ("ca", "server", "server-key", "client", "client-key")]
    return Certificates(*files)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
