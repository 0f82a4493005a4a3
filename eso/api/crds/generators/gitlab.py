"""The schema of `GitlabDeployToken.spec`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, array, choice, obj, ruled, secret_key, text, time

SCOPES = (
    "read_repository",
    "read_registry",
    "write_registry",
    "read_package_registry",
    "write_package_registry",
    "read_virtual_registry",
    "write_virtual_registry",
)


def schema() -> Schema:
    token = obj("Token in a Secret.", {"secretRef": secret_key("Access token.")}, required=("secretRef",))
    parts = {
        "auth": obj("How to log in.", {"token": token}, required=("token",)),
        "expiresAt": time("When the deploy token ends; never when absent."),
        "groupID": text("Group of the deploy token, by number or path.", minLength=1),
        "name": text("Name of the deploy token.", minLength=1),
        "projectID": text("Project of the deploy token, by number or path.", minLength=1),
        "scopes": array("What the deploy token allows.", choice("", *SCOPES), minItems=1),
        "url": text("Address; https://gitlab.com when absent."),
        "username": text("User name of the deploy token; chosen by GitLab when absent."),
    }
    return ruled(
        obj("A GitLab deploy token.", parts, required=("auth", "name", "scopes")),
        ("has(self.projectID) != has(self.groupID)", "exactly one of projectID or groupID must be set"),
    )
