"""An application that proves itself by a certificate in place of a secret: a signed statement for each request.

The key stays here; what is sent is a JWT (private_key_jwt: RFC 7523, OpenID Connect Core section 9) that names the
certificate by its SHA-256 thumbprint, as Microsoft demands.
Source: https://learn.microsoft.com/entra/identity-platform/certificate-credentials
"""

import base64
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redmine_mailbridge.errors import LoginRefused
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from authlib.oauth2 import rfc7523
    from cryptography import exceptions, x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
else:
    rfc7523 = lazy_import("authlib.oauth2.rfc7523")
    exceptions = lazy_import("cryptography.exceptions")
    x509 = lazy_import("cryptography.x509")
    hashes = lazy_import("cryptography.hazmat.primitives.hashes")
    serialization = lazy_import("cryptography.hazmat.primitives.serialization")
    rsa = lazy_import("cryptography.hazmat.primitives.asymmetric.rsa")

METHOD = "private_key_jwt"
ALGORITHM = "PS256"


def client_key(title: str, certificate_file: Path, key_file: Path) -> tuple[str, dict[str, str]]:
    """Given the files of a certificate and its key (PEM, RSA, no passphrase), return the key as PEM, and the fields of
    a JWT's header that name the certificate.

    Raise LoginRefused, which names the file and holds nothing of it, when one cannot be used, when they do not belong
    together, or when others can read the key.
    """
    pem, certificate_pem = (_read(title, file) for file in (key_file, certificate_file))
    if stat.S_IMODE(key_file.stat().st_mode) & stat.S_IRWXO:
        raise LoginRefused(f"{title}: client_key_file {key_file}: others can read it; chmod 600 {key_file}")
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        certified = certificate.public_key()
    except (ValueError, exceptions.UnsupportedAlgorithm):
        raise LoginRefused(f"{title}: client_certificate_file {certificate_file}: not a certificate in PEM") from None
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, exceptions.UnsupportedAlgorithm):
        words = "not a private key in PEM without a passphrase"
        raise LoginRefused(f"{title}: client_key_file {key_file}: {words}") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise LoginRefused(f"{title}: client_key_file {key_file}: not an RSA key, which {ALGORITHM} needs")
    if key.public_key() != certified:
        raise LoginRefused(f"{title}: client_key_file {key_file}: does not belong to {certificate_file}")
    thumbprint = base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).rstrip(b"=").decode("ascii")
    return pem.decode("ascii", "replace"), {"x5t#S256": thumbprint, "typ": "JWT"}


def signing(endpoint: str, header: dict[str, str]) -> Any:
    """Given the token endpoint and what names the certificate, return what signs a request, for Authlib's session."""
    claims = {"nbf": int(time.time())}
    return rfc7523.PrivateKeyJWT(endpoint, claims=claims, headers=dict(header), alg=ALGORITHM)


def _read(title: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise LoginRefused(f"{title}: {file}: {error.strerror or type(error).__name__}") from None
