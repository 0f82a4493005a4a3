"""The schema of `spec.provider.webhook`."""

from __future__ import annotations

from eso.api.crds.providers.parts import certificate_authorities
from eso.api.crds.schema import Schema, array, obj, one_of, secret_key, string_map, text


def schema() -> Schema:
    ntlm = {"passwordSecret": secret_key("Password."), "usernameSecret": secret_key("User name.")}
    secret = obj(
        "",
        {
            "name": text("Name in the templates."),
            "secretRef": secret_key("The Secret; the templates get all its keys."),
        },
        required=("name", "secretRef"),
    )
    login = {"ntlm": obj("NTLM.", ntlm, required=("passwordSecret", "usernameSecret"))}
    return obj(
        "Any HTTP service.",
        {
            "auth": one_of("How to log in.", login),
            "body": text("Body of the request, a template."),
            **certificate_authorities(),
            "headers": string_map("Headers of the request; the values are templates."),
            "method": text("Method of the request; GET for reads and POST for writes when absent."),
            "result": obj(
                "What is taken from the answer.",
                {"jsonPath": text("JSONPath of the value, a template; all when absent.")},
            ),
            "secrets": array("Secrets that the templates may use.", secret),
            "timeout": text("Time that a request may take, as a Go duration."),
            "url": text("Address of the request, a template."),
        },
        required=("url",),
    )
