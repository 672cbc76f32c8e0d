"""Throw-away certificates for tests and samples. They prove nothing: anybody can make them.

The extensions are those that C2PA asks of a signer's certificate: version 3, no authority, key
usage `digitalSignature`, extended key usage `emailProtection`, both key identifiers (C2PA
technical specification 2.1, section 14.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Algorithm = Literal["es256", "es384", "es512", "ps256", "ed25519"]
_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class TestChain:
    """PEM texts: the signer's PKCS8 key, the chain (signer, then root), and the root alone."""

    __test__ = False  # not a test class, whatever the name says

    key: str
    certificates: str
    root: str


def make_test_chain(
    organisation: str = "tellsign test signer",
    algorithm: Algorithm = "es256",
    *,
    begins: datetime | None = None,
    days: int = 3650,
) -> TestChain:
    """Make a self-signed root and a signer under it; `begins` defaults to yesterday."""
    begins = begins or datetime.now(UTC) - timedelta(days=1)
    root_key, key = _new_key(algorithm), _new_key(algorithm)
    root_name = _name(f"{organisation} (test root)", "Test root")
    root = _certificate(root_name, root_key, root_name, root_key, begins, days, authority=True)
    subject = _name(organisation, "Test signer")
    leaf = _certificate(subject, key, root_name, root_key, begins, days, authority=False)
    pem = [c.public_bytes(Encoding.PEM).decode() for c in (leaf, root)]
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return TestChain(private, "".join(pem), pem[1])


def _new_key(algorithm: Algorithm) -> _Key:
    if algorithm == "ps256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if algorithm == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == "es384":
        return ec.generate_private_key(ec.SECP384R1())
    if algorithm == "es512":
        return ec.generate_private_key(ec.SECP521R1())
    return ec.generate_private_key(ec.SECP256R1())


def _name(organisation: str, common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "FOR TESTING ONLY"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _certificate(
    subject: x509.Name,
    key: _Key,
    issuer: x509.Name,
    issuer_key: _Key,
    begins: datetime,
    days: int,
    *,
    authority: bool,
) -> x509.Certificate:
    public = key.public_key()
    usage = x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(issuer_id, critical=False)
    )
    if not authority:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purposes, critical=False)
    return builder.sign(issuer_key, _digest(issuer_key))


def _digest(key: _Key) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """As long as the curve: the C2PA library follows no chain that mixes them."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, rsa.RSAPrivateKey) or key.key_size == 256:
        return hashes.SHA256()
    return hashes.SHA384() if key.key_size == 384 else hashes.SHA512()
