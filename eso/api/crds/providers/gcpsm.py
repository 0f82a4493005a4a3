"""The schema of `spec.provider.gcpsm`."""

from __future__ import annotations

from eso.api.crds.providers.parts import gcp_federation, gcp_workload_identity
from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    return obj(
        "Google Cloud Secret Manager.",
        {
            "auth": obj(
                "How to log in; with the identity of the surroundings when absent.",
                {
                    "secretRef": obj(
                        "Key of a service account.", {"secretAccessKeySecretRef": secret_key("The key, in JSON.")}
                    ),
                    "workloadIdentity": gcp_workload_identity(),
                    "workloadIdentityFederation": gcp_federation(),
                },
            ),
            "location": text("Read regional secrets of this location."),
            "projectID": text("Project that owns the secrets."),
            "secretVersionSelectionPolicy": text(
                "When the latest version is disabled: LatestOrFail, or LatestOrFetch for the newest enabled one.",
                default="LatestOrFail",
            ),
        },
    )
