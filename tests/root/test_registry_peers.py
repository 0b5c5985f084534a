"""Real clients push to and pull from our registry, with TLS and logins: skopeo, podman, buildah, dockerd; and nginx
stands before it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import certificates
from tests.fakes.peers import ADDRESS, Peers, root_with

from carrack.oci import media_types as types
from carrack.registry_server import passwords as passwords_module
from carrack.registry_server.passwords import line

pytestmark = pytest.mark.root

BASIC, TOKENS, PLAIN, FRONT = 5601, 5602, 5603, 5604
USER, PASSWORD = "alice", "correct horse"
_RULES = """
[[access]]
users = ["anonymous", "*"]
repositories = ["public/**"]
actions = ["pull"]
[[access]]
users = ["alice"]
repositories = ["**"]
actions = ["*"]
"""
_NGINX = """
daemon off; pid /tmp/nginx.pid; error_log stderr; user root;
events {{}}
http {{
  access_log off; client_body_temp_path /tmp/nginx-body; proxy_temp_path /tmp/nginx-proxy;
  fastcgi_temp_path /tmp/n1; uwsgi_temp_path /tmp/n2; scgi_temp_path /tmp/n3;
  server {{
    listen {address}:{front} ssl;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    location / {{
      proxy_pass http://{address}:{plain};
      proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_request_buffering off; proxy_buffering off; client_max_body_size 0;
    }}
  }}
}}
"""


class Site:
    """The peers, our registries among them, and an image to carry about."""

    def __init__(self, directory: Path) -> None:
        self.made = certificates.make(directory, f"IP:{ADDRESS}")
        (directory / "users").write_text(line(USER, PASSWORD) + "\n")
        (directory / "rules.toml").write_text(_RULES)
        self.directory = directory
        self.host = f"/run/host{directory}"
        self.digest = _layout(directory / "layout")
        (directory / "certs").mkdir()
        (directory / "certs" / "ca.crt").write_bytes(self.made.authority.read_bytes())
        self.certs = f"{self.host}/certs"
        self.peers = Peers(directory, root_with("skopeo"))
        try:
            tls = ["--tls-cert", str(self.made.server), "--tls-key", str(self.made.server_key)]
            users = ["--htpasswd", str(directory / "users")]
            rules = ["--tokens", "--config", str(directory / "rules.toml")]
            self.peers.serve(BASIC, "--root", str(directory / "basic"), *tls, *users)
            self.peers.serve(TOKENS, "--root", str(directory / "tokens"), *tls, *users, *rules)
            self.peers.serve(PLAIN, "--root", str(directory / "plain"), *users, *rules)
        except BaseException:
            self.peers.close()
            raise

    def push_with_skopeo(self, port: int, name: str) -> None:
        self.peers.run(
            *("skopeo", "copy", "--all", "--dest-cert-dir", self.certs, "--dest-creds", f"{USER}:{PASSWORD}"),
            *(f"oci:{self.host}/layout:image", f"docker://{ADDRESS}:{port}/{name}"),
        )

    def digest_at(self, port: int, name: str, *flags: str) -> str:
        words = ("skopeo", "inspect", "--cert-dir", self.certs, *flags, "--format", "{{.Digest}}")
        return self.peers.run(*words, f"docker://{ADDRESS}:{port}/{name}").strip()


def _layout(folder: Path) -> str:
    """An OCI image layout with one image, `image`; returns the image's digest."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in (("hello", b"hello from the registry\n"), ("random", bytes(range(256)) * 8000)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    diff_id = "sha256:" + hashlib.sha256(packed.getvalue()).hexdigest()
    config = {
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/hello"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }  # fmt: skip
    manifest = {
        "schemaVersion": 2,
        "mediaType": types.OCI_MANIFEST,
        "config": put(json.dumps(config).encode(), types.OCI_CONFIG),
        "layers": [put(gzip.compress(packed.getvalue(), mtime=0), types.OCI_LAYER_GZIP)],
    }
    entry = put(json.dumps(manifest).encode(), types.OCI_MANIFEST)
    entry["annotations"] = {"org.opencontainers.image.ref.name": "image"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return str(entry["digest"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords_module, "COST", 4)
        made = Site(tmp_path_factory.mktemp("site"))
    yield made
    made.peers.close()


@pytest.mark.parametrize("port", [BASIC, TOKENS])
def test_skopeo(site: Site, port: int) -> None:
    registry, peers = f"docker://{ADDRESS}:{port}", site.peers
    creds = ["--creds", f"{USER}:{PASSWORD}"]
    site.push_with_skopeo(port, "team/app:v1")
    assert site.digest_at(port, "team/app:v1", *creds) == site.digest
    peers.run(
        *("skopeo", "copy", "--src-cert-dir", site.certs, "--src-creds", f"{USER}:{PASSWORD}"),
        *("--dest-cert-dir", site.certs, "--dest-creds", f"{USER}:{PASSWORD}"),
        *(f"{registry}/team/app:v1", f"{registry}/team/other:v2"),
    )
    assert site.digest_at(port, "team/other:v2", *creds) == site.digest
    tags = peers.run("skopeo", "list-tags", "--cert-dir", site.certs, *creds, f"{registry}/team/other")
    assert json.loads(tags)["Tags"] == ["v2"]
    peers.run("skopeo", "delete", "--cert-dir", site.certs, *creds, f"{registry}/team/other:v2")
    inspect = ("skopeo", "inspect", "--cert-dir", site.certs)
    assert "manifest unknown" in peers.run(*inspect, *creds, f"{registry}/team/other:v2", code=2)
    wrong = peers.run(*inspect, "--creds", f"{USER}:wrong", f"{registry}/team/app:v1", code=1)
    assert "unauthorized" in wrong.lower()
    assert "certificate" in peers.run("skopeo", "inspect", *creds, f"{registry}/team/app:v1", code=1)


def test_anyone_pulls_what_is_public_and_nothing_else(site: Site) -> None:
    site.push_with_skopeo(TOKENS, "public/app:v1")
    site.push_with_skopeo(TOKENS, "team/private:v1")
    assert site.digest_at(TOKENS, "public/app:v1", "--no-creds") == site.digest
    words = ("skopeo", "inspect", "--cert-dir", site.certs, "--no-creds")
    refused = site.peers.run(*words, f"docker://{ADDRESS}:{TOKENS}/team/private:v1", code=1)
    assert "unauthorized" in refused.lower() or "denied" in refused.lower()


def test_podman_and_buildah(site: Site) -> None:
    root_with("podman", "buildah")
    peers, registry = site.peers, f"{ADDRESS}:{TOKENS}"
    site.push_with_skopeo(TOKENS, "team/app:v1")
    cert = ("--cert-dir", site.certs)
    auth = ("--authfile", "/tmp/auth.json")
    peers.run("podman", "login", *cert, *auth, "-u", USER, "--password-stdin", registry, input=PASSWORD)
    peers.run("podman", "pull", "-q", *cert, *auth, f"{registry}/team/app:v1")
    container = peers.run("buildah", "from", *cert, *auth, f"{registry}/team/app:v1").split()[-1]
    peers.run("buildah", "config", "--label", "by=buildah", container)
    peers.run("buildah", "commit", "-q", container, "localhost/built")
    peers.run("buildah", "push", *cert, *auth, "localhost/built", f"docker://{registry}/team/built:v1")
    peers.run("podman", "rmi", "-f", "localhost/built")
    peers.run("podman", "push", *cert, *auth, f"{registry}/team/app:v1", f"docker://{registry}/team/again:v1")
    peers.run("podman", "pull", "-q", *cert, *auth, f"{registry}/team/built:v1")
    label = peers.run("podman", "inspect", "--format", "{{.Config.Labels.by}}", f"{registry}/team/built:v1")
    assert label.strip() == "buildah"
    peers.run("podman", "manifest", "create", "localhost/list", f"{registry}/team/built:v1")
    peers.run(
        "podman", "manifest", "push", "--all", *cert, *auth, "localhost/list", f"docker://{registry}/team/list:v1"
    )
    creds = ("--creds", f"{USER}:{PASSWORD}")
    raw = peers.run("skopeo", "inspect", *cert, *creds, "--raw", f"docker://{registry}/team/list:v1")
    assert len(json.loads(raw)["manifests"]) == 1


def test_nginx_before_it(site: Site) -> None:
    root_with("nginx")
    text = _NGINX.format(
        address=ADDRESS, front=FRONT, plain=PLAIN,
        certificate=f"/run/host{site.made.server}", key=f"/run/host{site.made.server_key}",
    )  # fmt: skip
    (site.directory / "nginx.conf").write_text(text)
    site.peers.start("nginx", "-c", f"{site.host}/nginx.conf", ready=lambda: site.peers.listening(FRONT))
    site.push_with_skopeo(FRONT, "team/app:v1")
    assert site.digest_at(FRONT, "team/app:v1", "--creds", f"{USER}:{PASSWORD}") == site.digest


def test_dockerd(site: Site) -> None:
    root_with("dockerd", "docker", "containerd")
    peers, registry = site.peers, f"{ADDRESS}:{TOKENS}"
    for name in ("team/app:v1", "public/app:v1"):
        site.push_with_skopeo(TOKENS, name)
    peers.start(
        *("dockerd", "-H", "unix:///tmp/docker.sock", "--data-root", "/tmp/docker", "--exec-root", "/tmp/docker-run"),
        *("--pidfile", "/tmp/docker.pid", "--bridge", "none", "--iptables=false", "--ip6tables=false"),
        *("--ip-forward=false", "--storage-driver", "vfs"),
        ready=lambda: "API" in peers.run("docker", "version", code=None) and not _unreachable(peers),
        more={"SSL_CERT_FILE": f"/run/host{site.made.authority}"},
    )  # fmt: skip
    peers.run("docker", "pull", "-q", f"{registry}/public/app:v1")
    refused = peers.run("docker", "pull", f"{registry}/team/app:v1", code=1)
    assert "unauthorized" in refused.lower() or "denied" in refused.lower()
    wrong = peers.run("docker", "login", "-u", USER, "--password-stdin", registry, input="wrong", code=1)
    assert "unauthorized" in wrong.lower() or "wrong user name" in wrong
    peers.run("docker", "login", "-u", USER, "--password-stdin", registry, input=PASSWORD)
    pulled = peers.run("docker", "pull", f"{registry}/team/app:v1")
    assert f"Digest: {site.digest}" in pulled
    peers.run("docker", "tag", f"{registry}/team/app:v1", f"{registry}/team/docker:v2")
    pushed = peers.run("docker", "push", f"{registry}/team/docker:v2")
    assert "Mounted from" in pushed
    peers.run("docker", "rmi", f"{registry}/team/app:v1", f"{registry}/team/docker:v2", f"{registry}/public/app:v1")
    again = peers.run("docker", "pull", f"{registry}/team/docker:v2")
    assert "Download complete" in again or "Pull complete" in again


def _unreachable(peers: Peers) -> bool:
    return "Cannot connect" in peers.run("docker", "version", code=None)
