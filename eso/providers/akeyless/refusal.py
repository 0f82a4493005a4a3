"""A refusal of Akeyless → a typed error whose text is made of known words.

Neighbours: client.py and login.py make the calls. An error of Akeyless may quote what was sent: only its status, and
phrases from a closed list, are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied, Throttled
from eso.providers.kit import http
from eso.providers.kit.http import Reply, status_line
from eso.providers.kit.refusals import members, phrases, rejected, told

HARMLESS: Final = re.compile(
    r"access denied|permission denied|no access|not authori[sz]ed|unauthori[sz]ed|not allowed|forbidden"
    r"|you don't have permission|authorization failed"
    r"|token (?:is |has )?expired|invalid token"
    r"|item (?:was )?not found|not found|already exists"
    r"|failed to (?:authenticate|describe item|get item|get secret value|list items|create secret|delete item)"
    r"|rate limit(?: exceeded)?|too many requests|quota exceeded"
    r"|version|item type",
    re.ASCII | re.IGNORECASE,
)
DENIALS: Final = re.compile(
    r"access denied|permission denied|no access|not authori[sz]ed|not allowed|you don't have permission",
    re.ASCII | re.IGNORECASE,
)
# Both have to be in a message: what stands before Akeyless says "not found" as well, of a path or a route.
AN_ITEM: Final = re.compile(r"(?:^|[^\w/.-])(?:items?|secrets?)(?![\w/-])", re.ASCII | re.IGNORECASE)
ABSENT: Final = re.compile(r"not found|(?:does|do)(?: not|n't) exist|not exist|no such", re.ASCII | re.IGNORECASE)


class Missing(EsoError):
    """Akeyless itself says that the item does not exist. No other 404 says that."""


def of_api(reply: Reply) -> EsoError:
    message = told(members(reply.body), "error", "message")
    shown = words(reply, message)
    error = http.refusal(shown, reply)
    if reply.status < 500 and not isinstance(error, Throttled | AuthExpired) and DENIALS.search(message):
        return Denied(shown, fix="let the role of the auth method read the item")
    if reply.status == 404 and AN_ITEM.search(message) and ABSENT.search(message):
        return Missing(shown)
    return error


def of_login(reply: Reply) -> EsoError:
    """AuthRejected, unless Akeyless is throttling or failing."""
    message = told(members(reply.body), "error", "message")
    error = http.refusal(f"authentication failed: {words(reply, message)}", reply)
    return rejected(error, "check the access id, its type and parameter, and the sub-claims of its role")


def words(reply: Reply, message: str) -> str:
    known = phrases(HARMLESS, message.lower())
    shown = f" ({', '.join(known)})" if known else ""
    return f"Akeyless answered {status_line(reply.status)}{shown}"
