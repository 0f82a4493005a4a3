"""Where this process may open a connection, or make a context of TLS: every other place goes through these."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import eso

ROOT = Path(eso.__file__).parent
CONTEXTS = {
    "SSLContext",
    "create_default_context",
    "_create_unverified_context",
    "_create_stdlib_context",
    "wrap_socket",
    "wrap_bio",
    "get_server_certificate",
}
CONNECTIONS = {
    "ClientSession",
    "TCPConnector",
    "UnixConnector",
    "create_connection",
    "create_datagram_endpoint",
    "create_unix_connection",
    "open_connection",
    "open_unix_connection",
    "sock_connect",
    "connect_ex",
    "urlopen",
    "urlretrieve",
    "getaddrinfo",
    "gethostbyname",
    "HTTPConnection",
    "HTTPSConnection",
    "insecure_channel",
    "secure_channel",
}
# Pools that keep within no reach, and why: the address is the operator's own, no store has a say in it.
OWN_ADDRESSES = {
    "cli/notify.py": "the command line",
    "kube/config.py": "the API server of the operator, or of who types",
    "generators/kinds/acr.py": "the metadata service, for a managed identity",
    "notify/pubsub.py": "the metadata service of Google",
    "notify/servicebus.py": "the metadata service, for a managed identity",
    "providers/akeyless/connect.py": "the metadata services",
    "providers/azurekv/connect.py": "as above",
    "providers/gcpsm/connect.py": "the metadata service of Google",
    "providers/infisical/login.py": "the metadata services",
    "providers/kit/awsidentity.py": "metadata services and container credentials, from the environment",
    "providers/oracle/connect.py": "the metadata service and the cluster's own server",
    "providers/yandex/connect.py": "the metadata service",
    "providers/vault/gcp.py": "the metadata service of Google",
    "providers/vault/iam.py": "container credentials, from the environment",
}


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """File, name of what is called, the call."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                yield str(path.relative_to(ROOT)), name, node


def places(names: set[str]) -> set[tuple[str, str]]:
    return {(path, name) for path, name, _ in calls() if name in names}


def test_contexts_of_tls_are_made_in_two_places_only() -> None:
    assert places(CONTEXTS) == {("net/http.py", "create_default_context"), ("net/serving.py", "SSLContext")}


def test_connections_are_opened_in_one_room_only() -> None:
    assert places(CONNECTIONS) == {
        ("net/http.py", "ClientSession"),
        ("net/http.py", "TCPConnector"),
        ("net/http.py", "getaddrinfo"),
        ("net/http.py", "sock_connect"),
        ("net/http2.py", "create_connection"),  # on a socket that the room made
        ("net/reach.py", "getaddrinfo"),
    }


def test_who_opens_connections_without_looking_at_where_they_lead_names_the_address_itself() -> None:
    found = set()
    for path, name, call in calls():
        if name == "Pool" and not any(keyword.arg == "reach" for keyword in call.keywords):
            found.add(path)
        if name == "Pools" and not any(keyword.arg == "reach" for keyword in call.keywords) and len(call.args) < 2:
            found.add(path)
    for path in sorted(ROOT.rglob("*.py")):
        # as a default: who makes the object may give another
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.arguments) and any(getattr(one, "id", "") == "Pool" for one in node.defaults):
                found.add(str(path.relative_to(ROOT)))
    assert found - {"app/wiring.py", "runtime/pool.py", "cli/inputs.py"} == set(OWN_ADDRESSES)


def test_what_the_vendor_of_1password_connects_is_the_only_door_that_is_not_ours() -> None:
    """Libraries that bring a client of their own are driven over our connections; this one cannot be."""
    drivers = {
        (str(path.relative_to(ROOT)), alias.name)
        for path in sorted(ROOT.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in ([ast.alias(node.module or "")] if isinstance(node, ast.ImportFrom) else node.names)
        if alias.name.partition(".")[0] in {"onepassword", "grpc", "httpx", "urllib3", "boto3", "pika", "paramiko"}
    }
    assert {path.rpartition("/")[0] for path, _ in drivers} == {"providers/onepasswordsdk"}
