"""A request → whether its sender is who the ChangeSource expects, and the id by which a replay is known.

Neighbours: server.py asks, formats.py reads what was said, jwt.py and sns.py check what is signed with public keys.
Secrets are compared in constant time, and every key is tried, whichever one fits.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from eso.api.changesource import Auth
from eso.secretbytes import SecretBytes

TOLERANCE: Final = 300.0  # seconds that a signed time may be off
REMEMBERED: Final = 50_000  # ids of all sources, 10 MB
ID_CHARACTERS: Final = 256
BEARER: Final = "bearer "
WHSEC: Final = b"whsec_"


class Cause(Enum):
    """Why a sender is refused. The values are labels of a metric and members of a status."""

    UNSIGNED = "unsigned"  # nothing that could be checked
    FORGED = "forged"  # the signature, the token or one of its claims is not right
    LATE = "late"  # signed, but too long ago or for a time to come
    KEYLESS = "keyless"  # the issuer's public keys cannot be fetched
    UNJUDGED = "unjudged"  # the certificate cannot be fetched now: the sender should try again


@dataclass(frozen=True, slots=True)
class Genuine:
    """`replay_id`: equal for two requests only when one repeats the other; "" where the scheme signs nothing that
    tells. `lasts`: seconds in which a repetition would still be accepted."""

    replay_id: str = ""
    lasts: float = 2 * TOLERANCE


@dataclass(frozen=True, slots=True)
class Refused:
    cause: Cause


Verdict = Genuine | Refused
UNSIGNED: Final = Refused(Cause.UNSIGNED)
FORGED: Final = Refused(Cause.FORGED)
LATE: Final = Refused(Cause.LATE)


def by_secret(auth: Auth, keys: Sequence[SecretBytes], headers: Mapping[str, str], body: bytes, now: float) -> Verdict:
    """For every scheme with a shared secret. `headers` by lower-case name; `keys` are the values that are accepted;
    `now` in seconds since 1970."""
    if auth.hmac is not None:
        return standard(keys, headers, body, now)
    if auth.bearer is not None:
        return bearer(keys, headers)
    if auth.github is not None:
        return hex_of_body(keys, headers.get("x-hub-signature-256", ""), body)
    if auth.doppler is not None:
        return hex_of_body(keys, headers.get("x-doppler-signature", ""), body)
    if auth.gitlab is not None:
        return gitlab(keys, headers, body, now)
    if auth.infisical is not None:
        return infisical(keys, headers, body, now)
    return UNSIGNED


def standard(keys: Sequence[SecretBytes], headers: Mapping[str, str], body: bytes, now: float) -> Verdict:
    """Standard Webhooks: HMAC-SHA256 of `id.timestamp.body`; the header may list several signatures."""
    told, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    listed = headers.get("webhook-signature", "")
    is_time = at.isascii() and at.isdigit() and len(at) <= 12
    if not told or not told.isascii() or len(told) > ID_CHARACTERS or not listed or not is_time:
        return UNSIGNED
    message = f"{told}.{at}.".encode() + body
    given = [text[3:] for text in listed.split(" ", 8)[:8] if text.startswith("v1,")]
    made = [
        base64.b64encode(hmac.digest(key, message, hashlib.sha256)).decode()
        for one in keys
        if (key := standard_key(one.reveal()))
    ]
    if not any([same(theirs, ours) for theirs in given for ours in made]):
        return FORGED
    return Genuine(told) if abs(now - int(at)) <= TOLERANCE else LATE


def standard_key(value: bytes) -> bytes:
    """`whsec_` and base64, or the bytes as they are. b"" is a key that signs nothing."""
    value = value.strip()
    if not value.startswith(WHSEC):
        return value
    try:
        return base64.b64decode(value[len(WHSEC) :], validate=True)
    except binascii.Error:
        return b""


def signed(key: bytes, told: str, at: int, body: bytes) -> dict[str, str]:
    """The headers with which a sender signs an event."""
    digest = hmac.digest(standard_key(key), f"{told}.{at}.".encode() + body, hashlib.sha256)
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": told, "webhook-timestamp": str(at), "webhook-signature": signature}


def token_of(headers: Mapping[str, str]) -> str:
    """What stands behind `Bearer` in the Authorization header."""
    text = headers.get("authorization", "")
    return text[len(BEARER) :].strip() if text[: len(BEARER)].lower() == BEARER else ""


def bearer(keys: Sequence[SecretBytes], headers: Mapping[str, str]) -> Verdict:
    token = token_of(headers)
    if not token:
        return UNSIGNED
    return Genuine() if any([same(token, key) for key in texts(keys)]) else FORGED


def hex_of_body(keys: Sequence[SecretBytes], header: str, body: bytes) -> Verdict:
    """`sha256=` and the HMAC-SHA256 of the body. The scheme signs no time and no id: a repeated request makes one more
    read of what is there, and the rate limit bounds that."""
    if not header.startswith("sha256="):
        return UNSIGNED
    made = [hmac.new(key, body, hashlib.sha256).hexdigest() for one in keys if (key := one.reveal().strip())]
    return Genuine() if any([same(header[7:].lower(), ours) for ours in made]) else FORGED


def gitlab(keys: Sequence[SecretBytes], headers: Mapping[str, str], body: bytes, now: float) -> Verdict:
    """The signature of newer versions where there is one, otherwise the plain token. A value that can sign is no
    token: it would be shown to whoever looks at the request."""
    if "webhook-signature" in headers:
        return standard(keys, headers, body, now)
    token = headers.get("x-gitlab-token", "")
    if not token:
        return UNSIGNED
    plain = [key for key in keys if not key.reveal().strip().startswith(WHSEC)]
    return Genuine() if any([same(token, key) for key in texts(plain)]) else FORGED


def infisical(keys: Sequence[SecretBytes], headers: Mapping[str, str], body: bytes, now: float) -> Verdict:
    """`t=<milliseconds>;<hex>`; the HMAC is that of the body, which has the same time inside."""
    at, found, given = headers.get("x-infisical-signature", "").partition(";")
    millis = at.removeprefix("t=")
    if not found or at == millis or not millis.isascii() or not millis.isdigit() or len(millis) > 16:
        return UNSIGNED
    made = [hmac.new(key, body, hashlib.sha256).hexdigest() for one in keys if (key := one.reveal().strip())]
    if not any([same(given.lower(), ours) for ours in made]):
        return FORGED
    if f'"timestamp":{millis}'.encode() not in body.replace(b" ", b""):
        return FORGED  # the time in the header is not signed, only the one in the body is
    return Genuine(f"{millis}.{given.lower()}") if abs(now - int(millis) / 1000) <= TOLERANCE else LATE


def texts(keys: Sequence[SecretBytes]) -> list[str]:
    return [text for key in keys if (text := key.reveal().strip().decode("utf-8", "surrogateescape"))]


def same(theirs: str, ours: str) -> bool:
    return hmac.compare_digest(theirs.encode("utf-8", "surrogateescape"), ours.encode("utf-8", "surrogateescape"))


class Replays:
    """The ids that were carried out, each for as long as a repetition would be accepted. Every source has a window of
    its own. When there are too many ids, the namespace with the most loses the oldest of its largest source, so that
    nobody can have the ids of another forgotten; a repetition of what was forgotten would make one more read."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._windows: dict[str, OrderedDict[bytes, float]] = {}  # by source: its ids end in the order they came
        self._owners: dict[str, str] = {}  # source → namespace
        self._sizes: Counter[str] = Counter()  # of namespaces

    def seen(self, source: str, replay_id: str, now: float) -> bool:
        """`source`: uid of the ChangeSource."""
        return bool(replay_id) and self._windows.get(source, NEVER).get(short(replay_id), -1.0) > now

    def remember(self, namespace: str, source: str, replay_id: str, until: float, now: float) -> None:
        if not replay_id:
            return
        window = self._windows.setdefault(source, OrderedDict())
        self._owners[source] = namespace
        name = short(replay_id)
        if name not in window:
            self._sizes[namespace] += 1
        window[name] = until
        window.move_to_end(name)
        self._expire(source, now)
        if len(self) > self._most:
            for other in list(self._windows):
                self._expire(other, now)
        while len(self) > self._most:
            (largest, _), *_ = self._sizes.most_common(1)
            own = (one for one, owner in self._owners.items() if owner == largest)
            self._forget(max(own, key=lambda one: len(self._windows[one])))

    def _expire(self, source: str, now: float) -> None:
        while (window := self._windows.get(source)) and next(iter(window.values())) <= now:
            self._forget(source)

    def _forget(self, source: str) -> None:
        """The oldest id."""
        window, owner = self._windows[source], self._owners[source]
        window.popitem(last=False)
        self._sizes[owner] -= 1
        if not window:
            del self._windows[source], self._owners[source]
        if not self._sizes[owner]:
            del self._sizes[owner]

    def __len__(self) -> int:
        return self._sizes.total()


NEVER: Final[Mapping[bytes, float]] = {}


def short(replay_id: str) -> bytes:
    """Ids may be long, and there are many of them."""
    return hashlib.blake2b(replay_id.encode("utf-8", "surrogateescape"), digest_size=16).digest()
