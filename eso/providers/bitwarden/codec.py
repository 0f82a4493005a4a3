"""Replies of the companion server, and what a value becomes as a map.

Neighbours: client.py makes the calls, yamls.py reads values. Anything that is not of the form the server promises is
malformed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from eso.errors import EsoError
from eso.providers.bitwarden.yamls import NotYaml, mapping_of, printed
from eso.providers.contract import Malformed
from eso.providers.kit.http import object_of, text_in
from eso.values.jsonmap import NotAMap, to_map

UUID: Final = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
FORM: Final = "the server's reply is not of the form it promises"


@dataclass(frozen=True, slots=True)
class Secret:
    """Never prints its value."""

    id: str
    key: str
    project: str
    note: str = field(repr=False)
    data: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.data)


def secret_of(body: bytes) -> Secret:
    found = object_of(body)
    return Secret(
        text_in(found, "id"),
        text_in(found, "key"),
        optional(found, "projectId"),
        optional(found, "note"),
        text_in(found, "value").encode("utf-8", "surrogatepass"),
    )


def listed_of(body: bytes) -> list[tuple[str, str]]:
    """Id and key of every secret of the organization."""
    return [(text_in(entry, "id"), text_in(entry, "key")) for entry in data_of(body)]


def refuse_failed(body: bytes) -> None:
    """A deletion may fail for one entry alone. Raises EsoError, which shows nothing of what the server says."""
    if failed := [entry for entry in data_of(body) if entry.get("error")]:
        raise EsoError(f"the server could not delete {len(failed)} secrets", fix="may the machine account delete it?")


def data_of(body: bytes) -> list[dict[str, Any]]:
    listed = object_of(body).get("data")
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise Malformed(FORM)
    return listed


def optional(found: Mapping[str, Any], name: str) -> str:
    return "" if found.get(name) is None else text_in(found, name)


def mapping(document: bytes, key: str) -> dict[str, bytes]:
    """The members of the YAML mapping, or of the JSON object, that the value is. Raises Malformed."""
    try:
        return {name: printed(value).encode("utf-8", "surrogatepass") for name, value in mapping_of(document).items()}
    except NotYaml:
        pass
    try:
        return to_map(document)
    except NotAMap as error:
        raise Malformed(
            f"unable to unmarshal secret {key}: {error}", fix="is the value a mapping, in YAML or JSON?"
        ) from error


def written(key: str, note: str, organization: str, project: str, value: str) -> dict[str, Any]:
    return {"key": key, "note": note, "organizationId": organization, "projectIds": [project], "value": value}
