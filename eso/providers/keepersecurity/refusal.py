"""A refusal of Keeper → a typed error whose text is made of known words.

Neighbours: client.py gives these to its Api. Keeper's messages may repeat what was sent: only its own names of errors
are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied, Throttled
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line
from eso.providers.kit.refusals import members, phrases, told

NAMES: Final = re.compile(
    r"access_denied|bad_request|expired|forbidden|invalid_client(?:_version)?|invalid_signature|invalid_token"
    r"|internal_error|not_found|restricted_ip|throttled|unknown_error",
    re.ASCII,
)
SILENCE: Final = 11.0  # seconds; the server forgets after 10 without a request
OTHER_CLIENT: Final = frozenset({"access_denied", "expired", "invalid_client", "invalid_signature", "invalid_token"})


class OtherKey(EsoError):
    """The server wants the letter sealed for its key of this number."""

    def __init__(self, number: str) -> None:
        super().__init__("the server asks for another of its keys")
        self.number = number


def of_read(reply: Reply) -> EsoError:
    """A read names no record that it has to be allowed to see: what is refused is the device."""
    kind, error = told_of(reply)
    if isinstance(error, Denied) and kind in OTHER_CLIENT:
        return AuthExpired(str(error), fix="is the device still there, and may it ask from this address?")
    return error


def of_write(reply: Reply) -> EsoError:
    _, error = told_of(reply)
    if isinstance(error, Denied):
        error.fix = "let the application edit the folder"
    return error


def of_file(reply: Reply) -> EsoError:
    """The storage of files: its address is the credential, and says nothing of the login."""
    shown = f"the file's storage answered {status_line(reply.status)}"
    if reply.status == 401:
        return Denied(shown)
    return http.refusal(shown, reply)


def told_of(reply: Reply) -> tuple[str, EsoError]:
    found = members(reply.body)
    kind = told(found, "error") or told(found, "result_code")
    number = found.get("key_id")
    if (kind == "key" or told(found, "message") == "invalid key id") and isinstance(number, int | str):
        return kind, OtherKey(str(number)[:8])
    known = [name for name in phrases(NAMES, kind) if name == kind]
    shown = f"Keeper answered {status_line(reply.status)}" + (f" ({kind})" if known else "")
    if kind == "throttled" and reply.status == 403:
        wait = found.get("retry_after")
        given = wait if isinstance(wait, int | float) and 0 < wait < http.LONGEST_WAIT else SILENCE
        return kind, Throttled(shown, retry_after=float(given))
    return kind, http.refusal(shown, reply)
