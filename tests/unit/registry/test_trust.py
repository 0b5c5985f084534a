from __future__ import annotations

import shutil
import ssl
from pathlib import Path

import pytest
from tests.fakes import certificates

from carrack.errors import InvalidArgument
from carrack.registry import trust


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> certificates.Certificates:
    return certificates.make(tmp_path_factory.mktemp("certificates"))


def test_authorities_of_one_registry(made: certificates.Certificates, tmp_path: Path) -> None:
    directory = tmp_path / "r.example.com:5000"
    directory.mkdir()
    shutil.copy(made.authority, directory / "ca.crt")
    own = trust.context(tmp_path, ("r.example.com:5000",), verify=True)
    other = trust.context(tmp_path, ("r.example.com",), verify=True)
    assert own.cert_store_stats()["x509"] == other.cert_store_stats()["x509"] + 1
    assert own.verify_mode == ssl.CERT_REQUIRED
    assert own.check_hostname
    assert own.minimum_version == ssl.TLSVersion.TLSv1_2


def test_without_verification() -> None:
    assert trust.context(Path("/nonexistent"), ("a",), verify=False).verify_mode == ssl.CERT_NONE


def test_client_certificates_come_in_pairs(made: certificates.Certificates, tmp_path: Path) -> None:
    directory = tmp_path / "r"
    directory.mkdir()
    shutil.copy(made.client, directory / "client.cert")
    with pytest.raises(InvalidArgument, match=r"missing key client\.key .*extension \.crt"):
        trust.context(tmp_path, ("r",), verify=True)
    shutil.copy(made.client_key, directory / "client.key")
    trust.context(tmp_path, ("r",), verify=True)
    (directory / "client.cert").unlink()
    with pytest.raises(InvalidArgument, match=r"missing client certificate client\.cert"):
        trust.context(tmp_path, ("r",), verify=True)


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "ca.crt").write_text("no certificate")
    with pytest.raises(InvalidArgument, match=r"r/ca\.crt cannot be used"):
        trust.context(tmp_path, ("r",), verify=True)


def test_a_change_is_seen(made: certificates.Certificates, tmp_path: Path) -> None:
    before = trust.stamp(tmp_path, ("r",))
    (tmp_path / "r").mkdir()
    shutil.copy(made.authority, tmp_path / "r" / "ca.crt")
    assert before == ()
    assert trust.stamp(tmp_path, ("r", "r")) != before


@pytest.mark.parametrize("host", ["..", ".", "", "../r"])
def test_a_host_never_leads_out_of_the_directory(tmp_path: Path, host: str) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "ca.crt").write_text("no certificate")
    trust.context(tmp_path / "certs", (host,), verify=True)
    assert trust.stamp(tmp_path / "certs", (host,)) == ()
