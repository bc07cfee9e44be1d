# SPDX-License-Identifier: MIT
"""What would go wrong with a deploy is said before the first write, all of it at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

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
    execution_policy(ready, allow("*"),
                     allow("ssm:*", "arn:aws:ssm:*:*:parameter/mettel/SLACK_URL", "Deny"))
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
    ready.unpoliced().aws.enforce_on("arn:aws:iam::123456789012:user/berth", {
        "Version": "2012-10-17", "Statement": [
            allow("*"), allow("iam:Simulate*", effect="Deny"), allow("ssm:*", effect="Deny")]})
    log = ready.deploy().log
    assert log.count("cannot find out whether execution roles may read the secrets") == 1
    assert log.count("cannot find out whether the parameters of tasks exist: ssm:") == 1


# --- roles ---

def trust(world: World, service: str, role: str = ROLE) -> None:
    world.aws.client("iam").update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}]}))


def test_roles_that_tasks_cannot_have(ready: World) -> None:
    """One that is not there, one that no task may take on, one that the deploy shares."""
    ready.aws.client("iam").create_role(RoleName="for-lambda", AssumeRolePolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": "lambda.amazonaws.com"}}]}))
    trust(ready, "ec2.amazonaws.com")
    ready.keep_services("notifier", "t7-bridge")
    change(ready, taskRole="nobody")
    change(ready, "t7-bridge", taskRole="for-lambda")
    refused(ready, USER,
            "services.notifier.taskRole: there is no role 'nobody' in the account; declare it in "
            "'roles', or name another",
            "services.t7-bridge.taskRole: the role 'for-lambda' does not trust "
            "'ecs-tasks.amazonaws.com'",
            f"roles.{ROLE}: the role '{ROLE}' does not trust 'ecs-tasks.amazonaws.com', so that no "
            "task could have it")


def caller_may(world: World, *statements: dict[str, Any]) -> None:
    world.unpoliced().aws.enforce_on("arn:aws:iam::123456789012:user/berth",
                                     {"Version": "2012-10-17", "Statement": list(statements)})


def test_a_role_that_berth_may_not_pass(ready: World) -> None:
    ready.keep_services("notifier")
    caller_may(ready, allow("*"), allow("iam:PassRole", effect="Deny"))
    refused(ready, SYSTEM, f"services.notifier.executionRole: berth may not hand the role '{ROLE}' "
            "to tasks: a policy denies 'iam:PassRole' on "
            f"'arn:aws:iam::123456789012:role/{ROLE}' to 'ecs-tasks.amazonaws.com'; ask the host's "
            "administrator to change that policy")


def test_a_role_is_passed_to_tasks_alone(ready: World) -> None:
    """The condition that a careful administrator writes is told to the simulator."""
    ready.keep_services("notifier")
    passing = allow("iam:PassRole") | {"Condition": {
        "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}}
    caller_may(ready, {"Effect": "Allow", "NotAction": "iam:PassRole", "Resource": "*"}, passing)
    ready.deploy()


def test_the_role_that_is_assumed_must_pass(ready: World) -> None:
    iam = ready.aws.client("iam")
    project = ready.config["projects"]["77"]
    project["ephemeral"]["roleArn"] = "arn:aws:iam::123456789012:role/berth-deploy"
    ready.write_config()
    ready.keep_services("notifier")
    ready.unpoliced().aws.enforce_on("arn:aws:iam::123456789012:role/berth-deploy")
    iam.put_role_policy(RoleName="berth-deploy", PolicyName="p", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "NotAction": "iam:PassRole", "Resource": "*"}]}))
    refused(ready, SYSTEM, "no policy allows 'iam:PassRole'", "ask the host's administrator to add")


def test_service_linked_roles(ready: World) -> None:
    """The first environment of an account has AWS make them, if it may; later ones find them."""
    ready.keep_services("notifier")
    caller_may(ready, allow("*"), allow("iam:CreateServiceLinkedRole", effect="Deny"))
    refused(ready, SYSTEM, "cluster: the account has no role 'AWSServiceRoleForECS' yet",
            "'iam:CreateServiceLinkedRole' for 'ecs.amazonaws.com'",
            "'AWSServiceRoleForElasticLoadBalancing'", "'AWSServiceRoleForElastiCache'")
    iam = ready.aws.client("iam")
    for service in ("ecs", "elasticloadbalancing", "elasticache"):
        ready.aws.enforce(False)
        iam.create_service_linked_role(AWSServiceName=f"{service}.amazonaws.com")
    caller_may(ready, allow("*"), allow("iam:CreateServiceLinkedRole", effect="Deny"))
    ready.deploy()


# --- images ---

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


def images(world: World, **named: str) -> None:
    spec = world.spec()
    for name, image in named.items():
        service = spec["services"][name.replace("_", "-")]
        service.pop("module", None)
        service["image"] = image
    world.write_spec(spec)


def test_images_that_the_spec_names(ready: World) -> None:
    """Only those of ECR in the region are asked for; a digest counts, not the tag before it."""
    repository = "automation-notifier"
    digest = ready.aws.put_image(repository, ["mine"], content="mine")
    images(ready, notifier=f"{REGISTRY}/{repository}:none", t7_bridge=f"{REGISTRY}/nowhere/x",
           sites_monitor=f"{REGISTRY}/{repository}:mine",
           bruin_bridge=f"{REGISTRY}/{repository}:none@{digest}",
           last_contact_report="docker.io/library/nginx:1",
           metrics_grafana=f"{REGISTRY}/{repository}@sha256:{'0' * 64}")
    log = refused(
        ready, USER,
        f"services.notifier.image: repository '{repository}' has no image 'none'; correct the tag, "
        "or push the image first",
        "services.t7-bridge.image: there is no repository 'nowhere/x' in the registry 123456789012",
        f"services.metrics-grafana.image: repository '{repository}' has no image 'sha256:000").log
    assert not any(f"services.{n}.image:" in log for n in ("sites-monitor", "bruin-bridge",
                                                           "last-contact-report"))


# --- certificates ---

def certificate(world: World, domain: str, **given: Any) -> str:
    arn: str = world.aws.client("acm").request_certificate(DomainName=domain, **given)[
        "CertificateArn"]
    return arn


def present(world: World, arn: str) -> None:
    spec = world.spec()
    spec["loadBalancer"]["certificate"] = arn
    world.write_spec(spec)


def test_a_certificate_by_its_arn(ready: World) -> None:
    where = "loadBalancer.listeners.443: "
    other = "arn:aws:acm:eu-west-1:123456789012:certificate/1234abcd-12ab-34cd-56ef-1234567890ab"
    present(ready, other)
    refused(ready, USER, f"{where}the certificate '{other}' is not of us-east-1, where the load "
            "balancer is")
    present(ready, other.replace("eu-west-1", "us-east-1"))
    refused(ready, USER, f"{where}there is no certificate '")
    ready.aws.fault(service="acm", fault="unvalidated")
    present(ready, pending := certificate(ready, "*.mettel-automation.net"))
    refused(ready, USER, f"{where}the certificate '{pending}' is PENDING_VALIDATION, not ISSUED; "
            "add the DNS record that ACM shows for it")


def test_a_name_that_no_certificate_covers(ready: World) -> None:
    arn = certificate(ready, "www.example.com")
    ready.aws.advance(3600)
    present(ready, arn)
    refused(ready, USER, "records.environment: '8527fec8.mettel-automation.net' leads to the load "
            "balancer, none of whose certificates covers that name")
    spec = ready.spec()
    spec["loadBalancer"]["listeners"]["443"]["certificates"] = ["*.mettel-automation.net"]
    ready.write_spec(spec)
    assert "to create" in ready.berth("plan", f"--ref={BRANCH}", *ready.given_variables()).stdout


# --- berth check --aws ---

def check_aws(world: World, *arguments: str, code: int) -> dict[str, Any]:
    world.aws.record_clear()
    done = world.berth("check", "--aws", "--json", f"--ref={BRANCH}", *world.given_variables(),
                       *arguments, code=code)
    assert world.writes() == []
    checked: dict[str, Any] = json.loads(done.stdout)
    return checked


def test_the_command_asks_aws(ready: World) -> None:
    assert check_aws(ready, code=0)["valid"]
    change(ready, secrets={"A": "/mettel/NOT_THERE"}, taskRole="nobody")
    found = check_aws(ready, code=USER)
    assert not found["valid"] and len(found["problems"]) == 2
    problems = "\n".join(found["problems"])
    assert "services.notifier.taskRole: there is no role 'nobody'" in problems
    assert "services.notifier.secrets.A: there is no parameter" in problems


def test_the_command_warns_once(ready: World) -> None:
    spec = ready.spec()
    spec["services"]["notifier"]["environment"] = {"WHERE": "${ENVIRONMENT}"}
    ready.write_spec(spec)
    said = ready.berth("check", "--aws", f"--ref={BRANCH}", *ready.given_variables(),
                       "--var=ENVIRONMENT=elsewhere", code=0).stderr
    assert said.count("services.notifier.environment.WHERE: '${ENVIRONMENT}' is berth's own") == 1


def test_the_command_asks_only_with_a_branch(ready: World) -> None:
    assert "'--ref BRANCH'" in ready.berth("check", "--aws", *ready.given_variables(),
                                           code=USER).stderr
    assert "add '--aws'" in ready.berth("check", f"--ref={BRANCH}", code=USER).stderr


# --- what needs no call: names that berth makes, ports ---

LONG = "s" * 60  # of a service


def long_names(spec: dict[str, Any], kind: str) -> None:
    services = spec["services"]
    plain, found = services["notifier"], services["bruin-bridge"]
    if kind == "discovery":
        services[LONG] = found
    elif kind == "target group":
        groups = spec["loadBalancer"]["targetGroups"]
        groups[LONG] = groups["frontend"]
    elif kind == "record":
        spec["records"]["long"] = {"name": f"{LONG}{LONG}.${{SUBDOMAIN}}.mettel-automation.net",
                                   "alias": "loadBalancer"}
    elif kind == "module":
        spec["modules"]["m" * 260] = {"path": "x"}
    elif kind == "role":
        spec["roles"]["r" * 65] = spec["roles"]["ecs_role"]
    elif kind == "metric filter":
        spec["logs"]["metricFilters"][0]["filterName"] = "f" * 513
    else:
        services["s" * 240] = plain


@pytest.mark.parametrize("kind,words", [
    ("discovery", f"services.{LONG}.discovery: '{LONG}-"),
    ("target group", "is too long for a target group's name: "),
    ("record", "records.long"),
    ("module", "a repository's name has 2 to 256 characters"),
    ("role", "a name here must match"),
    ("service", "is too long for a security group's name: 261 characters, at most 255"),
])
def test_names_within_the_limits(world: World, kind: str, words: str) -> None:
    spec = world.spec()
    long_names(spec, kind)
    world.write_spec(spec)
    done = world.berth("check", *world.given_variables(), code=USER)
    assert words in done.stderr, done.stderr
    assert world.aws.calls() == []


def test_a_long_prefix_and_a_long_branch(world: World) -> None:
    """A branch counts by its hash; a prefix by its length."""
    world.berth("name", "dev/feature/" + "b" * 200)
    world.config["projects"]["77"]["prefix"] = "p" * 20
    world.write_config()
    done = world.berth("check", "--project=77", *world.given_variables(), code=USER)
    assert "is too long for a target group's name: " in done.stderr


def test_a_service_of_sixty_characters(ready: World) -> None:
    """It fits everything but a DNS label with the environment's name behind it."""
    ready.keep_services("notifier")
    spec = ready.spec()
    spec["services"] = {LONG: spec["services"]["notifier"]}
    ready.write_spec(spec)
    ready.deploy()
    assert ready.service(LONG)["runningCount"] == 1


def test_two_containers_with_one_port(ready: World) -> None:
    change(ready, taskDefinition={"containerDefinitions": [
        {"name": "side", "image": "x", "portMappings": [{"containerPort": 5000}]}]})
    refused(ready, USER, "services.notifier.taskDefinition: the containers '", "both have tcp port "
            "5000, and one address; give one of them another port")
