"""A refusal of Oracle Cloud → a typed error whose text is made of known words.

Neighbours: client.py and principals.py give these to their Api. Messages may repeat what was sent: only the status and
codes of a known form are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Busy, Denied, Unavailable
from eso.providers.kit import http
from eso.providers.kit.http import NothingThere, Reply, status_line
from eso.providers.kit.refusals import members, phrases, rejected, told

LABEL: Final = "Oracle/Vault"
CODES: Final = re.compile(
    r"\b(?:NotAuthenticated|NotAuthorizedOrNotFound|NotAuthorized|NotFound|NotAllowed|SignUpRequired|InvalidParameter"
    r"|MissingParameter|CannotParseRequest|LimitExceeded|QuotaExceeded|Conflict|IncorrectState|InvalidatedRetryToken"
    r"|NoEtagMatch|TooManyRequests|InternalServerError|InternalError|ServiceUnavailable)\b",
    re.ASCII,
)
ABSENT: Final = frozenset({"NotAuthorizedOrNotFound", "NotFound"})


class Hidden(NothingThere):
    """What was asked for is not there, or may not be seen: Oracle tells the two apart for nobody. It proves no absence
    of a secret."""


def of_api(service: str, operation: str, reply: Reply) -> EsoError:
    known = phrases(CODES, told(members(reply.body), "code"))
    text = f"{service} service failed to {operation}, HTTP status code {reply.status}"
    shown = f"{text}: {known[0]}" if known else text
    if reply.status == 404 and ABSENT & set(known):
        return Hidden(shown, fix="is it there, and may the principal read secret-bundles in its compartment?")
    if reply.status == 409:
        return Busy(shown)
    error = http.refusal(shown, reply)
    if isinstance(error, AuthExpired):
        error.fix = "are tenancy, user, fingerprint and private key those of one API key, and is the clock right?"
    elif isinstance(error, Denied):
        error.fix = "allow the principal to read secret-bundles in the compartment"
    elif "InvalidParameter" in known and operation == "CreateSecret":
        error.fix = "a secret that waits for its deletion keeps its name: use another one, or cancel the deletion"
    return error


def of_login(reply: Reply) -> EsoError:
    """AuthRejected, unless the server is throttling or failing."""
    known = phrases(CODES, told(members(reply.body), "code"))
    text = f"the token service of Oracle Cloud answered {status_line(reply.status)}"
    error = http.refusal(f"{text} ({known[0]})" if known else text, reply)
    return rejected(error, "is the machine in a dynamic group, and is the clock right?")


def of_machine(reply: Reply) -> EsoError:
    """The metadata service is not there for moments while it is replaced."""
    shown = f"the metadata service answered {status_line(reply.status)}"
    if reply.status == 404:
        return Unavailable(shown, answered=True, fix="does the operator run on a machine of Oracle Cloud?")
    return rejected(http.refusal(shown, reply), "does the operator run on a machine of Oracle Cloud?")


def of_cluster(reply: Reply) -> EsoError:
    error = http.refusal(f"the cluster's token service answered {status_line(reply.status)}", reply)
    fix = "ensure the cluster type is enhanced" if reply.status == 403 else "is this a cluster of OKE?"
    return rejected(error, fix)
