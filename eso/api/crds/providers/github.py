"""The schema of `spec.provider.github`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, choice, integer, obj, secret_key, text


def schema() -> Schema:
    private_key = {"privateKey": secret_key("Private key in PEM.")}
    return obj(
        "GitHub Actions secrets, write only.",
        {
            "appID": integer("Id of the GitHub App."),
            "auth": obj("Private key of the GitHub App.", private_key, required=("privateKey",)),
            "environment": text("Environment of the repository whose secrets are written."),
            "installationID": integer("Id of the installation of the App."),
            "orgSecretVisibility": choice("Which repositories see a secret of the organization.", "all", "private"),
            "organization": text("Organization, or the user that owns the repository."),
            "repository": text("Repository whose secrets are written; those of the organization when absent."),
            "uploadURL": text("Without effect."),
            "url": text("Address; another one than the default is a GitHub Enterprise.", default="https://github.com/"),
        },
        required=("appID", "auth", "installationID", "organization"),
    )
