"""BeyondTrust Workload Credentials: the address of a site, and how one logs in there.

Neighbours: the provider `beyondtrustworkloadcredentials`, and the generator of dynamic secrets. Both have the same
block, and each puts its own words before a refusal.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from eso.gocompat.text import quote
from eso.providers.contract import CredentialReader, InvalidConfig
from eso.providers.kit.address import parts_of
from eso.providers.kit.http import bearer
from eso.providers.kit.selectors import Json, part

VERSION: Final = "2026-04-28"
HEX: Final = "[0-9a-fA-F]"
SITE: Final = re.compile(rf"{HEX}{{8}}-{HEX}{{4}}-4{HEX}{{3}}-[89abAB]{HEX}{{3}}-{HEX}{{12}}", re.ASCII)
TOKEN: Final = ("auth", "apikey", "token")


def address(server: Json) -> str:
    """The API's address without a slash at its end. Raises InvalidConfig."""
    url = str(server.get("apiUrl") or "").rstrip("/")
    if parts_of(url) is None or urlsplit(url).scheme != "https":
        raise InvalidConfig("apiUrl must be an https URL with a host", fix="write https://host")
    return url


def site(server: Json) -> str:
    """Raises InvalidConfig."""
    given = str(server.get("siteId") or "")
    if not SITE.fullmatch(given):
        raise InvalidConfig(f"siteId must be a valid UUID format, got {quote(given)}", fix="copy the site's id")
    return given


def base(block: Json) -> str:
    """The address before every path. Raises InvalidConfig."""
    server = part(block, "server")
    return f"{address(server)}/{site(server)}/secrets"


async def headers(block: Json, credentials: CredentialReader) -> dict[str, str]:
    """What goes along with every call. Raises InvalidConfig for a token that no header can hold, and the credential
    reader's error."""
    token = (await credentials.secret(part(block, *TOKEN))).decode("utf-8", "replace").strip()
    return {
        **bearer(token),
        "bt-secrets-api-version": VERSION,
        "Content-Type": "application/json",
        "Accept": "application/json",
    }
