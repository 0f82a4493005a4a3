"""Replies of Keystone and Barbican, and payloads as values.

Neighbours: login.py and client.py make the calls. Anything that is not of the form the servers promise is malformed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.kit.address import parts_of
from eso.providers.kit.http import object_of, text_in
from eso.providers.kit.selectors import Json, part
from eso.providers.kit.token import usable
from eso.values.jsonmap import NotAMap, to_map

SERVICE: Final = "key-manager"
USABLE: Final = ("current", "supported", "stable")
VERSIONS: Final = ("v3", "v2.0")  # the better one first
NOWHERE: Final = "No suitable endpoint could be found in the service catalog."


@dataclass(frozen=True, slots=True)
class Session:
    """`token` for every call at `endpoint`, which has no slash at its end. `lifetime` None: Keystone did not say."""

    token: str = field(repr=False)
    endpoint: str
    lifetime: float | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A secret as a list shows it."""

    id: str
    name: str


# Keystone


def version_of(body: bytes) -> tuple[str, str]:
    """The best version that Keystone serves, and the path of its API. Raises Malformed, or InvalidConfig for a Keystone
    without a version that can be used."""
    found: dict[str, str] = {}
    for entry in objects(part(object_of(body), "versions"), "values"):
        if str(entry.get("status")).lower() not in USABLE:
            continue
        hrefs = [link.get("href") for link in objects(entry, "links") if link.get("rel") == "self"]
        for version in VERSIONS:
            if version in str(entry.get("id")) and hrefs:
                found.setdefault(version, str(hrefs[-1]))
    for version in VERSIONS:
        if version in found:
            return version, path_of(found[version])
    raise InvalidConfig("no supported version of the identity API", fix="is authURL that of Keystone?")


def path_of(url: str) -> str:
    try:
        return f"{urlsplit(url).path.rstrip('/')}/"
    except ValueError:
        raise Malformed("the server's reply has an address that is none") from None


def session_of_v3(body: bytes, token: str | None, region: str) -> Session:
    if not token:
        raise Malformed("the server's reply has no X-Subject-Token")
    found = part(object_of(body), "token")
    for entry in objects(found, "catalog"):
        for endpoint in objects(entry, "endpoints") if entry.get("type") == SERVICE else ():
            here = region in ("", endpoint.get("region"), endpoint.get("region_id"))
            if endpoint.get("interface") == "public" and here:
                return Session(token, base_of(endpoint, "url"), seconds(found, "issued_at", "expires_at"))
    raise InvalidConfig(NOWHERE, fix="are tenantName and region right, and is Barbican in the catalog?")


def session_of_v2(body: bytes, region: str) -> Session:
    found = part(object_of(body), "access")
    token = part(found, "token")
    for entry in objects(found, "serviceCatalog"):
        for endpoint in objects(entry, "endpoints") if entry.get("type") == SERVICE else ():
            if region in ("", endpoint.get("region")):
                ends = seconds(token, "issued_at", "expires")
                return Session(text_in(token, "id"), base_of(endpoint, "publicURL"), ends)
    raise InvalidConfig(NOWHERE, fix="are tenantName and region right, and is Barbican in the catalog?")


def base_of(endpoint: Json, member: str) -> str:
    """The address of Barbican's API, version 1."""
    url = text_in(endpoint, member).rstrip("/")
    if parts_of(url) is None:
        raise Malformed("the catalog has an address of Barbican that cannot be used")
    return url if url.endswith("/v1") else f"{url}/v1"


def seconds(token: Json, issued: str, expires: str) -> float | None:
    """How long the token is used, by Keystone's own clock; None where it does not say."""
    began, ends = moment(token.get(issued)), moment(token.get(expires))
    return usable((ends - began).total_seconds()) if began and ends and ends > began else None


def moment(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def objects(found: Json, member: str) -> Iterator[dict[str, Any]]:
    """The objects of a list; nothing where there is none, as Keystone leaves out an empty catalog."""
    listed = found.get(member) or ()
    if not isinstance(listed, list | tuple) or not all(isinstance(entry, dict) for entry in listed):
        raise Malformed(f"the server's reply has no list of objects in {member}")
    return iter(listed)


# Barbican


def listed_of(body: bytes) -> tuple[list[Listed], str]:
    """The secrets of a page, and the query of the next one; "" after the last. Of the next page's address nothing else
    counts: it may name another host."""
    found = object_of(body)
    if not isinstance(found.get("secrets"), list):
        raise Malformed("the server's reply has no list in secrets")
    listed = [listed_in(entry) for entry in objects(found, "secrets")]
    return listed, following_of(found.get("next"))


def following_of(address: Any) -> str:
    """The query of the next page. Raises Malformed for an address without one: a list that is cut there would take keys
    out of a Secret."""
    if not address:
        return ""
    try:
        query = urlsplit(address).query if isinstance(address, str) and address.isprintable() else ""
    except ValueError:
        query = ""
    if not query:
        raise Malformed("the server's reply has an address that is none in next")
    return query


def listed_in(entry: Json) -> Listed:
    id = text_in(entry, "secret_ref").rstrip("/").rpartition("/")[2]
    if not id or id in (".", ".."):
        raise Malformed("the server's reply has no id in secret_ref")
    name = entry.get("name")
    return Listed(id, name if isinstance(name, str) else "")


def value(payload: bytes, property: str) -> bytes:
    """The payload, or the JSON text of one of its members: a text keeps its quotes, as in the reference."""
    if not property:
        return payload
    found = mapping(payload)
    if property not in found:
        raise InvalidConfig(
            f"barbican client: property {property} not found in secret payload", fix="correct remoteRef.property"
        )
    return found[property]


def mapping(payload: bytes) -> dict[str, bytes]:
    """The members of a JSON object, each as JSON text. Raises Malformed."""
    try:
        return to_map(payload, "source")
    except NotAMap as error:
        raise Malformed("barbican client: failed to unmarshal json", fix="is the payload a JSON object?") from error
