"""Every parser that meets foreign bytes, as a function of bytes.

A target returns, or swallows the errors that its parser documents; anything else that it raises is a finding. Names
are those of the folders in ``corpus``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.fuzz import archives, dockerfiles, documents, names, registries, streams

TARGETS: dict[str, Callable[[bytes], None]] = {
    "tar": archives.tar,
    "copied": archives.copied,
    "layer": archives.layer,
    "upload": archives.upload,
    "compressed": archives.compressed,
    "manifest": documents.manifests,
    "reference": documents.references,
    "image-config": documents.image_configs,
    "accounts": documents.accounts,
    "port": documents.port_specs,
    "mount": documents.mount_specs,
    "quantity": documents.quantities,
    "filters": documents.filters,
    "seccomp": documents.seccomp_profiles,
    "bundle": documents.bundles,
    "json-body": documents.json_bodies,
    "create-request": documents.create_requests,
    "request-word": documents.words_of_requests,
    "commit-change": documents.commit_changes,
    "dockerfile": dockerfiles.whole,
    "dockerignore": dockerfiles.ignored,
    "run-mount": dockerfiles.run_mounts,
    "word-file": documents.word_files,
    "http-request": streams.http_requests,
    "http-answer": streams.http_answers,
    "multiplexed": streams.multiplexed,
    "log-file": streams.log_files,
    "log-line": streams.log_lines,
    "zstd-frames": streams.zstd_frames,
    "dns-question": names.questions,
    "dns-answer": names.answers,
    "resolv-conf": names.server_files,
    "challenge": registries.challenges,
    "registry-auth": registries.auth_headers,
    "registry-answer": registries.answers,
    "registry-refusal": registries.refusals,
    "registry-login": registries.logins,
    "registry-request": registries.requests,
    "registry-retry": registries.waits,
    "registry-rules": registries.rule_files,
    "registry-url": registries.urls,
}
CORPUS = Path(__file__).parent / "corpus"


def corpus(target: str) -> dict[str, bytes]:
    """Kept inputs of a target, by file name: ``.txt`` as it is, ``.hex`` as digits, see :func:`from_digits`."""
    found = {}
    for file in sorted((CORPUS / target).glob("*")):
        data = file.read_bytes()
        found[file.name] = from_digits(data.decode()) if file.suffix == ".hex" else data
    return found


def keep(target: str, name: str, data: bytes, why: str = "") -> Path:
    """Write an input to the corpus, as text where it is printable and short, else as digits; returns the file."""
    directory = CORPUS / target
    directory.mkdir(parents=True, exist_ok=True)
    if data.isascii() and all(byte >= 32 or byte == 10 for byte in data) and len(data) < 4096:
        path = directory / f"{name}.txt"
        path.write_bytes(data)
        return path
    path = directory / f"{name}.hex"
    path.write_text((f"# {why}\n" if why else "") + to_digits(data))
    return path


def from_digits(text: str) -> bytes:
    """``6162 00*510 # comment``: bytes as digits, one byte repeated where a star says so, blanks anywhere between."""
    data = bytearray()
    for line in text.splitlines():
        for word in line.partition("#")[0].split():
            digits, _, count = word.partition("*")
            data += bytes.fromhex(digits) * int(count or 1)
    return bytes(data)


def to_digits(data: bytes) -> str:
    """Lines of digits; runs of one byte are written short."""
    lines, rest = [], data
    while rest:
        run = len(rest) - len(rest.lstrip(rest[:1]))
        if run >= 8:
            lines.append(f"{rest[:1].hex()}*{run}")
            rest = rest[run:]
            continue
        end = next((at for at in range(1, min(len(rest), 48)) if rest[at : at + 8] == rest[at : at + 1] * 8), 48)
        lines.append(rest[:end].hex())
        rest = rest[end:]
    return "\n".join(lines) + "\n"
