"""A certificate authority for the occasion, and a server's certificate of it."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer))
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY).not_valid_after(now + 30 * DAY))


def make(directory: Path, public: Path) -> Path:
    """PUBLIC/ca.crt, and a file in DIRECTORY with the key and certificate of 127.0.0.1."""
    issuer, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = (_builder("tests", "tests", issuer)
                 .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
                 .sign(issuer, hashes.SHA256()))
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    server = (_builder("127.0.0.1", "tests", key)
              .add_extension(x509.SubjectAlternativeName([address]), critical=False)
              .sign(issuer, hashes.SHA256()))
    pem = serialization.Encoding.PEM
    (public / "ca.crt").write_bytes(authority.public_bytes(pem))
    chain = directory / "server.pem"
    chain.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8,
                                        serialization.NoEncryption()) + server.public_bytes(pem))
    return chain
