"""A message of Amazon SNS → whether AWS signed it, for one of our topics.

Neighbours: server.py asks, keyring.py fetches certificates and visits the confirmation URL. The certificate's address
stands in the message itself, so only Amazon's own hosts are believed.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from eso.api.changesource import Sns
from eso.notify.verify import FORGED, LATE, UNSIGNED, Genuine, Verdict

TOLERANCE: Final = 3600.0  # seconds: SNS tries for so long to deliver to an HTTP endpoint
HOST: Final = r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(?:\.cn)?"
CERTIFICATE: Final = re.compile(HOST + r"/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem")
CONFIRMATION: Final = re.compile(HOST + r"/\?Action=ConfirmSubscription&[A-Za-z0-9%&=._:~-]{1,2000}")
NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
SUBSCRIPTION: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "Notification": NOTIFICATION,
    "SubscriptionConfirmation": SUBSCRIPTION,
    "UnsubscribeConfirmation": SUBSCRIPTION,
}
HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "1": hashes.SHA1(),  # what topics use unless they are told otherwise
    "2": hashes.SHA256(),
}


def certificate_url(message: Mapping[str, Any]) -> str | None:
    """Where the certificate is; None for an address that is not Amazon's."""
    url = message.get("SigningCertURL")
    return url if isinstance(url, str) and CERTIFICATE.fullmatch(url) else None


def confirmation_url(message: Mapping[str, Any]) -> str | None:
    """What a subscription wants to have visited. Only of a message whose signature is right."""
    url = message.get("SubscribeURL")
    return url if isinstance(url, str) and CONFIRMATION.fullmatch(url) else None


def string_to_sign(message: Mapping[str, Any]) -> bytes | None:
    """Names and values, one to a line, in the order that the type of the message demands."""
    names = TYPES.get(str(message.get("Type")))
    if names is None:
        return None
    lines: list[str] = []
    for name in names:
        value = message.get(name)
        if value is None and name == "Subject":
            continue
        if not isinstance(value, str):
            return None
        lines += [name, value]
    try:
        return ("\n".join(lines) + "\n").encode()
    except UnicodeEncodeError:
        return None


def verdict(message: Mapping[str, Any], rule: Sns, certificate: bytes, now: float) -> Verdict:
    """`certificate` is PEM from `certificate_url`."""
    text, algorithm = string_to_sign(message), HASHES.get(str(message.get("SignatureVersion")))
    if text is None or algorithm is None:
        return UNSIGNED
    try:
        signature = base64.b64decode(str(message.get("Signature")), validate=True)
        key = x509.load_pem_x509_certificate(certificate).public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            return FORGED
        key.verify(signature, text, padding.PKCS1v15(), algorithm)
        at = datetime.fromisoformat(str(message["Timestamp"]))
    except (InvalidSignature, ValueError, binascii.Error, x509.InvalidVersion, UnsupportedAlgorithm):
        return FORGED
    if message["TopicArn"] not in rule.topic_arns or at.tzinfo is None:
        return FORGED
    if abs(now - at.timestamp()) > TOLERANCE:
        return LATE
    return Genuine(str(message["MessageId"]), 2 * TOLERANCE)
