"""The schema of `ECRAuthorizationToken.spec`."""

from __future__ import annotations

from eso.api.crds.providers.parts import aws_auth
from eso.api.crds.schema import Schema, obj, text


def schema() -> Schema:
    return obj(
        "A token for an Amazon Elastic Container Registry.",
        {
            "auth": aws_auth(),
            "region": text("AWS region."),
            "role": text("Role ARN to assume."),
            "scope": text("public for ECR Public; private when absent."),
        },
        required=("region",),
    )
