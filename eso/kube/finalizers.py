"""Puts a finalizer on an object and takes it off, without touching those of others.

Neighbours: reconcilers decide when. A merge patch replaces the whole list, so each one carries the resourceVersion it
was computed from.
"""

from __future__ import annotations

from eso.api.meta import ObjectMeta, Resource
from eso.kube.rest import NotFound, Rest


async def add_finalizer(rest: Rest, resource: Resource, meta: ObjectMeta, name: str) -> None:
    """Nothing is sent when it is there already. Raises Conflict when `meta` is not the live one, NotFound, …"""
    if name not in meta.finalizers:
        await _write(rest, resource, meta, [*meta.finalizers, name])


async def remove_finalizer(rest: Rest, resource: Resource, meta: ObjectMeta, name: str) -> None:
    """Nothing is sent when it is not there; an object that is gone is fine. Raises Conflict when `meta` is not the live
    one, …"""
    if name in meta.finalizers:
        try:
            await _write(rest, resource, meta, [one for one in meta.finalizers if one != name])
        except NotFound:
            return


async def _write(rest: Rest, resource: Resource, meta: ObjectMeta, finalizers: list[str]) -> None:
    # The uid too: another object of the same name cannot have this resourceVersion in one etcd, but it can after a
    # restore.
    body = {"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version, "finalizers": finalizers}}
    await rest.patch(resource, meta.namespace, meta.name, body)
