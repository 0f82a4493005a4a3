"""The schema of `spec.provider.keepersecurity`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, boolean, obj, secret_key, text


def schema() -> Schema:
    parts = {
        "authRef": secret_key("Configuration of the application."),
        "folderID": text(),
        "getByTitleFallback": boolean(),
    }
    return obj("Keeper Secrets Manager.", parts, required=("authRef", "folderID"))
