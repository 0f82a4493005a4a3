"""The schema of `Fake.spec`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, controller_class, obj, string_map


def schema() -> Schema:
    parts = {"controller": controller_class(), "data": string_map("The values.")}
    return obj("Fixed values, for tests and demonstrations.", parts)
