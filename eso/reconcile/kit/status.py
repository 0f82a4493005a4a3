"""Writes the status of one object, and never that of its successor of the same name.

Neighbours: each room's reconcile.py calls it with what its report.py made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eso.api.meta import ObjectMeta, Resource
from eso.kube.rest import JSON_PATCH, Invalid, NotFound, Rest, encoded


async def write_status(rest: Rest, resource: Resource, meta: ObjectMeta, status: Mapping[str, Any]) -> bytes | None:
    """Replaces the whole status; one request. Returns the object as the API server stored it, None when it is gone or
    another one has its name. Raises the API's other errors, and Invalid for a status that JSON cannot hold.

    A merge patch of a custom resource's status does not look at `metadata.uid`; the test of a JSON patch does.
    """
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": meta.uid},
        {"op": "add", "path": "/status", "value": dict(status)},
    ]
    body = encoded(operations)
    try:
        return await rest.patch(
            resource, meta.namespace, meta.name, body, subresource="status", content_type=JSON_PATCH
        )
    except (NotFound, Invalid):
        return None
