"""A refusal of Key Vault → a typed error whose text is made of known words.

Neighbours: client.py makes the calls. A message of Key Vault names the caller, the vault and what was sent: only its
codes, and phrases from a closed list, are shown.
"""

from __future__ import annotations

import re
from typing import Final

from eso.errors import EsoError
from eso.providers.contract import Busy, Denied, InvalidConfig
from eso.providers.kit import http, refusals
from eso.providers.kit.http import Reply, status_line
from eso.providers.kit.selectors import part

ABSENT: Final = frozenset({"SecretNotFound", "KeyNotFound", "CertificateNotFound"})
MOVING: Final = frozenset({"ObjectIsBeingDeleted", "ObjectIsBeingRecovered", "ConflictError"})
DELETED: Final = "ObjectIsDeletedButRecoverable"
CODES: Final = frozenset(
    {
        *ABSENT,
        *MOVING,
        DELETED,
        "AccessDenied",
        "AKV10032",
        "BadParameter",
        "CertificateDisabled",
        "Conflict",
        "Forbidden",
        "ForbiddenByConnection",
        "ForbiddenByFirewall",
        "ForbiddenByPolicy",
        "ForbiddenByRbac",
        "KeyDisabled",
        "SecretDisabled",
        "Throttled",
        "Unauthorized",
        "VaultNotFound",
    }
)
PERMISSION: Final = re.compile(
    r"does not have (?:secrets|keys|certificates) (?:get|list|set|delete|import) permission", re.ASCII
)


class Missing(EsoError):
    """Key Vault itself says that the object or the version does not exist. No other 404 proves that."""


def of_vault(reply: Reply) -> EsoError:
    code, inner, message = told(reply.body)
    known = list(dict.fromkeys(one for one in (code, inner) if one in CODES))
    phrase = PERMISSION.search(message)
    words = ", ".join(known + ([phrase.group()] if phrase else []))
    shown = f"Key Vault answered {status_line(reply.status)}{f' ({words})' if words else ''}"
    match reply.status, code, inner:
        case 404, _, _ if code in ABSENT:
            return Missing(shown)
        case 409, _, _ if DELETED in (code, inner):
            return InvalidConfig(shown, fix="recover or purge the deleted object, or push to another name")
        case 409, _, _ if code in MOVING or inner in MOVING:
            return Busy(shown)
        case 403, _, "SecretDisabled" | "KeyDisabled" | "CertificateDisabled":
            return Denied(shown, fix="enable the object, or name a version that is enabled")
    error = http.refusal(shown, reply)
    if isinstance(error, Denied):
        error.fix = "give the identity the role Key Vault Secrets User, or an access policy, and let its network in"
    return error


def told(body: bytes) -> tuple[str, str, str]:
    """The code, the innermost code and the message; "" for each that is not in Key Vault's form."""
    error = part(refusals.members(body), "error")
    return (
        refusals.told(error, "code"),
        refusals.told(part(error, "innererror"), "code"),
        refusals.told(error, "message"),
    )
