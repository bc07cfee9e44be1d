"""Signatures, keys, sessions, tokens, and the credentials that a host finds by itself."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .build import code_of, error_of, signed
from .endpoint import ACCESS_KEY, ACCOUNT, REGION, ROLE_ARN, SECRET_KEY, Endpoint
from .identity import JOBS_KEY

TARGETS = {"ecs": "AmazonEC2ContainerServiceV20141113.ListClusters"}
FORMS = {"iam": "Action=ListRoles&Version=2010-05-08",
         "ec2": "Action=DescribeVpcs&Version=2016-11-15",
         "sts": "Action=GetCallerIdentity&Version=2011-06-15"}
GITLAB = "https://gitlab.example.com"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/gitlab.example.com"

Change = Callable[[dict[str, str], str], tuple[dict[str, str], str]]


@pytest.fixture
def wire(endpoint: Endpoint) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(endpoint.url.removeprefix("http://"), timeout=10)
    yield connection
    connection.close()


def ask(wire: http.client.HTTPConnection, service: str, change: Change,
        key: tuple[str, ...] = (ACCESS_KEY, SECRET_KEY)) -> tuple[int, str]:
    """One call of a service, changed after it was signed: the status and the answer."""
    if service in TARGETS:
        body, headers = "{}", {"Content-Type": "application/x-amz-json-1.1",
                               "X-Amz-Target": TARGETS[service]}
    else:
        body, headers = FORMS[service], {"Content-Type": "application/x-www-form-urlencoded"}
    headers, body = change(signed(f"{wire.host}:{wire.port}", service, headers, body, key), body)
    wire.request("POST", "/", body, headers)
    answer = wire.getresponse()
    return answer.status, answer.read().decode()


def as_it_is(headers: dict[str, str], body: str) -> tuple[dict[str, str], str]:
    return headers, body


def another_body(headers: dict[str, str], body: str) -> tuple[dict[str, str], str]:
    return headers, body + " "


def another_date(headers: dict[str, str], body: str) -> tuple[dict[str, str], str]:
    return {**headers, "X-Amz-Date": headers["X-Amz-Date"][:-3] + "59Z"
            if not headers["X-Amz-Date"].endswith("59Z") else headers["X-Amz-Date"][:-3] + "58Z"
            }, body


def without_authorization(headers: dict[str, str], body: str) -> tuple[dict[str, str], str]:
    return {k: v for k, v in headers.items() if k != "Authorization"}, body


def bearer(headers: dict[str, str], body: str) -> tuple[dict[str, str], str]:
    return {**headers, "Authorization": "Bearer x"}, body


def host_not_signed(headers: dict[str, str], body: str) -> tuple[dict[str, str], str]:
    return {**headers, "Authorization": headers["Authorization"].replace("host;", "")}, body


def loose_header(headers: dict[str, str], body: str) -> tuple[dict[str, str], str]:
    return {**headers, "X-Amz-Meta": "added on the way"}, body


def another_region(headers: dict[str, str], body: str) -> tuple[dict[str, str], str]:
    return {**headers, "Authorization": headers["Authorization"].replace(REGION, "eu-west-1")}, body


@pytest.mark.parametrize("service", ["ecs", "iam", "ec2"])
def test_a_right_signature(wire: http.client.HTTPConnection, service: str) -> None:
    assert ask(wire, service, as_it_is)[0] == 200


@pytest.mark.parametrize("service,action,region,code", [
    ("iam", "list_roles", "eu-west-1", "SignatureDoesNotMatch"),
    ("route53", "list_hosted_zones", "eu-west-1", "SignatureDoesNotMatch"),
    ("iam", "list_roles", "cn-north-1", ""),
    ("ecs", "list_clusters", "eu-west-1", ""),
    ("ecs", "list_clusters", "mars-1", "InvalidSignatureException"),
    ("ec2", "describe_vpcs", "mars-1", "AuthFailure"),
])
def test_the_region_of_a_scope(endpoint: Endpoint, service: str, action: str, region: str,
                               code: str) -> None:
    """A global service has one of its own, whichever the client is in: JuliaCloud/AWS.jl#565."""
    client = endpoint.client_as(service, ACCESS_KEY, SECRET_KEY, region_name=region)
    assert code_of(lambda: getattr(client, action)()) == code


WRONG = {"ecs": (400, "InvalidSignatureException"), "iam": (403, "SignatureDoesNotMatch"),
         "ec2": (401, "AuthFailure")}


@pytest.mark.parametrize("change", [another_body, another_date, host_not_signed, loose_header,
                                    another_region])
@pytest.mark.parametrize("service", ["ecs", "iam", "ec2"])
def test_a_wrong_signature(wire: http.client.HTTPConnection, service: str, change: Change) -> None:
    status, body = ask(wire, service, change)
    assert status == WRONG[service][0] and WRONG[service][1] in body


def test_the_caller_is_who_has_signed(wire: http.client.HTTPConnection) -> None:
    """Also where a header names two: what it says is read once."""
    def another_first(headers: dict[str, str], body: str) -> tuple[dict[str, str], str]:
        first = f"Credential={JOBS_KEY}/20250101/{REGION}/iam/aws4_request, Credential="
        return {**headers, "Authorization": headers["Authorization"].replace("Credential=", first)
                }, body
    status, body = ask(wire, "sts", another_first)
    assert status == 200 and "<Arn>arn:aws:iam::123456789012:user/berth</Arn>" in body


@pytest.mark.parametrize("service,key,status,code", [
    ("ecs", (ACCESS_KEY, "wrong"), 400, "InvalidSignatureException"),
    ("iam", (ACCESS_KEY, "wrong"), 403, "SignatureDoesNotMatch"),
    ("ec2", (ACCESS_KEY, "wrong"), 401, "AuthFailure"),
    ("ecs", ("AKIAUNKNOWN", "x"), 400, "UnrecognizedClientException"),
    ("iam", ("AKIAUNKNOWN", "x"), 403, "InvalidClientTokenId"),
    ("ec2", ("AKIAUNKNOWN", "x"), 401, "AuthFailure"),
    ("ecs", (ACCESS_KEY, SECRET_KEY, "a token"), 400, "UnrecognizedClientException"),
])
def test_wrong_keys(wire: http.client.HTTPConnection, service: str, key: tuple[str, ...],
                    status: int, code: str) -> None:
    got = ask(wire, service, as_it_is, key)
    assert got[0] == status and code in got[1]


@pytest.mark.parametrize("service,status,code", [
    ("ecs", 400, '"MissingAuthenticationTokenException"'),
    ("iam", 403, "<Code>MissingAuthenticationToken<"),
    ("ec2", 403, "<Response><Errors><Error><Code>MissingAuthenticationToken<")])
def test_no_signature(wire: http.client.HTTPConnection, service: str, status: int,
                      code: str) -> None:
    got = ask(wire, service, without_authorization)
    assert got[0] == status and code in got[1]
    assert "IncompleteSignature" in ask(wire, service, bearer)[1]


@pytest.mark.parametrize("service", ["ecs", "iam", "ec2"])
@pytest.mark.parametrize("seconds,good", [(-290, True), (290, True), (-310, False), (310, False)])
def test_clocks_that_differ(wire: http.client.HTTPConnection, monkeypatch: pytest.MonkeyPatch,
                            service: str, seconds: int, good: bool) -> None:
    import datetime

    import botocore.auth
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: now)
    status, body = ask(wire, service, as_it_is)
    assert (status == 200) == good and (good or WRONG[service][1] in body)


def test_the_virtual_clock_does_not_count(endpoint: Endpoint) -> None:
    endpoint.advance(86400)
    assert endpoint.client("ecs").list_clusters()["clusterArns"] == []


def test_keys_of_users(endpoint: Endpoint) -> None:
    iam = endpoint.client("iam")
    iam.create_user(UserName="deployer")
    key = iam.create_access_key(UserName="deployer")["AccessKey"]
    mine = endpoint.client_as("sts", key["AccessKeyId"], key["SecretAccessKey"])
    assert mine.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/deployer"
    assert endpoint.record()[-1]["principal"] == f"arn:aws:iam::{ACCOUNT}:user/deployer"
    iam.update_access_key(UserName="deployer", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert code_of(mine.get_caller_identity) == "InvalidClientTokenId"


def assumed(endpoint: Endpoint, **given: Any) -> dict[str, str]:
    return dict(endpoint.client("sts").assume_role(**{
        "RoleArn": ROLE_ARN, "RoleSessionName": "berth-77-1", **given})["Credentials"])


def test_sessions_have_tokens_and_end(endpoint: Endpoint, wire: http.client.HTTPConnection) -> None:
    keys = assumed(endpoint)
    whole = (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    assert ask(wire, "ecs", as_it_is, whole)[0] == 200
    assert "UnrecognizedClientException" in ask(wire, "ecs", as_it_is, whole[:2])[1]
    assert "InvalidClientTokenId" in ask(wire, "iam", as_it_is, whole[:2])[1]
    other = assumed(endpoint)
    assert endpoint.expire(keys["AccessKeyId"]) == 1
    for service, status, code in (("ecs", 400, "ExpiredTokenException"),
                                  ("iam", 403, "ExpiredToken"), ("ec2", 400, "RequestExpired")):
        got = ask(wire, service, as_it_is, whole)
        assert got[0] == status and code in got[1]
    mine = endpoint.client_as("sts", other["AccessKeyId"], other["SecretAccessKey"],
                              other["SessionToken"])
    assert mine.get_caller_identity()["Arn"].endswith("assumed-role/berth-deploy/berth-77-1")


def trust(endpoint: Endpoint, statement: dict[str, Any], name: str = "careful") -> str:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}
    return str(endpoint.client("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps(document))["Role"]["Arn"])


@pytest.mark.parametrize("principal,condition,given,good", [
    ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/berth"}, {}, {}, True),
    ({"AWS": ACCOUNT}, {}, {}, True),
    ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/berth-jobs"}, {}, {}, False),
    ({"AWS": "arn:aws:iam::999999999999:root"}, {}, {}, False),
    ({"Service": "ecs-tasks.amazonaws.com"}, {}, {}, False),
    ({"AWS": ACCOUNT}, {"StringEquals": {"sts:ExternalId": "77"}}, {}, False),
    ({"AWS": ACCOUNT}, {"StringEquals": {"sts:ExternalId": "77"}}, {"ExternalId": "77"}, True),
    ({"AWS": ACCOUNT}, {"StringLike": {"sts:RoleSessionName": "berth-*"}}, {}, True),
])
def test_trust_decides_who_assumes(endpoint: Endpoint, principal: dict[str, str],
                                   condition: dict[str, Any], given: dict[str, str],
                                   good: bool) -> None:
    arn = trust(endpoint, {"Action": "sts:AssumeRole", "Principal": principal,
                           "Condition": condition})
    code, _, status = error_of(lambda: assumed(endpoint, RoleArn=arn, **given))
    assert (code, status) == (("", 200) if good else ("AccessDenied", 403))


def web(endpoint: Endpoint, token: str, role: str) -> tuple[str, str, int]:
    from botocore import UNSIGNED
    sts = endpoint.client_as("sts", "", "", signature_version=UNSIGNED)
    return error_of(lambda: sts.assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="berth-77-1", WebIdentityToken=token))


def test_web_identity(endpoint: Endpoint) -> None:
    issuer = endpoint.issuer(GITLAB, "https://aws.example.com")
    subject = "project_path:mettel/automation:ref_type:branch:ref:master"
    role = trust(endpoint, {
        "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": PROVIDER},
        "Condition": {"StringEquals": {"gitlab.example.com:aud": "https://aws.example.com"},
                      "StringLike": {"gitlab.example.com:sub": "project_path:mettel/*"}}})
    good = {"aud": "https://aws.example.com", "sub": subject}
    assert web(endpoint, issuer.token(**good), role) == ("", "", 200)
    assert endpoint.record()[-1]["principal"] is None
    for claims, code in (({**good, "sub": "project_path:other/x"}, "AccessDenied"),
                         ({**good, "aud": "sts.example.com"}, "InvalidIdentityToken"),
                         ({**good, "exp": int(time.time()) - 1}, "ExpiredTokenException"),
                         ({**good, "iss": "https://other.example.com"}, "InvalidIdentityToken")):
        assert web(endpoint, issuer.token(**claims), role)[0] == code
    head, body, signature = issuer.token(**good).split(".")
    assert web(endpoint, f"{head}.{body}.AAAA", role)[0] == "InvalidIdentityToken"
    assert web(endpoint, "no.token", role)[0] == "InvalidIdentityToken"
    from .jwt import Issuer
    stranger = Issuer(GITLAB)
    assert web(endpoint, stranger.token(**good), role)[0] == "InvalidIdentityToken"
    assert web(endpoint, issuer.token(**good), ROLE_ARN)[0] == "AccessDenied"
    assert web(endpoint, issuer.token(**good), ROLE_ARN + "-none")[0] == "AccessDenied"


def test_web_identity_of_a_provider_in_iam(endpoint: Endpoint) -> None:
    issuer = endpoint.issuer(GITLAB)
    role = trust(endpoint, {"Action": "sts:AssumeRoleWithWebIdentity",
                            "Principal": {"Federated": PROVIDER}})
    token = issuer.token(aud="berth", sub="x")
    assert web(endpoint, token, role)[0] == "InvalidIdentityToken"
    endpoint.client("iam").create_open_id_connect_provider(Url=GITLAB, ClientIDList=["berth"])
    assert web(endpoint, token, role)[0] == ""


# --- credentials of the host ---

def http_get(url: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, method=method, headers={
        name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_instance_metadata_needs_a_token(endpoint: Endpoint) -> None:
    roles = endpoint.url + "/latest/meta-data/iam/security-credentials/"
    tokens = endpoint.url + "/latest/api/token"
    assert http_get(roles)[0] == 401
    assert http_get(tokens, "PUT")[0] == 400
    assert http_get(tokens, "PUT", X_aws_ec2_metadata_token_ttl_seconds="21601")[0] == 400
    assert http_get(tokens, "PUT", X_aws_ec2_metadata_token_ttl_seconds="60",
                    X_Forwarded_For="10.0.0.1")[0] == 403
    status, token = http_get(tokens, "PUT", X_aws_ec2_metadata_token_ttl_seconds="60")
    assert status == 200
    assert http_get(roles, X_aws_ec2_metadata_token=token) == (200, "berth-deploy")
    assert http_get(roles + "other", X_aws_ec2_metadata_token=token)[0] == 404
    keys = json.loads(http_get(roles + "berth-deploy", X_aws_ec2_metadata_token=token)[1])
    mine = endpoint.client_as("sts", keys["AccessKeyId"], keys["SecretAccessKey"],
                              keys["Token"])
    assert "assumed-role/berth-deploy/i-" in mine.get_caller_identity()["Arn"]
    endpoint.instance_role(None)
    assert http_get(roles, X_aws_ec2_metadata_token=token)[0] == 404


def who(endpoint: Endpoint, **environ: str) -> str:
    """The identity that boto3 finds in a process with nothing but these variables."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    script = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, env={
            **clean, "AWS_ENDPOINT_URL": endpoint.url, "AWS_DEFAULT_REGION": REGION,
            "HOME": "/nowhere",
            **environ})
    return done.stdout.strip() or done.stderr


def test_boto3_finds_the_instance_and_the_container(endpoint: Endpoint) -> None:
    assert "berth-deploy/i-" in who(endpoint, AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint.url)
    url = endpoint.container("berth-deploy", token="a secret of the pod")
    arn = who(endpoint, AWS_CONTAINER_CREDENTIALS_FULL_URI=url,
              AWS_CONTAINER_AUTHORIZATION_TOKEN="a secret of the pod")
    assert "assumed-role/berth-deploy/" in arn
    assert http_get(url)[0] == 401
    assert http_get(endpoint.container("none"))[0] == 400
    assert http_get(url + "0", Authorization="a secret of the pod")[0] == 400
