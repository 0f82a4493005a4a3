"""The schema of `MFA.spec`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, described, obj, secret_key, text, time


def schema() -> Schema:
    return obj(
        "A time-based one-time password.",
        {
            "algorithm": text("Hash function, for example sha1 or sha256."),
            "length": described("Digits of the password; 6 when absent.", {"type": "integer"}),
            "secret": secret_key("The seed, in base32."),
            "timePeriod": described("Seconds for which a password counts; 30 when absent.", {"type": "integer"}),
            "when": time("Time that the password is for; now when absent."),
        },
        required=("secret",),
    )
