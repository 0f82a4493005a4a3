"""MFA: the time-based one-time password of a seed (RFC 6238, with HMAC-SHA1 whatever `algorithm` says).

Neighbours: registry.py names it.
"""

from __future__ import annotations

import hmac
import string
from datetime import datetime
from typing import Any, ClassVar, Final

from eso.errors import EsoError
from eso.generators.contract import Generated, GeneratorFailed, Json, Stateless, spec_of
from eso.generators.kit.secret import MissingKey, secret_of
from eso.providers.contract import CredentialReader
from eso.providers.env import Env

ALPHABET: Final = {ord(letter): value for value, letter in enumerate(string.ascii_uppercase + "234567")}
LENGTH, PERIOD = 6, 30
LONGEST: Final = 1 << 20  # digits; a Secret takes 1 MiB
DIGITS: Final = 10  # of 31 bits
LONGEST_SEED: Final = 4096  # bytes; beyond 64 they are hashed to 20
BYTES: Final = {0: 0, 1: 0, 2: 1, 3: 0, 4: 2, 5: 3, 6: 0, 7: 4}  # whole bytes in the last characters of a seed


class MFA(Stateless):
    kind: ClassVar[str] = "MFA"

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        spec = spec_of(resource)
        selector: Json = spec.get("secret") or {}
        try:
            seed = await secret_of(credentials, selector)
        except MissingKey:
            raise GeneratorFailed(
                f"secret key {selector.get('key') or ''} does not exist in secret data map",
                fix=f'add the key to secret "{selector.get("name") or ""}" in namespace "{credentials.namespace}"',
            ) from None
        except EsoError as error:
            raise GeneratorFailed(f"failed to find secret for token key: {error}", fix=error.fix) from error
        length, period = positive(spec.get("length"), LENGTH), positive(spec.get("timePeriod"), PERIOD)
        if length > LONGEST:
            raise GeneratorFailed(f"a code of more than {LONGEST} digits fits into no Secret", fix="write 6 or 8")
        when = moment(spec.get("when")) or env.clock.now()
        second = int(when.timestamp() // 1)
        token = code(decoded(seed), second // period, length)
        return Generated({"token": token.encode(), "timeLeft": str(period - second % period).encode()})


def positive(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else default


def moment(text: Any) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        raise GeneratorFailed("unable to parse spec: when is no time", fix="write an RFC 3339 time") from None


def decoded(seed: bytes) -> bytes:
    """Base32 without padding, as the reference reads it: spaces and line breaks are skipped, and last characters that
    make no whole byte give nothing instead of failing. Raises GeneratorFailed, which names the place of a character and
    never the character."""
    if len(seed) > LONGEST_SEED:
        raise GeneratorFailed(
            f"failed to generate code for token key: the seed is longer than {LONGEST_SEED} bytes",
            fix="the seed is what stands in the secret of an otpauth address: some dozen letters",
        )
    text = seed.replace(b" ", b"").upper()
    bits = count = 0
    for at, letter in enumerate(text):
        if letter in b"\r\n":
            continue
        if letter not in ALPHABET:
            text_ = f"illegal base32 data at input byte {at - text[:at].count(10) - text[:at].count(13)}"
            raise GeneratorFailed(
                f"failed to generate code for token key: failed to generate OTP code: {text_}",
                fix="the seed is base32 without padding: letters and the digits 2 to 7",
            )
        bits, count = (bits << 5) | ALPHABET[letter], count + 1
    groups, rest = divmod(count, 8)
    whole = (bits >> (5 * rest)).to_bytes(groups * 5, "big") if groups else b""
    length = BYTES[rest]
    tail = (bits & ((1 << 5 * rest) - 1)) >> (5 * rest - 8 * length) if length else 0
    return whole + tail.to_bytes(length, "big")


def code(key: bytes, counter: int, length: int) -> str:
    """RFC 4226. A code has 31 bits: beyond ten digits there are only zeros in front."""
    digest = hmac.digest(key, counter.to_bytes(8, "big", signed=counter < 0), "sha1")
    offset = digest[-1] & 15
    value = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(value % 10 ** min(length, DIGITS)).rjust(length, "0")


GENERATOR: Final = MFA()
