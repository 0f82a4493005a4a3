"""Messages of Amazon SNS: what is signed, by whose certificate, and for which topic."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from eso.api.changesource import Sns
from eso.notify.sns import certificate_url, confirmation_url, string_to_sign, verdict
from eso.notify.verify import FORGED, LATE, UNSIGNED, Genuine

TOPIC = "arn:aws:sns:us-west-2:123456789012:MyTopic"
RULE = Sns(topic_arns=(TOPIC,))
AT = datetime(2012, 5, 2, 0, 54, 6, 655000, tzinfo=UTC)
NOW = AT.timestamp() + 60
MESSAGE: dict[str, Any] = {
    "Type": "Notification",
    "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
    "TopicArn": TOPIC,
    "Subject": "My First Message",
    "Message": "Hello world!",
    "Timestamp": "2012-05-02T00:54:06.655Z",
    "SignatureVersion": "2",
    "SigningCertURL": "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
}
CONFIRM: dict[str, Any] = {
    "Type": "SubscriptionConfirmation",
    "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
    "Token": "2336412f37",
    "TopicArn": TOPIC,
    "Message": "You have chosen to subscribe to the topic.",
    "SubscribeURL": f"https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
    "Timestamp": "2012-05-02T00:54:06.655Z",
    "SignatureVersion": "1",
    "SigningCertURL": MESSAGE["SigningCertURL"],
}
KEY = rsa.generate_private_key(65537, 2048)


def pem(key: Any = KEY) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(AT).not_valid_after(AT + timedelta(days=365))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


PEM = pem()


def signed(message: dict[str, Any]) -> dict[str, Any]:
    text = string_to_sign(message)
    assert text is not None
    digest = hashes.SHA1() if message["SignatureVersion"] == "1" else hashes.SHA256()
    return message | {"Signature": base64.b64encode(KEY.sign(text, padding.PKCS1v15(), digest)).decode()}


def test_the_string_to_sign_is_that_of_the_documentation():
    assert string_to_sign(MESSAGE) == (
        b"Message\nHello world!\nMessageId\n22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324\nSubject\nMy First Message\n"
        b"Timestamp\n2012-05-02T00:54:06.655Z\nTopicArn\narn:aws:sns:us-west-2:123456789012:MyTopic\nType\nNotification\n"
    )
    without = {name: value for name, value in MESSAGE.items() if name != "Subject"}
    assert b"Subject" not in (string_to_sign(without) or b"")
    assert (string_to_sign(CONFIRM) or b"").startswith(b"Message\nYou have chosen")
    assert b"\nSubscribeURL\nhttps://sns.us-west-2" in (string_to_sign(CONFIRM) or b"")
    assert b"\nToken\n2336412f37\nTopicArn\n" in (string_to_sign(CONFIRM) or b"")


@pytest.mark.parametrize("message", [MESSAGE, MESSAGE | {"SignatureVersion": "1"}, CONFIRM])
def test_a_message_of_our_topic_is_genuine(message):
    assert verdict(signed(message), RULE, PEM, NOW) == Genuine(message["MessageId"], 7200.0)


@pytest.mark.parametrize("message", [MESSAGE, CONFIRM])
def test_no_signed_member_can_be_changed(message):
    whole = signed(message)
    for name in ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "SubscribeURL", "Token", "Signature"):
        if name not in whole:
            continue
        for value in (whole[name][:-1], whole[name] + "x", "", None, 5):
            changed = whole | {name: value}
            assert not isinstance(verdict(changed, RULE, PEM, NOW), Genuine), (name, value)
    assert not isinstance(verdict(whole | {"Type": "UnsubscribeConfirmation"}, RULE, PEM, NOW), Genuine)
    assert verdict(whole | {"SignatureVersion": "3"}, RULE, PEM, NOW) == UNSIGNED


def test_no_byte_of_a_signature_or_of_the_message_can_be_changed():
    whole = signed(MESSAGE)
    raw = base64.b64decode(whole["Signature"])
    for at in range(len(raw)):
        for mask in (0x01, 0x80):
            changed = base64.b64encode(raw[:at] + bytes((raw[at] ^ mask,)) + raw[at + 1 :]).decode()
            assert verdict(whole | {"Signature": changed}, RULE, PEM, NOW) == FORGED
    text = whole["Message"]
    for at in range(len(text)):
        for other in ("0", "\x00", "é"):
            if other != text[at]:
                changed = text[:at] + other + text[at + 1 :]
                assert verdict(whole | {"Message": changed}, RULE, PEM, NOW) == FORGED


def test_the_topic_of_another_customer_is_refused():
    theirs = signed(MESSAGE | {"TopicArn": "arn:aws:sns:us-west-2:999999999999:MyTopic"})
    assert verdict(theirs, RULE, PEM, NOW) == FORGED


def test_a_message_is_accepted_for_as_long_as_sns_tries_to_deliver_it():
    whole = signed(MESSAGE)
    assert isinstance(verdict(whole, RULE, PEM, AT.timestamp() + 3600), Genuine)
    assert verdict(whole, RULE, PEM, AT.timestamp() + 3601) == LATE


def test_another_certificate_proves_nothing():
    assert verdict(signed(MESSAGE), RULE, pem(rsa.generate_private_key(65537, 2048)), NOW) == FORGED
    for junk in (b"", b"junk", PEM[:100]):
        assert verdict(signed(MESSAGE), RULE, junk, NOW) == FORGED


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3.pem",
        "https://sns.us-west-2.amazonaws.com.evil.example/SimpleNotificationService-f3.pem",
        "https://evil.example/SimpleNotificationService-f3.pem",
        "https://sns.us-west-2.amazonaws.com@evil.example/SimpleNotificationService-f3.pem",
        "https://bucket.s3.amazonaws.com/SimpleNotificationService-f3.pem",
        "https://sns.us-west-2.amazonaws.com/../SimpleNotificationService-f3.pem",
        "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3.pem\n",
        "https://sns.us-west-2.amazonaws.com:444/SimpleNotificationService-f3.pem",
        "",
        None,
        5,
    ],
)
def test_a_certificate_comes_from_amazon_only(url):
    assert certificate_url({"SigningCertURL": url}) is None


def test_the_addresses_of_amazon_are_known():
    assert certificate_url(MESSAGE) == MESSAGE["SigningCertURL"]
    china = "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-f3.pem"
    assert certificate_url({"SigningCertURL": china}) == china
    assert confirmation_url(CONFIRM) == CONFIRM["SubscribeURL"]
    for url in ("https://evil.example/?Action=ConfirmSubscription&a=b", "http://169.254.169.254/", None, 5):
        assert confirmation_url({"SubscribeURL": url}) is None
