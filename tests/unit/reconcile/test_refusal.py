"""What is told of a write that the API server, or a webhook behind it, refused."""

from __future__ import annotations

import base64

import pytest

from eso.errors import EsoError
from eso.kube.rest import ApiError, field_root
from eso.reconcile.externalsecret.desired import Change, Create, Delete
from eso.reconcile.externalsecret.refusal import refused
from tests.unit.reconcile.objects import es as external_secret

VALUE = b"Zq7kWmXp42TvRn9Lbd"
ES = external_secret(
    data=[{"secretKey": "my key", "remoteRef": {"key": "db"}}],
    target={"template": {"metadata": {"labels": {"owner": "the shop team"}}}},
)


WHOLE: dict[str, object] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "type": "Opaque",
    "metadata": {
        "name": "db",
        "labels": {"reconcile.external-secrets.io/managed": "true"},
        "annotations": {"reconcile.external-secrets.io/data-hash": "0123456789abcdef"},
    },
    "data": {"schlüssel": ""},
}


def created(**parts: object) -> Change:
    return Create({"metadata": {"name": "db"}, **parts})


def encoded(**data: bytes) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


def invalid(message: str, *fields: str) -> ApiError:
    return ApiError(message, status=422, reason="Invalid", fields=fields)


@pytest.mark.parametrize(
    ("message", "change", "shown"),
    [
        pytest.param(
            'Secret "db" is invalid: data[my key]: Invalid value: ***: a config key must consist of [-._a-zA-Z0-9]',
            created(data={"my key": ""}),
            'Secret "db" is invalid: data[my key]: Invalid value: ***: a config key must consist of [-._a-zA-Z0-9]',
            id="a key that stands in the spec is named",
        ),
        pytest.param(
            'Secret "db" is invalid: data[!ZQ7]: Invalid value: ***',
            created(data={"!ZQ7": ""}),
            'Secret "db" is invalid: data[***]: Invalid value: ***',
            id="a key that a template made is not, however short it is",
        ),
        pytest.param(
            'Secret "db" is invalid: data[!ZQ7KWMXP42TVRN9LBD]: Invalid value: ***',
            created(data={"!ZQ7KWMXP42TVRN9LBD": ""}),
            'Secret "db" is invalid: data[***]: Invalid value: ***',
            id="nor is one that was made of a value",
        ),
        pytest.param(
            'Secret "db" is invalid: data[schlüssel]: Invalid value: ***',
            Create(WHOLE),
            'Secret "db" is invalid: data[schlüssel]: Invalid value: ***',
            id="a key that was fetched is a name in the store",
        ),
        pytest.param(
            "quota exceeded for zq7kwmxp42tvrn9lbd",
            created(data={"k": ""}),
            "the API server refused it with 422 at data: its words may repeat a value",
            id="what was fetched is looked for as well",
        ),
        pytest.param(
            'admission webhook "p" denied the request: label owner may not be the shop team',
            created(metadata={"labels": {"owner": "the shop team"}}),
            'admission webhook "p" denied the request: label owner may not be the shop team',
            id="words of the spec are repeated",
        ),
        pytest.param(
            f'admission webhook "p" denied the request: {VALUE.decode()} is too weak',
            created(data=encoded(password=VALUE)),
            'admission webhook "p" denied the request: *** is too weak',
            id="a value that a webhook quotes is masked",
        ),
        pytest.param(
            'admission webhook "p" denied the request: Zq7kWmXp… is too weak',
            created(data=encoded(password=VALUE)),
            "the API server refused it with 422 at data: its words may repeat a value",
            id="a webhook that quotes a part of a value is not quoted",
        ),
        pytest.param(
            'Secret "db" is invalid: metadata.labels: Invalid value: "Zq7k!": a valid label',
            created(metadata={"labels": {"a": "Zq7k!"}}),
            'Secret "db" is invalid: metadata.labels: Invalid value: "*** a valid label',
            id="a label of four characters of a value is not shown either",
        ),
        pytest.param(
            'admission webhook "p" denied the request: Z q 7 k W m X p, WmXp\n42Tv\nRn9L',
            created(data=encoded(password=VALUE)),
            'admission webhook "p" denied the request: ***',
            id="nor are letters with blanks between them, or parts on many lines",
        ),
        pytest.param(
            'admission webhook "p" denied the request: 5A=71=37, 90 113 55, \\132\\161, Md7xJzKc42GiEa9Yoq',
            created(data=encoded(password=VALUE)),
            'admission webhook "p" denied the request: ***',
            id="nor is any spelling that nobody thought of",
        ),
        pytest.param(
            'admission webhook "p" denied the request: old object has data Zq',
            Delete(),
            'admission webhook "p" denied the request: old object has data ***',
            id="a webhook sees what is deleted as well",
        ),
        pytest.param(
            "the server could not find the requested resource",
            Delete(),
            "the server could not find the requested resource",
            id="nothing was sent",
        ),
    ],
)
async def test_the_servers_words_are_shown_without_what_a_template_made(
    message: str, change: Change, shown: str
) -> None:
    assert await refused(ES, invalid(message, "data"), change, {"v": VALUE, "schlüssel": b""}) == shown


async def test_an_error_that_is_not_the_api_servers_names_its_type_only() -> None:
    class Odd(EsoError):
        pass

    shown = await refused(ES, Odd("Zq7kWmXp"), created(data=encoded(password=VALUE)), {})
    assert shown == "Odd: its words may repeat a value and are not shown"


@pytest.mark.parametrize(
    ("field", "root"),
    [
        ("data[secret key]", "data"),
        ("metadata.labels", "metadata.labels"),
        ("metadata.annotations[x].y", "metadata.annotations"),
        ("metadata.planted", "metadata"),
        ("spec.planted[3].name", "spec"),
        ("planted", "the object"),
        ("", "the object"),
    ],
)
def test_a_place_is_told_as_far_as_its_names_are_those_of_kubernetes(field: str, root: str) -> None:
    assert field_root(field) == root
