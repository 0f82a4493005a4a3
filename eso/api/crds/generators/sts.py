"""The schema of `STSSessionToken.spec`."""

from __future__ import annotations

from eso.api.crds.providers.parts import aws_auth
from eso.api.crds.schema import Schema, integer, obj, text


def schema() -> Schema:
    request = {
        "serialNumber": text("Serial number or ARN of the MFA device."),
        "sessionDuration": integer("Lifetime of the token in seconds.", bits=32),
        "tokenCode": text("Code of the MFA device."),
    }
    return obj(
        "Temporary AWS credentials.",
        {
            "auth": aws_auth(),
            "region": text("AWS region."),
            "requestParameters": obj("Parameters of the request.", request),
            "role": text("Role ARN to assume."),
        },
        required=("region",),
    )
