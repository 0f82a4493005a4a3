"""The schema of `spec.provider.keepersecurity`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, boolean, obj, secret_key, text


def schema() -> Schema:
    parts = {
        "authRef": secret_key("Configuration of a device of the application, JSON or base64 of it."),
        "folderID": text("UID of the shared folder that pushes write into."),
        "getByTitleFallback": boolean("Look for a record by its title where none has the UID."),
    }
    return obj("Keeper Secrets Manager.", parts, required=("authRef", "folderID"))
