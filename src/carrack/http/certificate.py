"""The host names of a certificate of our own, out of its extension subjectAltName (RFC 5280 section 4.2.1.6).

The `ssl` module decodes the certificates of peers only. This reads DER just as far as is needed; what it reads is the
administrator's file, which OpenSSL has accepted.
"""

from __future__ import annotations

import ssl

_EXTENSION = b"\x06\x03\x55\x1d\x11"  # the object identifier 2.5.29.17
_OCTETS, _SEQUENCE, _BOOLEAN, _DNS = 0x04, 0x30, 0x01, 0x82
_END = "-----END CERTIFICATE-----"


def names(pem: str) -> list[str]:
    """The DNS names of the first certificate in `pem`; none where there is no such extension or certificate."""
    start, end = pem.find("-----BEGIN CERTIFICATE-----"), pem.find(_END)
    if start < 0 or end < start:
        return []
    try:
        return _dns_names(ssl.PEM_cert_to_DER_cert(pem[start : end + len(_END)]))
    except (IndexError, ValueError):
        return []


def _dns_names(der: bytes) -> list[str]:
    place = der.find(_EXTENSION)
    if place < 0:
        return []
    tag, value, rest = _element(der[place + len(_EXTENSION) :])
    if tag == _BOOLEAN:  # it is marked as critical
        tag, value, rest = _element(rest)
    if tag != _OCTETS:
        return []
    tag, value, rest = _element(value)
    found = []
    while tag == _SEQUENCE and value:
        kind, name, value = _element(value)
        if kind == _DNS:
            found.append(name.decode("ascii"))
    return found


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """(tag, value, what follows) of the element that `data` begins with."""
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start])
    return data[0], data[start : start + length], data[start + length :]
