"""How an informer stands with the API server: a room asks for it before it starts, and /readyz names it.

Neighbours: informer.py answers with it; rest.py has the errors it is made from.
"""

from __future__ import annotations

from dataclasses import dataclass

from eso.kube.rest import ApiError, Forbidden, UnknownResource


@dataclass(frozen=True, slots=True)
class Pending:
    """The first list is not complete, and the server did not say that it never will be. `error`: what hinders it."""

    error: str = ""


@dataclass(frozen=True, slots=True)
class Synced:
    """The cache holds a complete list. `error`: why nothing new arrives at the moment, "" while the watch goes on."""

    error: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """The API server does not serve this resource: its CRD is not installed, or was removed."""

    error: str


@dataclass(frozen=True, slots=True)
class Refused:
    """403: the ServiceAccount may not list or watch this resource."""

    error: str


Standing = Pending | Synced | Missing | Refused


def standing(synced: bool, error: ApiError | None) -> Standing:
    """`synced`: there was a complete list once; `error`: the server's last answer, None while all is well."""
    match error:
        case UnknownResource():
            return Missing(str(error))
        case Forbidden():
            return Refused(str(error))
        case _:
            text = "" if error is None else str(error)
            return Synced(text) if synced else Pending(text)
