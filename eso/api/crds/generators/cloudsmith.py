"""The schema of `CloudsmithAccessToken.spec`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, service_account, text


def schema() -> Schema:
    return obj(
        "A token for a Cloudsmith repository.",
        {
            "apiUrl": text("Address of the API; https://api.cloudsmith.io when absent."),
            "orgSlug": text("Organization."),
            "serviceAccountRef": service_account(),
            "serviceSlug": text("Service of the organization to log in as."),
        },
        required=("orgSlug", "serviceAccountRef", "serviceSlug"),
    )
