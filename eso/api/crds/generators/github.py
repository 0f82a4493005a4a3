"""The schema of `GithubAccessToken.spec`."""

from __future__ import annotations

from eso.api.crds.schema import Schema, obj, secret_key, string_map, strings, text


def schema() -> Schema:
    private_key = obj("Key in a Secret.", {"secretRef": secret_key("Private key in PEM.")}, required=("secretRef",))
    return obj(
        "An installation token of a GitHub App.",
        {
            "appID": text("Id of the GitHub App."),
            "auth": obj("Private key of the GitHub App.", {"privateKey": private_key}, required=("privateKey",)),
            "installID": text("Id of the installation of the App."),
            "permissions": string_map("Permissions of the token; those of the installation when absent."),
            "repositories": strings("Repositories that the token is for; all of the installation when absent."),
            "url": text("Address of the API; https://api.github.com when absent."),
        },
        required=("appID", "auth", "installID"),
    )
