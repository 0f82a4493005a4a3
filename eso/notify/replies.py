"""What a queue of a cloud answers → messages that formats.py can read, each with the receipt that takes it off.

Neighbours: sqs.py, pubsub.py and servicebus.py ask. Total functions: a reply is messages, or Malformed. A message whose
content is not understood is a message all the same, for it has to be taken off the queue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from eso.notify.contract import MOST_MESSAGES, Message
from eso.providers.contract import Malformed

LONGEST_RECEIPT: Final = 4096  # characters
CODE: Final = re.compile(r"[A-Za-z.]{1,64}")
BROKER: Final = "BrokerProperties"
# Codes of SQS for a receipt that is too old, or whose message is gone already.
OUTDATED: Final = frozenset(("InvalidParameterValue", "MessageNotInflight", "ReceiptHandleIsInvalid"))


# Amazon SQS


def of_sqs(answer: Mapping[str, Any]) -> tuple[Message, ...]:
    """The answer of ReceiveMessage; without `Messages` the queue was empty. An envelope of SNS stays around the body:
    formats.py opens it, and reads a body without one (raw delivery) as it is."""
    return tuple(one_of_sqs(entry) for entry in entries(answer, "Messages"))


def one_of_sqs(entry: Mapping[str, Any]) -> Message:
    body = entry.get("Body")
    return Message(utf8(body) if isinstance(body, str) else b"", receipt(entry.get("ReceiptHandle")))


def undeleted(answer: Mapping[str, Any]) -> list[str]:
    """Codes of the messages that DeleteMessageBatch left in the queue. A receipt that is too old is none of them: its
    message comes again by itself, with another receipt."""
    codes = [str(entry.get("Code")) for entry in entries(answer, "Failed")]
    return [code if CODE.fullmatch(code) else "unknown" for code in codes if code not in OUTDATED]


# Google Pub/Sub


def of_pub_sub(answer: Mapping[str, Any], subscription: str) -> tuple[Message, ...]:
    """The answer of `:pull`, which may be empty. Each body is the document that a push subscription would send."""
    return tuple(one_of_pub_sub(entry, subscription) for entry in entries(answer, "receivedMessages"))


def one_of_pub_sub(entry: Mapping[str, Any], subscription: str) -> Message:
    message = entry.get("message")
    document = {"message": message if isinstance(message, dict) else {}, "subscription": subscription}
    try:
        body = orjson.dumps(document)
    except (TypeError, ValueError):  # half a character
        body = b""
    return Message(body, receipt(entry.get("ackId")))


# Azure Service Bus


def of_service_bus(status: int, headers: Mapping[str, str], body: bytes) -> tuple[Message, ...]:
    """The reply of a peek-lock: 201 with one message, 204 for none. The receipt is the message's place below the queue:
    its number and the token of the lock. The URL of the Location header is not used: it could name another server."""
    if status == 204:
        return ()
    if status not in (200, 201):
        raise Malformed(f"Service Bus answered {status} where a message or none was expected")
    try:
        broker = orjson.loads(headers.get(BROKER, ""))
    except orjson.JSONDecodeError:
        broker = None
    if not isinstance(broker, dict):
        raise Malformed("the reply of Service Bus has no readable BrokerProperties")
    number, lock = broker.get("SequenceNumber"), broker.get("LockToken")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 1 << 63:
        raise Malformed("the reply of Service Bus has no SequenceNumber")
    if not isinstance(lock, str) or not is_lock(lock):
        raise Malformed("the reply of Service Bus has no LockToken")
    kind = headers.get("Content-Type", "")
    return (Message(unwrapped(body), f"{number}/{lock}", {"content-type": kind}),)


def is_lock(text: str) -> bool:
    """A GUID; it becomes a segment of a URL."""
    return 32 <= len(text) <= 40 and text.isascii() and text.replace("-", "").isalnum()


def unwrapped(body: bytes) -> bytes:
    """Event Grid puts one event into one message, and formats.py knows its schema as a list."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    alone = isinstance(document, dict) and isinstance(document.get("eventType"), str) and "eventTime" in document
    return b"[" + body + b"]" if alone else body


# parts


def entries(answer: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """A list that may be left out. Raises Malformed."""
    found = answer.get(name)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise Malformed(f"the answer's {name} is no list of messages")
    if len(found) > MOST_MESSAGES:
        raise Malformed(f"the answer has more than {MOST_MESSAGES} messages")
    return found


def receipt(found: Any) -> str:
    """Raises Malformed: without it the message would come again for ever."""
    if not isinstance(found, str) or not found or len(found) > LONGEST_RECEIPT or not found.isprintable():
        raise Malformed("a message has no receipt")
    return found


def utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
