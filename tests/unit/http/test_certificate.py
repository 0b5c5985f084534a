"""Names out of certificates that openssl has made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from carrack.http.certificate import names

_NEW = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"]
_MANY = [f"DNS:host-number-{number}.of-a-rather-long-domain.example.org" for number in range(20)]


@pytest.mark.parametrize(
    ("extension", "expected"),
    [
        ("DNS:a.example.org,IP:127.0.0.1,DNS:*.b.example", ["a.example.org", "*.b.example"]),
        ("critical,DNS:a.example.org", ["a.example.org"]),
        ("IP:127.0.0.1", []),
        (",".join(_MANY), [name[4:] for name in _MANY]),
        ("", []),
    ],
)
def test_names(tmp_path: Path, extension: str, expected: list[str]) -> None:
    more = ["-addext", f"subjectAltName={extension}"] if extension else []
    file = tmp_path / "cert.pem"
    subprocess.run([*_NEW, str(tmp_path / "key"), "-out", str(file), "-subj", "/CN=x", *more], check=True)
    assert names(file.read_text()) == expected


@pytest.mark.parametrize("text", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nBgNVHRE=\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_has_none(text: str) -> None:
    assert names(text) == []
