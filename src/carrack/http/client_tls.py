"""TLS for the small client, with half-close.

The standard ``SSLSocket`` forgets its TLS state at ``shutdown``, and output that follows is lost; here an ``SSLObject``
over memory keeps reading after its own close-notify, as RFC 8446 (6.1) allows.
"""

import _socket
import _thread
import ssl

from carrack.errors import InvalidArgument


class TlsSocket:
    """A connected socket under TLS; one thread may read while another writes."""

    def __init__(self, sock: _socket.socket, context: ssl.SSLContext, server_name: str) -> None:
        self._sock = sock
        self._lock = _thread.allocate_lock()
        self._sending = _thread.allocate_lock()
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._handshake()

    def recv(self, size: int) -> bytes:
        while True:
            try:
                with self._lock:
                    data = self._tls.read(size)
                self._flush()
                return data
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            with self._lock:
                written = self._tls.write(view[: 256 * 1024])
            view = view[written:]
            self._flush()

    def shutdown(self, how: int) -> None:
        """Say close-notify; with SHUT_RDWR end the connection below too."""
        with self._lock:
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                pass  # the peer's own close-notify comes later, or never
        self._flush()
        if how == _socket.SHUT_RDWR:
            self._sock.shutdown(how)

    def close(self) -> None:
        self._sock.close()

    def fileno(self) -> int:
        return self._sock.fileno()

    def _handshake(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
                return self._flush()
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except ssl.SSLError:
                self._flush()
                raise

    def _feed(self) -> None:
        data = self._sock.recv(64 * 1024)
        with self._lock:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    def _flush(self) -> None:
        with self._sending:
            with self._lock:
                data = self._outgoing.read()
            if data:
                self._sock.sendall(data)


def client_context(ca: str | None, certificate: str | None, key: str | None, *, verify: bool) -> ssl.SSLContext:
    """A context from PEM files, any of which may be absent; without ``verify`` the server is not checked.

    With ``ca`` that authority alone is trusted, not the system's.
    """
    try:
        context = ssl.create_default_context(cafile=ca or None)
        # Authorities made as Docker's manual says have no key usage, which Python 3.13 would insist on.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if certificate or key:
            if not (certificate and key):
                raise InvalidArgument("a TLS client certificate and its key are needed together")
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidArgument(f"cannot use the TLS files {ca}, {certificate}, {key}: {error}") from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
