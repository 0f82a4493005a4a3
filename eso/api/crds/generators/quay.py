"""The schema of `QuayAccessToken.spec`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, service_account, text


def schema() -> Schema:
    return obj(
        "A token for a Quay registry.",
        {
            "robotAccount": text("Robot account to log in as."),
            "serviceAccountRef": service_account(),
            "url": text("Host name of the registry; quay.io when absent."),
        },
        required=("robotAccount", "serviceAccountRef"),
    )
