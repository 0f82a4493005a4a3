"""What may be shown of a server's refusal. Its message may repeat what was sent, so only phrases from a closed list
are.

Neighbours: the refusal.py of each provider, which has the list and the words around it.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from eso.errors import EsoError
from eso.providers.contract import AuthRejected, Malformed, Throttled, Unavailable
from eso.providers.kit.selectors import Json

SHOWN: Final = 3  # phrases
MOST_READ: Final = 4096  # characters of a message
LONGEST: Final = 64 << 10  # bytes of a refusal that is read; the loop waits meanwhile


def members(body: bytes) -> Json:
    """The members of the JSON object that a refusal is; none for a body of another form, or for one so long that no
    server means it."""
    if len(body) > LONGEST:
        return {}
    try:
        found: Any = orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def told(found: Json, *names: str) -> str:
    """The texts among these members."""
    texts = (found.get(name) for name in names)
    return " ".join(text for text in texts if isinstance(text, str))[:MOST_READ]


def phrases(harmless: re.Pattern[str], message: str) -> list[str]:
    """The phrases of a message that are on the list, each once."""
    return list(dict.fromkeys(harmless.findall(message)))[:SHOWN]


def rejected(error: EsoError, fix: str) -> EsoError:
    """What a refused login means: AuthRejected, unless the server is throttling or failing."""
    if isinstance(error, Unavailable | Throttled | Malformed):
        return error
    return AuthRejected(str(error), fix=fix)
