"""The schema of `GCRAccessToken.spec`."""

from __future__ import annotations

from eso.api.crds.providers.parts import gcp_federation, gcp_workload_identity
from eso.api.crds.schema import Schema, obj, secret_key, text


def schema() -> Schema:
    # A store asks the metadata server for the cluster, this generator does not.
    identity = gcp_workload_identity("clusterLocation", "clusterName")
    auth = {
        "secretRef": obj("Key of a service account.", {"secretAccessKeySecretRef": secret_key("The key, in JSON.")}),
        "workloadIdentity": identity,
        "workloadIdentityFederation": gcp_federation(),
    }
    parts = {
        "auth": obj("How to log in; with the identity of the surroundings when empty.", auth),
        "projectID": text("Google Cloud project."),
    }
    return obj("A token for a Google registry.", parts, required=tuple(parts))
