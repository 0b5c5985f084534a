"""The daemon's imports leave the system's certificate authorities alone."""

from __future__ import annotations

import ssl
import subprocess
import sys

from carrack.daemon.imports import without_authorities


def test_contexts_made_meanwhile_trust_nobody_and_verify() -> None:
    original = ssl.create_default_context
    with without_authorities():
        made = ssl.create_default_context()
    assert ssl.create_default_context is original
    assert (made.verify_mode, made.check_hostname, made.get_ca_certs()) == (ssl.CERT_REQUIRED, True, [])


def test_wiring_loads_no_authorities() -> None:
    program = (
        "import ssl; loaded = []; load = ssl.SSLContext.load_default_certs\n"
        "ssl.SSLContext.load_default_certs = lambda *a, **k: loaded.append(1)\n"
        "from carrack.daemon.imports import without_authorities\n"
        "with without_authorities():\n import carrack.daemon.wiring, carrack.http.server\n"
        "print(len(loaded))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
