"""The schema of `BeyondtrustWorkloadCredentialsDynamicSecret.spec`."""

from __future__ import annotations

from eso.api.crds.providers import beyondtrustworkloadcredentials
from eso.api.crds.providers.parts import retry_settings
from eso.api.crds.schema import Schema, controller_class, obj


def schema() -> Schema:
    return obj(
        "Dynamic credentials of BeyondTrust Workload Credentials.",
        {
            "controller": controller_class(),
            "provider": beyondtrustworkloadcredentials.schema(),
            "retrySettings": retry_settings(),
        },
        required=("provider",),
    )
