"""The schema of `Password.spec`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, boolean, choice, described, obj, strings, text


def schema() -> Schema:
    return obj(
        "A random password.",
        {
            "allowRepeat": boolean("Whether a character may occur twice.", default=False),
            "digits": described("Digits in the password; a quarter of its length when absent.", {"type": "integer"}),
            "encoding": choice(
                "How the password is encoded.", "base64", "base64url", "base32", "hex", "raw", default="raw"
            ),
            "length": described("Characters of the password.", {"type": "integer", "default": 24}),
            "noUpper": boolean("Leave out capital letters.", default=False),
            "secretKeys": strings("Keys that each get a password; password when absent.", minItems=1),
            "symbolCharacters": text("Symbols to choose from."),
            "symbols": described("Symbols in the password; a quarter of its length when absent.", {"type": "integer"}),
        },
        required=("allowRepeat", "length", "noUpper"),
    )
