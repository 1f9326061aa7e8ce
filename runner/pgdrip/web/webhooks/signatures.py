"""Who sent a webhook: signatures over the raw bytes, checked before anything is read from them."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from pgdrip.web.webhooks.source import Fetch, Refused

_SNS_HOST = re.compile(r"^sns\.[a-z0-9-]{3,30}\.amazonaws\.com(\.cn)?$")
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = (
    *("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
)
_MAX_CERTIFICATES = 100


def check_sendgrid(public_key: str, signature: str, timestamp: str, body: bytes) -> None:
    """ECDSA over timestamp and body. Raises ``Refused``.

    A signature has no age: a replay is a duplicate to the database, a late retry is taken.
    """
    try:
        key = load_der_public_key(base64.b64decode(public_key, validate=True))
        raw = base64.b64decode(signature, validate=True)
    except (ValueError, binascii.Error) as error:
        raise Refused(f"key or signature cannot be read: {type(error).__name__}") from None
    if not isinstance(key, EllipticCurvePublicKey):
        raise Refused("the key is not one of elliptic curves")
    try:
        key.verify(raw, timestamp.encode() + body, ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise Refused("the signature is another one") from None


def check_hmac(secret: str, signature: str, body: bytes, algorithm: str = "sha256") -> None:
    """A hexadecimal HMAC over the raw bytes, compared in constant time. Raises ``Refused``.

    A signature has no age: a replay is a duplicate to the database.
    """
    expected = hmac.new(secret.encode(), body, algorithm).hexdigest()
    if not secret or not hmac.compare_digest(expected.encode(), signature.lower().encode()):
        raise Refused("the signature is another one")


def is_sns_address(url: str, *, suffix: str = "") -> bool:
    """Whether an address is one of Amazon's notification service, over TLS."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and _SNS_HOST.match(parts.hostname or "") is not None
        and port in {None, 443}
        and parts.username is None
        and parts.path.endswith(suffix)
    )


class SnsVerifier:
    """Checks SNS messages; certificates are fetched once each."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._keys: dict[str, RSAPublicKey] = {}

    async def check(self, topic_arn: str, body: bytes) -> dict[str, Any]:
        """The message. Raises ``Refused``; errors of the network pass through."""
        try:
            message = json.loads(body)
        except ValueError:
            raise Refused("not JSON") from None
        if not isinstance(message, dict):
            raise Refused("no SNS message")
        # a valid signature only proves that some topic of Amazon's sent it
        if message.get("TopicArn") != topic_arn:
            raise Refused("of another topic")
        address = str(message.get("SigningCertURL", ""))
        if not is_sns_address(address, suffix=".pem"):
            raise Refused("the certificate is not at Amazon's")
        names = _NOTIFICATION if message.get("Type") == "Notification" else _CONFIRMATION
        signed = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
        version = str(message.get("SignatureVersion", "1"))
        if version not in {"1", "2"}:
            raise Refused("an unknown version of signatures")
        algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()  # noqa: S303
        try:
            raw = base64.b64decode(str(message.get("Signature", "")), validate=True)
            key = await self._key(address)
            key.verify(raw, signed.encode(), PKCS1v15(), algorithm)
        except (InvalidSignature, binascii.Error):
            raise Refused("the signature is another one") from None
        return message

    async def _key(self, address: str) -> RSAPublicKey:
        if (known := self._keys.get(address)) is not None:
            return known
        try:
            certificate = x509.load_pem_x509_certificate(await self._fetch(address))
        except ValueError:
            raise Refused("the certificate cannot be read") from None
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey):
            raise Refused("the certificate has a key of another kind")
        if len(self._keys) >= _MAX_CERTIFICATES:
            self._keys.clear()
        self._keys[address] = key
        return key
