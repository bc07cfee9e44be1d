# SPDX-License-Identifier: MIT
"""What would go wrong with a deploy is said before the first write, all of it at once."""

from __future__ import annotations

import json
from typing import Any

from test_refusals import SYSTEM, USER, refused
from world import BRANCH, ENVIRONMENT, World

ROLE = "ecs_task_execution_role"
ASKED = {"DescribeParameters", "DescribeSecret", "GetResourcePolicy", "SimulatePrincipalPolicy"}


def asked(world: World) -> list[str]:
    """The calls that only checks make."""
    return sorted(c for c in world.reads() if c.partition(".")[2] in ASKED)


def change(world: World, name: str = "notifier", **members: Any) -> None:
    spec = world.spec()
    spec["services"][name].update(members)
    world.write_spec(spec)


def execution_policy(world: World, *statements: dict[str, Any]) -> None:
    """Gives the execution role other rights, as somebody else might."""
    world.aws.client("iam").put_role_policy(
        RoleName=ROLE, PolicyName="ecs_execution_role_policy",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


def allow(action: str, resource: str = "*", effect: str = "Allow") -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource}


def secret_of(world: World, name: str, **given: Any) -> str:
    """The ARN of a secret; one with a value unless GIVEN says otherwise."""
    client = world.aws.client("secretsmanager")
    arn: str = client.create_secret(Name=name, **given or {"SecretString": "x"})["ARN"]
    return arn


def test_what_is_missing_is_said_at_once(ready: World) -> None:
    change(ready, secrets={"A": "/mettel/NOT_THERE", "B": "NEITHER"})
    change(ready, "t7-bridge", secrets={"T7_TOKEN": "/mettel/NOT_THERE"})
    refused(ready, USER,
            "services.notifier.secrets.A: there is no parameter '/mettel/NOT_THERE' in us-east-1; "
            "create it with its value, or correct the name (named in 2 places)",
            "services.notifier.secrets.B: there is no parameter 'NEITHER'")


def test_a_place_in_the_file_is_named(ready: World) -> None:
    change(ready, secrets={"A": "/mettel/NOT_THERE"})
    line = next(i for i, text in enumerate(ready.spec_path.read_text().splitlines(), 1)
                if "NOT_THERE" in text)
    refused(ready, USER, f".berth/environment.json:{line}: services.notifier.secrets.A: ")


def test_a_plan_job_says_it_too(ready: World) -> None:
    change(ready, secrets={"A": "/mettel/NOT_THERE"})
    result = refused(ready, USER, "there is no parameter '/mettel/NOT_THERE'",
                     job="plan-deploy-branches")
    assert "to create" in result.log


def test_with_what_the_plan_found(ready: World) -> None:
    """A module without an image is the plan's to say, a missing parameter a check's."""
    change(ready, secrets={"A": "/mettel/NOT_THERE"})
    ecr = ready.aws.client("ecr")
    for module in ("t7-bridge", "sites-monitor"):
        ecr.batch_delete_image(repositoryName=f"automation-{module}",
                               imageIds=[{"imageTag": "automation-master"}])
    refused(ready, USER, "no image of 't7-bridge'", "no image of 'sites-monitor'",
            "there is no parameter '/mettel/NOT_THERE'")


def test_nothing_to_do_asks_nothing(ready: World) -> None:
    ready.keep_services("notifier")
    ready.deploy()
    ready.aws.record_clear()
    ready.deploy()
    assert asked(ready) == []


def test_only_what_changes_is_asked_about(ready: World) -> None:
    ready.keep_services("notifier", "t7-bridge")
    ready.deploy()
    ready.aws.client("ssm").delete_parameter(Name="/mettel/T7_TOKEN")
    change(ready, environment={"NEW": "1"})
    ready.deploy()


def test_a_secret_that_is_not_there(ready: World) -> None:
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mettel/none-a1B2c3"
    change(ready, secrets={"A": f"{arn}:password::"})
    refused(ready, USER, f"services.notifier.secrets.A: there is no secret '{arn}' in Secrets "
            "Manager of us-east-1; create it, or correct the name")


def test_states_of_secrets(ready: World) -> None:
    deleted, versions = secret_of(ready, "deleted"), secret_of(ready, "versions")
    ready.aws.client("secretsmanager").delete_secret(SecretId=deleted)
    execution_policy(ready, allow("*"))
    change(ready, secrets={"A": deleted, "B": f"{versions}::AWSPENDING:",
                           "C": f"{versions}:::00000000-0000-0000-0000-000000000000",
                           "D": f"{versions}:key:AWSCURRENT:"})
    result = refused(
        ready, USER, "services.notifier.secrets.A: the secret '", "is marked for deletion; restore",
        "services.notifier.secrets.B: no version of the secret '", "has the stage 'AWSPENDING'",
        "services.notifier.secrets.C: the secret '", "has no version '00000000-0000")
    assert "secrets.D" not in result.log


def test_a_secret_without_a_value(ready: World) -> None:
    arn = secret_of(ready, "empty", Description="none yet")
    execution_policy(ready, allow("*"))
    change(ready, secrets={"A": arn})
    refused(ready, USER, "services.notifier.secrets.A: the secret", "has no value yet")


def test_credentials_of_another_registry(ready: World) -> None:
    change(ready, module=None, image="registry.example.com/x:1", taskDefinition={
        "containerDefinitions": [{"name": "notifier", "repositoryCredentials": {
            "credentialsParameter": "registry-login"}}]})
    spec = ready.spec()
    del spec["services"]["notifier"]["module"]
    ready.write_spec(spec)
    refused(ready, USER, "services.notifier.taskDefinition: there is no secret 'registry-login'")


def test_neither_a_parameter_nor_a_secret(ready: World) -> None:
    change(ready, secrets={"A": "arn:aws:s3:::bucket/key"})
    refused(ready, USER, "services.notifier.secrets.A: 'arn:aws:s3:::bucket/key' is neither a "
            "parameter of SSM nor a secret of Secrets Manager")


def test_a_role_that_may_not_read(ready: World) -> None:
    execution_policy(ready, allow("ssm:GetParameters", "arn:aws:ssm:*:*:parameter/mettel/SLACK*"))
    ready.keep_services("notifier")
    result = refused(
        ready, USER, "services.notifier.secrets.EMAIL_ACC_PWD: the execution role "
        f"'{ROLE}' may not read it, so that no task would start: no policy allows "
        "'ssm:GetParameters' on 'arn:aws:ssm:us-east-1:123456789012:parameter/mettel/"
        "EMAIL_ACC_PWD'; add it to the role's policies, or name another role")
    assert "secrets.SLACK_URL" not in result.log


def test_a_role_that_is_denied(ready: World) -> None:
    execution_policy(ready, allow("*"), allow("ssm:*", "arn:aws:ssm:*:*:parameter/mettel/SLACK_URL", "Deny"))
    ready.keep_services("notifier")
    refused(ready, USER, "services.notifier.secrets.SLACK_URL: the execution role",
            "a policy denies 'ssm:GetParameters'", "change that policy")


def test_a_secret_with_a_policy_of_its_own(ready: World) -> None:
    """It may let the role in though no policy of the role does."""
    arn = secret_of(ready, "shared")
    ready.keep_services("notifier")
    change(ready, secrets={"A": arn})
    refused(ready, USER, "no policy allows 'secretsmanager:GetSecretValue'")
    ready.aws.client("secretsmanager").put_resource_policy(
        SecretId=arn, ResourcePolicy=json.dumps({"Version": "2012-10-17", "Statement": [
            allow("secretsmanager:GetSecretValue") | {"Principal": {
                "AWS": f"arn:aws:iam::123456789012:role/{ROLE}"}}]}))
    log = ready.deploy().log
    assert f"no policy of the role '{ROLE}' allows 'secretsmanager:GetSecretValue'" in log


def test_a_key_of_the_customers_own(ready: World) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    ready.aws.client("ssm").put_parameter(Name="/mettel/SLACK_URL", Value="x", Overwrite=True,
                                          Type="SecureString", KeyId=key)
    ready.keep_services("notifier")
    log = ready.job("plan-deploy-branches").log
    assert f"no policy of the role '{ROLE}' allows 'kms:Decrypt' on '{key}'" in log
    execution_policy(ready, allow("*"), allow("kms:*", effect="Deny"))
    refused(ready, USER, f"a policy denies 'kms:Decrypt' on '{key}'")


def test_a_role_that_the_deploy_makes(world: World) -> None:
    """It is judged by the policies that the spec declares for it."""
    world.basic_infra()
    world.put_images()
    iam = world.aws.client("iam")
    iam.delete_role_policy(RoleName=ROLE, PolicyName="ecs_execution_role_policy")
    iam.delete_role(RoleName=ROLE)
    world.keep_services("notifier")
    change(world, secrets={"A": "/elsewhere/X"})
    world.aws.client("ssm").put_parameter(Name="/elsewhere/X", Value="x", Type="String")
    refused(world, USER, "services.notifier.secrets.A: the execution role",
            "no policy allows 'ssm:GetParameters' on "
            "'arn:aws:ssm:us-east-1:123456789012:parameter/elsewhere/X'")
    change(world, secrets={"A": "/mettel/SLACK_URL"})
    world.deploy()


def test_what_berth_may_not_ask(ready: World) -> None:
    """It is said once, and the deploy goes on."""
    ready.keep_services("notifier")
    ready.aws.enforce_on("arn:aws:iam::123456789012:user/berth", {
        "Version": "2012-10-17", "Statement": [
            allow("*"), allow("iam:Simulate*", effect="Deny"), allow("ssm:*", effect="Deny")]})
    log = ready.deploy().log
    assert log.count("cannot find out whether execution roles may read the secrets") == 1
    assert log.count("cannot find out whether the parameters of tasks exist: ssm:") == 1
