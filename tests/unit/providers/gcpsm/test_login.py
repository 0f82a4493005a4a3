"""Ways to log in, on a fake of Google's token servers: who is asked, with what, and what is told when it fails."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

from eso.errors import EsoError
from eso.providers.contract import AuthRejected, InvalidConfig, Malformed, RemoteRef, Unavailable, Validation
from eso.providers.gcpsm.client import Client
from eso.stores.credentials import Credentials
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.credentials import DictRest
from tests.fakes.gcp import EMAIL, PROJECT, GcpCredentials, service_account_key
from tests.unit.providers.gcpsm.conftest import KEY_AUTH, World, view

POOL = "shop.svc.id.goog"
CLUSTER = "https://container.googleapis.com/v1/projects/shop/locations/europe-west3/clusters/main"
BINDING = f"identitynamespace:{POOL}:{CLUSTER}"
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x"
ANNOTATED = {"iam.gke.io/gcp-service-account": EMAIL}
WORKLOAD = {
    "workloadIdentity": {
        "serviceAccountRef": {"name": "app", "audiences": ["extra"]},
        "clusterProjectID": PROJECT,
        "clusterLocation": "europe-west3",
        "clusterName": "main",
    }
}


async def reads(client: Client) -> None:
    """The token is good at Secret Manager."""
    ref = RemoteRef("app")
    assert client.value(await client.fetch(client.request(ref)), ref) == b"value"
    await client.close()


async def refused(world: World, credentials: GcpCredentials | None = None, **block: Any) -> EsoError:
    with pytest.raises(EsoError) as failed:
        await world.open(credentials, **block)
    told = "".join(traceback.format_exception(failed.value))
    assert "planted" not in told
    assert "eyJ" not in told
    return failed.value


# a service account's key


async def test_a_key_signs_an_assertion_and_gets_a_token(world: World) -> None:
    world.fake.put("app", b"value")
    client = await world.open()
    assert client.lifetime == 3540.0
    assert await client.renew() is False
    await reads(client)
    assert world.provider.world.meant[0] == "https://oauth2.googleapis.com/token"
    assert world.credentials.asked_ambient == 0


@pytest.mark.parametrize(
    ("key", "text"),
    [
        pytest.param("planted", "it is no JSON object", id="no JSON"),
        pytest.param('{"type":"planted"}', "its type is not service_account", id="another type"),
        pytest.param(service_account_key(private_key="planted"), "private_key is no RSA key in PEM", id="no key"),
        pytest.param(service_account_key(private_key=7), "private_key is no RSA key in PEM", id="a number for a key"),
        pytest.param(service_account_key(private_key=None), "private_key is no RSA key in PEM", id="null for a key"),
        pytest.param(service_account_key(token_uri="http://planted"), "token_uri is no https address", id="plain http"),
    ],
)
async def test_a_key_that_is_none_is_told_without_it(world: World, key: str, text: str) -> None:
    error = await refused(world, GcpCredentials({"login/key.json": key}))
    assert isinstance(error, InvalidConfig)
    assert str(error).endswith(f"failed to process the provided JSON credentials: {text}")
    assert world.fake.asked == []


async def test_a_refused_key_is_a_refused_login(world: World) -> None:
    world.fake.fail(Fault(400, body='{"error":"invalid_grant","error_description":"planted eyJ"}', path="/token"))
    error = await refused(world)
    assert isinstance(error, AuthRejected)
    assert str(error) == "unable to get credentials: status: 400 (invalid_grant)"


async def test_a_key_that_is_missing_keeps_the_readers_words(world: World) -> None:
    error = await refused(world, GcpCredentials())
    assert str(error) == 'failed to create GCP secretmanager client: cannot find secret data for key: "key.json"'


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "[]",
        '{"access_token":7,"expires_in":3600}',
        '{"access_token":"","expires_in":3600}',
        '{"access_token":"a\\nplanted","expires_in":3600}',
        '{"access_token":"t","expires_in":"planted"}',
        '{"access_token":"t","expires_in":true}',
        '{"access_token":"t"}',
    ],
)
async def test_a_token_of_another_form_is_malformed(world: World, body: str) -> None:
    world.fake.fail(Fault(200, body=body, path="/token"))
    assert isinstance(await refused(world), Malformed)


@pytest.mark.parametrize("seconds", [0, -5, 1e300])
async def test_a_token_that_has_ended_is_a_refused_login(world: World, seconds: float) -> None:
    world.fake.fail(Fault(200, body=json.dumps({"access_token": "t", "expires_in": seconds}), path="/token"))
    assert isinstance(await refused(world), AuthRejected)


@pytest.mark.parametrize(("seconds", "lifetime"), [(3600, 3540.0), (100, 50.0), (120, 60.0), (121, 61.0)])
async def test_a_token_is_given_up_before_it_ends(world: World, seconds: int, lifetime: float) -> None:
    world.fake.seconds = seconds
    client = await world.open()
    assert client.lifetime == lifetime
    await client.close()


# workload identity of GKE


def account(annotations: Mapping[str, str] = {}, environ: Mapping[str, str] | None = None) -> GcpCredentials:
    return GcpCredentials(
        tokens={"app": "pod-token"}, accounts={"app": annotations}, environ=environ, secrets={"x/y": "planted"}
    )


async def test_a_clusters_account_gets_a_token(world: World) -> None:
    world.fake.put("app", b"value")
    world.fake.subjects["pod-token"] = BINDING
    credentials = account()
    await reads(await world.open(credentials, auth=WORKLOAD))
    assert credentials.audiences == [(POOL, "extra")]
    assert credentials.lives == [900]
    assert credentials.asked_ambient == 0
    assert world.provider.world.meant[0] == "https://securetoken.googleapis.com/v1/identitybindingtoken"


async def test_its_annotation_names_whom_it_impersonates(world: World) -> None:
    world.fake.put("app", b"value")
    world.fake.subjects["pod-token"] = BINDING
    world.fake.impersonable.add(EMAIL)
    client = await world.open(account(ANNOTATED), auth=WORKLOAD)
    assert client.lifetime is not None
    assert 3500 < client.lifetime <= 3540
    await reads(client)
    assert world.fake.asked[1].path == f"/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"
    assert world.fake.asked[1].body["scope"] == ["https://www.googleapis.com/auth/cloud-platform"]


async def test_what_the_store_does_not_say_the_metadata_server_does(world: World) -> None:
    world.fake.put("app", b"value")
    world.fake.subjects["pod-token"] = BINDING
    auth = {"workloadIdentity": {"serviceAccountRef": {"name": "app"}}}
    await reads(await world.open(account(environ={}), auth=auth, projectID=""))
    asked = [
        url.removeprefix("http://metadata.google.internal/computeMetadata/v1/")
        for url in world.provider.world.direct_meant
    ]
    assert asked == [
        "project/project-id",
        "project/project-id",
        "instance/attributes/cluster-location",
        "instance/attributes/cluster-name",
    ]
    assert all(a.headers["Metadata-Flavor"] == "Google" for a in world.fake.asked[:4])


@pytest.mark.parametrize(
    ("lost", "text"),
    [
        ("project/project-id", "unable to get project id"),
        ("instance/attributes/cluster-location", "unable to determine cluster location"),
        ("instance/attributes/cluster-name", "unable to determine cluster name"),
    ],
)
async def test_what_the_metadata_server_does_not_say_is_told(world: World, lost: str, text: str) -> None:
    del world.fake.machine[lost]
    auth = {"workloadIdentity": {"serviceAccountRef": {"name": "app"}}}
    error = await refused(world, account(environ={}), auth=auth)
    assert str(error) == (
        f"failed to create GCP secretmanager client: unable to lookup workload identity: {text}: "
        "the metadata server answered 404"
    )


async def test_the_metadata_server_is_the_operators_surroundings(world: World) -> None:
    auth = {"workloadIdentity": {"serviceAccountRef": {"name": "app"}}}
    error = await refused(world, account(environ=None), auth=auth)
    assert isinstance(error, InvalidConfig)
    assert "may not use the operator's own cloud identity" in str(error)
    assert world.fake.asked == []


@pytest.mark.parametrize(
    ("arrange", "credentials", "text"),
    [
        pytest.param("", GcpCredentials(), 'cannot get Kubernetes service account "app": not found', id="no account"),
        pytest.param(
            "",
            GcpCredentials(accounts={"app": {}}),
            'unable to fetch pod token: serviceaccounts "app" not found',
            id="no token",
        ),
        pytest.param(
            "",
            account(),
            "unable to fetch identitybindingtoken: could not get idbindtoken token, status: 400 (INVALID_ARGUMENT)",
            id="a token that is not bound",
        ),
        pytest.param(
            "bound",
            account(ANNOTATED),
            "unable to generate gcp access token: status: 403 (PERMISSION_DENIED)",
            id="a service account that may not be impersonated",
        ),
    ],
)
async def test_each_step_has_its_words(world: World, arrange: str, credentials: GcpCredentials, text: str) -> None:
    if arrange == "bound":
        world.fake.subjects["pod-token"] = BINDING
    error = await refused(world, credentials, auth=WORKLOAD)
    assert str(error) == f"failed to create GCP secretmanager client: {text}"


async def test_an_annotation_cannot_leave_its_place_in_the_address(world: World) -> None:
    world.fake.subjects["pod-token"] = BINDING
    await refused(world, account({"iam.gke.io/gcp-service-account": "x/evil?a#b"}), auth=WORKLOAD)
    assert world.provider.world.meant[1].endswith("/serviceAccounts/x%2Fevil%3Fa%23b:generateAccessToken")


async def test_an_annotation_that_climbs_is_refused(world: World) -> None:
    world.fake.subjects["pod-token"] = BINDING
    error = await refused(world, account({"iam.gke.io/gcp-service-account": "x/../../evil"}), auth=WORKLOAD)
    assert isinstance(error, InvalidConfig)
    assert not [url for url in world.provider.world.meant if "evil" in url]


@pytest.mark.parametrize("time", ["planted", "", "2026-01-01T00:00:00", None, 7])
async def test_a_token_without_an_end_is_malformed(world: World, time: Any) -> None:
    world.fake.subjects["pod-token"] = BINDING
    body = json.dumps({"accessToken": "t", "expireTime": time})
    world.fake.fail(Fault(200, body=body, path="generateAccessToken"))
    assert isinstance(await refused(world, account(ANNOTATED), auth=WORKLOAD), Malformed)


async def test_the_servers_clock_counts_where_ours_is_wrong(world: World) -> None:
    world.fake.subjects["pod-token"] = BINDING
    body = json.dumps({"accessToken": "t", "expireTime": "2001-01-01T01:00:00.123456789Z"})
    headers = {"Date": "Mon, 01 Jan 2001 00:00:00 GMT"}
    world.fake.fail(Fault(200, body=body, headers=headers, path="generateAccessToken"))
    client = await world.open(account(ANNOTATED), auth=WORKLOAD)
    assert client.lifetime == pytest.approx(3540.12, abs=0.01)
    await client.close()


# federation


def federation(**members: Any) -> dict[str, Any]:
    return {"workloadIdentityFederation": members}


async def test_a_federated_account_is_exchanged(world: World) -> None:
    world.fake.put("app", b"value")
    world.fake.subjects["pod-token"] = AUDIENCE
    credentials = account()
    auth = federation(audience=AUDIENCE, serviceAccountRef={"name": "app", "audiences": ["a", "b"]})
    await reads(await world.open(credentials, auth=auth))
    assert (credentials.audiences, credentials.lives) == ([("a", "b")], [900])
    assert world.provider.world.meant[0] == "https://sts.googleapis.com/v1/token"


@pytest.mark.parametrize("members", [{"gcpServiceAccountEmail": EMAIL}, {}], ids=["the store", "the annotation"])
async def test_a_federated_account_impersonates(world: World, members: dict[str, str]) -> None:
    world.fake.put("app", b"value")
    world.fake.subjects["pod-token"] = AUDIENCE
    world.fake.impersonable.add(EMAIL)
    auth = federation(audience=AUDIENCE, serviceAccountRef={"name": "app"}, **members)
    await reads(await world.open(account({} if members else ANNOTATED), auth=auth))
    assert world.fake.count("generateAccessToken") == 1


AWS_KEYS = {"aws/aws_access_key_id": "AKIAEXAMPLE", "aws/aws_secret_access_key": "planted-secret"}
AWS_AUTH = federation(
    audience=AUDIENCE,
    awsSecurityCredentials={"region": "eu-west-1", "awsCredentialsSecretRef": {"name": "aws"}},
)


async def test_aws_keys_sign_a_request_that_is_exchanged(world: World) -> None:
    world.fake.put("app", b"value")
    await reads(
        await world.open(GcpCredentials(AWS_KEYS | {"aws/aws_session_token": "planted-session"}), auth=AWS_AUTH)
    )
    form = parse_qs(world.fake.asked[0].text)
    signed = json.loads(unquote(form["subject_token"][0]))
    headers = {one["key"]: one["value"] for one in signed["headers"]}
    assert signed["url"] == "https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
    assert headers["x-amz-security-token"] == "planted-session"
    assert headers["host"] == "sts.eu-west-1.amazonaws.com"
    assert "/eu-west-1/sts/aws4_request" in headers["Authorization"]
    assert "planted-secret" not in world.fake.asked[0].text


@pytest.mark.parametrize("lost", sorted(AWS_KEYS))
async def test_aws_keys_have_to_be_there(world: World, lost: str) -> None:
    error = await refused(world, GcpCredentials({k: v for k, v in AWS_KEYS.items() if k != lost}), auth=AWS_AUTH)
    assert str(error) == (
        "unable to get credentials: aws_access_key_id and aws_secret_access_key keys must be present in "
        "AwsSecurityCredentials secret"
    )


async def test_a_region_cannot_choose_the_address_that_is_signed(world: World) -> None:
    aws = {"region": "x.evil.example/", "awsCredentialsSecretRef": {"name": "aws"}}
    error = await refused(
        world, GcpCredentials(AWS_KEYS), auth=federation(audience=AUDIENCE, awsSecurityCredentials=aws)
    )
    assert "the AWS region is not the name of a region" in str(error)


def configured(source: Any, **more: Any) -> GcpCredentials:
    text = json.dumps({"type": "external_account", "audience": AUDIENCE, "credential_source": source} | more)
    return GcpCredentials(maps={"config/json": text}, environ={})


CONFIGURED = {"credConfig": {"name": "config", "key": "json"}}


async def test_a_token_of_a_file_is_exchanged(world: World, tmp_path: Path) -> None:
    world.fake.put("app", b"value")
    world.fake.subjects["file-token"] = AUDIENCE
    (tmp_path / "token").write_text("file-token\n")
    await reads(await world.open(configured({"file": str(tmp_path / "token")}), auth=federation(**CONFIGURED)))


async def test_a_token_of_an_address_is_exchanged(world: World) -> None:
    world.fake.put("app", b"value")
    world.fake.subjects["url-token"] = AUDIENCE
    world.fake.files["/token-for-you"] = '{"token":"url-token"}'
    url = "https://idp.example.com/token-for-you"
    form = {"type": "json", "subject_token_field_name": "token"}
    source = {"url": url, "headers": {"X-Who": "me"}, "format": form}
    await reads(await world.open(configured(source), auth=federation(**CONFIGURED, externalTokenEndpoint=url)))
    assert world.fake.asked[0].headers["X-Who"] == "me"
    assert world.provider.world.meant[0] == url


@pytest.mark.parametrize("told", ["planted", "[]", '{"token":7}', '{"other":"planted"}', '{"token":""}'])
async def test_an_address_that_gives_no_token_is_malformed(world: World, told: str) -> None:
    world.fake.files["/token-for-you"] = told
    url = "https://idp.example.com/token-for-you"
    source = {"url": url, "format": {"type": "json", "subject_token_field_name": "token"}}
    error = await refused(world, configured(source), auth=federation(**CONFIGURED, externalTokenEndpoint=url))
    assert isinstance(error, Malformed)


IMDS = "http://169.254.169.254/latest"
MACHINE = {
    "environment_id": "aws1",
    "region_url": f"{IMDS}/meta-data/placement/availability-zone",
    "url": f"{IMDS}/meta-data/iam/security-credentials",
    "imdsv2_session_token_url": f"{IMDS}/api/token",
}


async def test_the_aws_role_of_the_machine_is_exchanged(world: World) -> None:
    world.fake.put("app", b"value")
    role = {"AccessKeyId": "AKIAROLE", "SecretAccessKey": "planted", "Token": "planted-session"}
    world.fake.files |= {
        "/latest/api/token": "imds-session",
        "/latest/meta-data/placement/availability-zone": "eu-west-1b",
        "/latest/meta-data/iam/security-credentials": "reader",
        "/latest/meta-data/iam/security-credentials/reader": json.dumps(role),
    }
    await reads(await world.open(configured(MACHINE), auth=federation(**CONFIGURED)))
    assert world.fake.asked[0].method == "PUT"
    assert all(asked.headers["X-aws-ec2-metadata-token"] == "imds-session" for asked in world.fake.asked[1:4])
    assert len(world.provider.world.direct_meant) == 4


async def test_the_aws_environment_comes_before_the_machine(world: World) -> None:
    world.fake.put("app", b"value")
    credentials = configured(MACHINE)
    credentials.environ = {
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIAENV",
        "AWS_SECRET_ACCESS_KEY": "planted",
    }
    await reads(await world.open(credentials, auth=federation(**CONFIGURED)))
    assert world.provider.world.direct_meant == []


@pytest.mark.parametrize(
    "source", [{"file": "/tmp/x"}, {"url": "https://idp.example.com/x"}, MACHINE], ids=["file", "address", "AWS"]
)
async def test_the_operators_surroundings_are_for_those_who_may_use_them(world: World, source: dict[str, str]) -> None:
    credentials = configured(source)
    credentials.environ = None
    auth = federation(**CONFIGURED, externalTokenEndpoint=source.get("url") if "environment_id" not in source else None)
    error = await refused(world, credentials, auth=auth)
    assert "may not use the operator's own cloud identity" in str(error)
    assert world.fake.asked == []


async def test_a_configuration_that_is_not_there_is_told(world: World) -> None:
    error = await refused(world, GcpCredentials(environ={}), auth=federation(**CONFIGURED))
    failed = 'unable to get credentials: failed to get external_account config from configmap "config": '
    assert str(error).startswith(failed)


# with the operator's own reader of credentials


@pytest.mark.parametrize(
    ("kind", "written", "read"),
    [
        pytest.param("SecretStore", "", "team-a", id="of its namespace"),
        pytest.param("SecretStore", "elsewhere", "team-a", id="of its namespace, whatever it writes"),
        pytest.param("ClusterSecretStore", "infra", "infra", id="of the namespace that a ClusterSecretStore writes"),
    ],
)
async def test_the_configuration_of_a_store_is_read(
    world: World, tmp_path: Path, kind: str, written: str, read: str
) -> None:
    world.fake.subjects["file-token"] = AUDIENCE
    (tmp_path / "token").write_text("file-token")
    config = {"type": "external_account", "audience": AUDIENCE, "credential_source": {"file": str(tmp_path / "token")}}
    rest = DictRest()
    rest.objects[f"configmaps/{read}/config"] = {"data": {"json": json.dumps(config)}}
    ref = {"name": "config", "key": "json"} | ({"namespace": written} if written else {})
    store = view(kind, projectID=PROJECT, auth=federation(credConfig=ref))
    only_reads: Any = rest
    client = await world.provider.open(store, Credentials(only_reads, store, "team-a"))
    await client.close()
    assert rest.gets == [f"configmaps/{read}/config"]
    failed = 'unable to get credentials: failed to get external_account config from configmap "config": '
    rest.objects[f"configmaps/{read}/config"] = {"data": {}}
    with pytest.raises(EsoError) as no_key:
        await world.provider.open(store, Credentials(only_reads, store, "team-a"))
    assert str(no_key.value) == f'{failed}there is no key "json"'
    rest.objects.clear()
    with pytest.raises(EsoError) as nothing:
        await world.provider.open(store, Credentials(only_reads, store, "team-a"))
    assert str(nothing.value) == f'{failed}configmaps "config" not found'


async def test_the_account_of_a_clusters_store_is_read_where_it_is_written(world: World) -> None:
    world.fake.subjects["token-of-infra-app"] = BINDING
    rest = DictRest()
    rest.objects["serviceaccounts/infra/app"] = {"metadata": {"uid": "u"}}
    block = WORKLOAD["workloadIdentity"] | {"serviceAccountRef": {"name": "app", "namespace": "infra"}}
    store = view("ClusterSecretStore", projectID=PROJECT, auth={"workloadIdentity": block})
    only_reads: Any = rest
    client = await world.provider.open(store, Credentials(only_reads, store, "team-a"))
    await client.close()
    assert rest.tokens == [{"namespace": "infra", "name": "app", "audiences": [POOL], "expirationSeconds": 900}]


# the operator's own identity


async def test_the_machine_gives_a_token(world: World) -> None:
    world.fake.put("app", b"value")
    credentials = GcpCredentials(environ={})
    await reads(await world.open(credentials, auth={}))
    assert world.provider.world.direct_meant == [
        "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
        "?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform"
    ]


async def test_the_operators_environment_names_the_metadata_server(world: World) -> None:
    world.fake.put("app", b"value")
    await reads(await world.open(GcpCredentials(environ={"GCE_METADATA_HOST": "169.254.169.254"}), auth={}))
    assert world.provider.world.direct_meant[0].startswith("http://169.254.169.254/computeMetadata/v1/")


@pytest.mark.parametrize("block", [{}, {"projectID": ""}], ids=["a store with a project", "a store without"])
async def test_the_flag_of_the_operator_counts(world: World, block: dict[str, str]) -> None:
    error = await refused(world, GcpCredentials(environ=None), auth={}, **block)
    assert isinstance(error, InvalidConfig)
    assert world.fake.asked == []


async def test_what_is_no_metadata_server_is_not_believed(world: World) -> None:
    world.fake.fail(Fault(200, body='{"access_token":"planted","expires_in":3600}', path="computeMetadata"))
    assert isinstance(await refused(world, GcpCredentials(environ={}), auth={}), Malformed)


@pytest.mark.parametrize("name", ["x" * 300, "", "a\nb", "\u202e"])
async def test_a_project_of_another_form_is_malformed(world: World, name: str) -> None:
    world.fake.machine["project/project-id"] = name
    error = await refused(world, GcpCredentials(environ={}), auth={}, projectID="")
    assert isinstance(error, Malformed)
    assert str(error).startswith("unable to find ProjectID in storeSpec: ")


async def test_the_machine_names_the_project(world: World) -> None:
    world.fake.put("app", b"value")
    await reads(await world.open(GcpCredentials(environ={}), auth={}, projectID=""))


@pytest.mark.parametrize("variable", ["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "HOME"])
async def test_the_operators_default_credentials_come_before_the_machine(
    world: World, tmp_path: Path, variable: str
) -> None:
    world.fake.put("app", b"value")
    path = tmp_path / "application_default_credentials.json"
    environ = {variable: str(path if variable.startswith("GOOGLE") else tmp_path)}
    if variable == "HOME":
        path = tmp_path / ".config" / "gcloud" / path.name
        path.parent.mkdir(parents=True)
    path.write_text(service_account_key())
    await reads(await world.open(GcpCredentials(environ=environ), auth={}))
    assert world.provider.world.direct_meant == []


async def test_a_person_who_logged_in_with_gcloud(world: World, tmp_path: Path) -> None:
    world.fake.put("app", b"value")
    told = {"client_id": "id", "client_secret": "client-secret", "refresh_token": "refresh-me"}
    (tmp_path / "file").write_text(json.dumps({"type": "authorized_user"} | told))
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "file")}
    await reads(await world.open(GcpCredentials(environ=environ), auth={}))


async def test_the_operators_own_federation(world: World, tmp_path: Path) -> None:
    world.fake.put("app", b"value")
    world.fake.subjects["file-token"] = AUDIENCE
    (tmp_path / "token").write_text("file-token")
    config = {"type": "external_account", "audience": AUDIENCE, "credential_source": {"file": str(tmp_path / "token")}}
    (tmp_path / "file").write_text(json.dumps(config))
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "file")}
    await reads(await world.open(GcpCredentials(environ=environ), auth={}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "the file that GOOGLE_APPLICATION_CREDENTIALS names cannot be read"),
        ("planted", "the operator's default credentials are no JSON object"),
        ('{"type":"planted"}', "the operator's default credentials are of a type that this version does not know"),
    ],
)
async def test_default_credentials_that_cannot_be_used(
    world: World, tmp_path: Path, text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / "file").write_text(text)
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "file")}
    error = await refused(world, GcpCredentials(environ=environ), auth={})
    assert str(error) == f"unable to get credentials: {said}"


# stores without a consumer


async def test_a_referent_store_is_not_logged_in_while_nobody_asks(world: World) -> None:
    client = await world.open(GcpCredentials(namespace=""), "ClusterSecretStore")
    assert await client.validate() is Validation.UNKNOWN
    assert client.lifetime is None
    assert world.fake.asked == []
    with pytest.raises(InvalidConfig):
        await client.fetch(client.request(RemoteRef("app")))
    await client.close()


async def test_a_referent_store_needs_a_project_all_the_same(world: World) -> None:
    credentials = GcpCredentials(namespace="", environ={})
    with pytest.raises(InvalidConfig, match=r"^unable to find ProjectID in storeSpec$"):
        await world.open(credentials, "ClusterSecretStore", projectID="")
    assert world.fake.asked == []


async def test_a_federation_without_namespaces_cannot_be_validated(world: World) -> None:
    auth = federation(audience=AUDIENCE, serviceAccountRef={"name": "app"})
    with pytest.raises(InvalidConfig, match="cluster scope requires namespace"):
        await world.open(GcpCredentials(namespace=""), "ClusterSecretStore", auth=auth)


# at every await


BARE = {"workloadIdentity": {"serviceAccountRef": {"name": "app"}}}


@pytest.mark.parametrize(
    "auth",
    [KEY_AUTH, WORKLOAD, BARE, AWS_AUTH, {}],
    ids=["key", "cluster", "cluster of the machine", "AWS keys", "machine"],
)
async def test_every_await_of_a_login_may_be_cancelled(world: World, auth: dict[str, Any]) -> None:
    world.fake.subjects["pod-token"] = BINDING
    world.fake.impersonable.add(EMAIL)
    credentials = account(ANNOTATED, environ={})
    credentials.secrets |= {"login/key.json": service_account_key(), **AWS_KEYS}

    async def opened() -> None:
        await (await world.open(credentials, auth=auth)).close()

    async for _ in every_await(opened):
        assert all(pool._session is None for pool in world.provider.world.opened)
    await opened()


async def test_a_login_that_fails_leaves_no_connection(world: World) -> None:
    world.fake.down = True
    error = await refused(world)
    assert isinstance(error, Unavailable)
    assert error.answered
    assert all(pool._session is None for pool in world.provider.world.opened)


def test_a_store_logs_in_as_its_plan_says(world: World) -> None:
    store = view("ClusterSecretStore", projectID=PROJECT, auth=WORKLOAD)
    assert world.provider.spec.plan(store).references == (("ServiceAccount", "", "app"),)
