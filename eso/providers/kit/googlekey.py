"""A token that says who a Google service account is, got with the account's key.

Neighbours: logins that show the operator's own identity where a key file has it; googlemetadata.py has the machine's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from eso.errors import EsoError
from eso.net.http import Pools
from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.kit import http, jwt
from eso.providers.kit.http import Api, Reply, object_of, status_line, text_in
from eso.providers.kit.refusals import rejected
from eso.providers.kit.token import MOST_TOKEN

TOKEN_URL: Final = "https://oauth2.googleapis.com/token"
GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SECONDS: Final = 3600
EARLIER: Final = 10  # seconds; an assertion from the future is refused


def assertion(key_file: bytes, audience: str, now: datetime) -> str:
    """What the key signs: the account asks for a token for `audience`. Takes milliseconds. Raises InvalidConfig, which
    shows nothing of the file."""
    try:
        info = object_of(key_file)
        email, pem = text_in(info, "client_email"), text_in(info, "private_key")
        key = jwt.rsa_key(pem.encode())
    except (Malformed, InvalidConfig):
        raise InvalidConfig("the file is no key of a Google service account", fix="create a JSON key") from None
    issued = int(now.timestamp()) - EARLIER
    claims: dict[str, Any] = {"iss": email, "sub": email, "aud": TOKEN_URL, "target_audience": audience}
    return jwt.signed(key, {**claims, "iat": issued, "exp": issued + SECONDS}, str(info.get("private_key_id") or ""))


async def identity(pools: Pools, label: str, signed: str) -> str:
    """The token for a signed assertion. `label`: the provider label of the metrics."""
    pool = pools.open(TOKEN_URL)
    try:
        asked: Mapping[str, str] = {"grant_type": GRANT, "assertion": signed}
        api = Api(pool, label, "", refuse=refuse, max_body=MOST_TOKEN)
        token = text_in(object_of((await api.send("GetIdentityToken", "POST", TOKEN_URL, form=asked)).body), "id_token")
    finally:
        await pool.close()
    if not token or not token.isascii() or not token.isprintable():
        raise Malformed("the server's reply has no usable token")
    return token


def refuse(reply: Reply) -> EsoError:
    error = http.refusal(f"Google answered {status_line(reply.status)}", reply)
    return rejected(error, "does the service account still have this key?")
