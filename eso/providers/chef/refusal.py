"""A refusal of a Chef Infra Server → a typed error whose text is made of known words.

Neighbours: client.py gives these to its Api. Messages may repeat what was sent: only the status is shown.
"""

from __future__ import annotations

from collections.abc import Callable

from eso.errors import EsoError
from eso.providers.contract import AuthExpired, Denied, SecretNotFound
from eso.providers.kit import http
from eso.providers.kit.http import NothingThere, Reply, status_line
from eso.providers.kit.refusals import members

Missing = Callable[[Reply], EsoError]


def refuse(reply: Reply) -> EsoError:
    error = http.refusal(f"Chef Infra Server answered {status_line(reply.status)}", reply)
    if isinstance(error, AuthExpired):
        error.fix = "is the key that of username, and is the clock right?"
    elif isinstance(error, Denied):
        error.fix = "give the user the right to read the data bag"
    return error


def of_item(bag: str, item: str, reply: Reply) -> EsoError:
    text = f"data bag item {item} not found in data bag {bag}"
    return missing(reply, text, f"Cannot load data bag item {item} for data bag {bag}")


def of_bag(bag: str, reply: Reply) -> EsoError:
    text = f"unable to list items in data bag {bag}, may be given data bag doesn't exists or it is empty"
    return missing(reply, text, f"Cannot load data bag {bag}")


def missing(reply: Reply, text: str, proof: str) -> EsoError:
    """A 404 proves an absence where the server says exactly so of this item or bag; one of an organisation, or of
    something before the server, does not."""
    told = members(reply.body).get("error")
    if isinstance(told, list) and proof in told:
        return SecretNotFound(text)
    return NothingThere(text, fix="is serverUrl that of the organisation?")
