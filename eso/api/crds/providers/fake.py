"""The schema of `spec.provider.fake`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, array, described, obj, text


def schema() -> Schema:
    entry = {"key": text("Name of the secret."), "value": text("Its value."), "version": text("Its version.")}
    return obj(
        "Fixed values, for tests and demonstrations.",
        {
            "data": array("The secrets.", obj("", entry, required=("key", "value"))),
            "validationResult": described("What validation answers: 0 ready, 1 unknown, 2 error.", {"type": "integer"}),
        },
        required=("data",),
    )
