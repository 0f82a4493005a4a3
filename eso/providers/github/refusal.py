"""A refusal of GitHub → a typed error whose text is made of known words.

Neighbours: client.py and connect.py give these to their Api. GitHub's messages may repeat what was sent: only phrases
from a closed list are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied, Throttled
from eso.providers.kit import http
from eso.providers.kit.http import NothingThere, Reply, status_line
from eso.providers.kit.refusals import members, phrases, rejected, told

HARMLESS: Final = re.compile(
    r"Bad credentials|Not Found|Resource not accessible by integration|Integration not found|Integration must generate"
    r"|A JSON web token could not be decoded|'(?:Issued at|Expiration time|Issuer)' claim \('(?:iat|exp|iss)'\)"
    r"|This installation has been suspended|API rate limit exceeded|You have exceeded a secondary rate limit"
    r"|Secret names (?:can only contain|must not start with)|Validation Failed|Bad request|is too large"
    r"|Repository was archived|Requires authentication",
    re.ASCII,
)


def of_api(reply: Reply) -> EsoError:
    """GitHub answers 403 to who asks too often, and 404 to who may not see what is there."""
    shown = worded(reply)
    if reply.status == 403 and (wait := throttled(reply)) is not None:
        return Throttled(shown, retry_after=wait or None)
    error = http.refusal(shown, reply)
    if isinstance(error, Throttled) and error.retry_after is None:
        error.retry_after = throttled(reply) or None
    if isinstance(error, AuthExpired):
        error.fix = "is the App still installed there?"
    elif isinstance(error, Denied | NothingThere):
        error.fix = "does the App have the permission for secrets, and is it installed for this repository?"
    return error


def of_login(reply: Reply) -> EsoError:
    """AuthRejected, unless the server is throttling or failing."""
    error = of_api(reply)
    return rejected(error, "do appID, installationID and the private key belong together?")


def throttled(reply: Reply) -> float | None:
    """Seconds to wait, 0 where GitHub does not say how long; None where nobody asked too often."""
    waits = http.retry_after(reply.headers)
    if waits is not None:
        return waits
    if reply.headers.get("X-RateLimit-Remaining", "").strip() == "0":
        reset, now = reply.headers.get("X-RateLimit-Reset", "").strip(), http.date(reply.headers.get("Date", ""))
        known = reset.isascii() and reset.isdigit() and len(reset) < 16 and now is not None
        return min(max(0.0, float(reset) - (now or 0.0)), http.LONGEST_WAIT) if known else 0.0
    return 0.0 if "rate limit" in told(members(reply.body), "message") else None


def worded(reply: Reply) -> str:
    known = [phrase for phrase in phrases(HARMLESS, told(members(reply.body), "message")) if phrase != "Not Found"]
    return f"{status_line(reply.status)} ({', '.join(known)})" if known else status_line(reply.status)
