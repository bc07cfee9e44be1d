"""Amazon ECR, IAM, CloudWatch Logs, STS, Parameter Store, Secrets Manager, the tagging API."""

from __future__ import annotations

import json
from typing import Any

from ..build import TRUST, Builder
from ..endpoint import ACCOUNT
from . import AWS, ECR, IAM, LOGS, SECRETS, SSM, STS, TAGGING, Row, twice

GRAMMAR = AWS + "IAM/latest/UserGuide/reference_policies_grammar.html"
QUOTAS = AWS + "IAM/latest/UserGuide/reference_iam-quotas.html"
LINKED = IAM + "CreateServiceLinkedRole.html"
THREADS = "https://github.com/"
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
INVALID = "InvalidParameterException"
NO_REPOSITORY = "RepositoryNotFoundException"
NO_GROUP = "ResourceNotFoundException"
NAME = "ecs_task_execution_role"
METRIC = {"metricName": "m", "metricNamespace": "n", "metricValue": "1"}


def call(service: str, action: str, **given: Any) -> Any:
    return lambda b: getattr(b.client(service), action)(**given)


def in_repository(action: str, **given: Any) -> Any:
    """A call of a repository that is there, with an image."""
    def run(build: Builder) -> Any:
        build.client("ecr").create_repository(repositoryName="aa")
        build.endpoint.put_image("aa", "latest")
        return getattr(build.client("ecr"), action)(repositoryName="aa", **given)
    return run


def of_role(action: str, **given: Any) -> Any:
    """A call of a role that is there, with a policy."""
    def run(build: Builder) -> Any:
        iam = build.client("iam")
        iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=TRUST)
        iam.put_role_policy(RoleName=NAME, PolicyName="p", PolicyDocument=POLICY)
        return getattr(iam, action)(RoleName=NAME, **given)
    return run


def trust(document: Any) -> Any:
    text = document if isinstance(document, str) else json.dumps(document)
    return call("iam", "create_role", RoleName="r", AssumeRolePolicyDocument=text)


def sized(size: int) -> str:
    """A policy of so many characters, and spaces besides."""
    plain = json.loads(POLICY)
    plain["Statement"][0]["Sid"] = "s" * (size - len(POLICY.replace(" ", "")) - len('"Sid":"",'))
    return json.dumps(plain, indent=2)


def statement(**given: Any) -> Any:
    return trust({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"}, **given}]})


def in_group(action: str, **given: Any) -> Any:
    """A call of a log group that is there, with a stream."""
    def run(build: Builder) -> Any:
        build.logs.create_log_group(logGroupName="E")
        build.logs.create_log_stream(logGroupName="E", logStreamName="s")
        return getattr(build.logs, action)(logGroupName="E", **given)
    return run


def filtered(**given: Any) -> Any:
    return in_group("put_metric_filter", **{
        "filterName": "f", "filterPattern": "", "metricTransformations": [METRIC], **given})


ECR_ROWS = [
    Row("a repository made twice", ECR + "CreateRepository.html",
        twice(call("ecr", "create_repository", repositoryName="aa")),
        "RepositoryAlreadyExistsException"),
    Row("a repository's name", ECR + "CreateRepository.html",
        call("ecr", "create_repository", repositoryName="Upper"), INVALID),
    Row("a repository with images stays", ECR + "DeleteRepository.html",
        in_repository("delete_repository"), "RepositoryNotEmptyException"),
    *(Row(f"{action} of a repository that never was", ECR + page + ".html",
          call("ecr", action, repositoryName="none", **given), NO_REPOSITORY)
      for action, page, given in (
          ("delete_repository", "DeleteRepository", {}), ("list_images", "ListImages", {}),
          ("describe_images", "DescribeImages", {}),
          ("batch_get_image", "BatchGetImage", {"imageIds": [{"imageTag": "a"}]}),
          ("batch_delete_image", "BatchDeleteImage", {"imageIds": [{"imageTag": "a"}]}),
          ("get_lifecycle_policy", "GetLifecyclePolicy", {}),
          ("get_repository_policy", "GetRepositoryPolicy", {}),
          ("put_image_tag_mutability", "PutImageTagMutability",
           {"imageTagMutability": "MUTABLE"}),
          ("put_image_scanning_configuration", "PutImageScanningConfiguration",
           {"imageScanningConfiguration": {"scanOnPush": True}}))),
    Row("one repository of several is not there", ECR + "DescribeRepositories.html",
        lambda b: (b.client("ecr").create_repository(repositoryName="aa"),
                   b.client("ecr").describe_repositories(repositoryNames=["aa", "no"])),
        NO_REPOSITORY),
    Row("a policy of lifecycle that is not there", ECR + "GetLifecyclePolicy.html",
        in_repository("get_lifecycle_policy"), "LifecyclePolicyNotFoundException"),
    Row("a lifecycle's rules", ECR + "PutLifecyclePolicy.html",
        in_repository("put_lifecycle_policy", lifecyclePolicyText="{}"), INVALID),
    Row("a policy that is not there", ECR + "GetRepositoryPolicy.html",
        in_repository("get_repository_policy"), "RepositoryPolicyNotFoundException"),
    Row("100 images at once", ECR + "BatchGetImage.html", in_repository(
        "batch_get_image", imageIds=[{"imageTag": f"t{i}"} for i in range(101)]), INVALID),
    Row("an image that is not there", ECR + "DescribeImages.html",
        in_repository("describe_images", imageIds=[{"imageTag": "no"}]),
        "ImageNotFoundException"),
    Row("a manifest", ECR + "PutImage.html",
        in_repository("put_image", imageManifest="{", imageTag="t"), INVALID),
    Row("a page's token", ECR + "DescribeRepositories.html",
        call("ecr", "describe_repositories", nextToken="x"), INVALID),
    Row("pages and names together", ECR + "DescribeRepositories.html",
        call("ecr", "describe_repositories", repositoryNames=["aa"], maxResults=5), INVALID),
]
IAM_ROWS = [
    Row("a role made twice", IAM + "CreateRole.html", twice(call(
        "iam", "create_role", RoleName=NAME, AssumeRolePolicyDocument=TRUST)),
        "EntityAlreadyExists"),
    Row("a trust policy is JSON", GRAMMAR, trust("no"), "MalformedPolicyDocument"),
    Row("a trust policy has statements", GRAMMAR, trust("{}"), "MalformedPolicyDocument"),
    Row("a trust policy's effect", GRAMMAR, statement(Effect="Maybe"), "MalformedPolicyDocument"),
    Row("a trust policy's action is of STS", GRAMMAR, statement(Action="s3:GetObject"),
        "MalformedPolicyDocument"),
    Row("a trust policy's principal", GRAMMAR, statement(Principal={"Service": "ecs"}),
        "MalformedPolicyDocument"),
    Row("a trust policy has no resource", GRAMMAR, statement(Resource="*"),
        "MalformedPolicyDocument"),
    *(Row(f"a trust policy's principal that is no {kind}",
          THREADS + "hashicorp/terraform-provider-aws/issues/8905",
          statement(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:{kind}/none"}),
          "MalformedPolicyDocument") for kind in ("role", "user")),
    Row("a trust policy's principal that is a role", GRAMMAR,
        statement(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/berth-deploy"}), ""),
    Row("a trust policy of more than 2048", THREADS + "kubeflow/kubeflow/issues/6687",
        statement(Principal={"AWS": [f"{n:012d}" for n in range(150)]}), "LimitExceeded"),
    Row("a trust policy is changed into one", IAM + "UpdateAssumeRolePolicy.html",
        of_role("update_assume_role_policy", PolicyDocument="{}"), "MalformedPolicyDocument"),
    Row("a policy is JSON", IAM + "PutRolePolicy.html",
        of_role("put_role_policy", PolicyName="q", PolicyDocument="{"),
        "MalformedPolicyDocument"),
    *(Row(f"policies of {what}", THREADS + "serverless/serverless/issues/7643", of_role(
        "put_role_policy", PolicyName=name, PolicyDocument=sized(size)), code)
      for what, size, name, code in (
          ("more than 10240", 10241, "p", "LimitExceeded"),
          ("more than that in all", 10240, "q", "LimitExceeded"), ("10240", 10240, "p", ""))),
    Row("a role with policies stays", IAM + "DeleteRole.html", of_role("delete_role"),
        "DeleteConflict"),
    Row("a role's name is at most 64 long", QUOTAS, call(
        "iam", "create_role", RoleName="r" * 65, AssumeRolePolicyDocument=TRUST),
        "ValidationError"),
    Row("a session of less than an hour", IAM + "CreateRole.html", call(
        "iam", "create_role", RoleName="r", AssumeRolePolicyDocument=TRUST,
        MaxSessionDuration=60), "ValidationError"),
    Row("a service's role made twice", LINKED, twice(call(
        "iam", "create_service_linked_role", AWSServiceName="ecs.amazonaws.com")), "InvalidInput"),
    Row("a policy that is not there", IAM + "GetRolePolicy.html",
        of_role("get_role_policy", PolicyName="none"), "NoSuchEntity"),
    *(Row(f"{action} of a role that never was", IAM + page + ".html",
          call("iam", action, RoleName="none", **given), "NoSuchEntity")
      for action, page, given in (
          ("get_role", "GetRole", {}), ("delete_role", "DeleteRole", {}),
          ("list_role_policies", "ListRolePolicies", {}),
          ("list_attached_role_policies", "ListAttachedRolePolicies", {}),
          ("list_role_tags", "ListRoleTags", {}),
          ("put_role_policy", "PutRolePolicy", {"PolicyName": "p", "PolicyDocument": POLICY}),
          ("update_assume_role_policy", "UpdateAssumeRolePolicy", {"PolicyDocument": TRUST}))),
]
LOGS_ROWS = [
    Row("a log group made twice", LOGS + "CreateLogGroup.html",
        twice(call("logs", "create_log_group", logGroupName="E")),
        "ResourceAlreadyExistsException"),
    Row("a log group's name", LOGS + "CreateLogGroup.html",
        call("logs", "create_log_group", logGroupName="a b"), INVALID),
    Row("a log group's name is not AWS's own", LOGS + "CreateLogGroup.html",
        call("logs", "create_log_group", logGroupName="aws/E"), INVALID),
    Row("days that logs can be kept", LOGS + "PutRetentionPolicy.html",
        in_group("put_retention_policy", retentionInDays=31), INVALID),
    Row("a filter's transformation", LOGS + "PutMetricFilter.html",
        filtered(metricTransformations=[]), INVALID),
    Row("a filter's one transformation", LOGS + "PutMetricFilter.html",
        filtered(metricTransformations=[METRIC, METRIC]), INVALID),
    Row("a filter's name", LOGS + "PutMetricFilter.html", filtered(filterName="a:b"), INVALID),
    *(Row(f"a filter: {what}", source, filtered(
          filterPattern=pattern, metricTransformations=[{**METRIC, **given}]), code)
      for what, source, pattern, given, code in (
          ("a selector", THREADS + "aws/aws-cdk/issues/15047", '{ status = "401" }', {}, INVALID),
          ("an end", THREADS + "aws/aws-cdk/issues/15047", '{ $.status = "401"', {}, INVALID),
          ("fields without an end", THREADS + "aws/aws-cdk/issues/15047", "[a, b", {}, INVALID),
          ("a value", THREADS + "aws-cloudformation/cfn-lint/issues/1525", "[a, length]",
           {"metricValue": "length"}, INVALID),
          ("a value that is a field's", THREADS + "aws-cloudformation/cfn-lint/issues/1525",
           "[a, length]", {"metricValue": "$length"}, ""),
          ("dimensions of words", THREADS + "hashicorp/terraform-provider-aws/issues/28881",
           "ERROR", {"dimensions": {"a": "$.a"}}, INVALID),
          ("dimensions", THREADS + "hashicorp/terraform-provider-aws/issues/28881",
           '{ $.level = "ERROR" }', {"dimensions": {"a": "$.a"}}, ""),
          ("dimensions and a default", THREADS + "aws-solutions-library-samples/"
           "guidance-for-claude-code-with-amazon-bedrock/pull/632", '{ $.level = "ERROR" }',
           {"dimensions": {"a": "$.a"}, "defaultValue": 0.0}, INVALID))),
    Row("a filter put twice is one", LOGS + "PutMetricFilter.html",
        lambda b: (filtered()(b), b.logs.put_metric_filter(
            logGroupName="E", filterName="f", filterPattern="x",
            metricTransformations=[METRIC])), ""),
    Row("a filter that is not there", LOGS + "DeleteMetricFilter.html",
        in_group("delete_metric_filter", filterName="f"), NO_GROUP),
    *(Row(f"{action} of a log group that never was", LOGS + page + ".html",
          call("logs", action, logGroupName="none", **given), NO_GROUP)
      for action, page, given in (
          ("delete_log_group", "DeleteLogGroup", {}),
          ("put_retention_policy", "PutRetentionPolicy", {"retentionInDays": 30}),
          ("delete_retention_policy", "DeleteRetentionPolicy", {}),
          ("describe_log_streams", "DescribeLogStreams", {}),
          ("filter_log_events", "FilterLogEvents", {}),
          ("get_log_events", "GetLogEvents", {"logStreamName": "s"}),
          ("describe_metric_filters", "DescribeMetricFilters", {}),
          ("put_metric_filter", "PutMetricFilter", {
              "filterName": "f", "filterPattern": "", "metricTransformations": [METRIC]}))),
    Row("a stream that is not there", LOGS + "GetLogEvents.html",
        in_group("get_log_events", logStreamName="none"), NO_GROUP),
    Row("streams by prefix and by time at once", LOGS + "DescribeLogStreams.html", in_group(
        "describe_log_streams", logStreamNamePrefix="s", orderBy="LastEventTime"), INVALID),
    Row("events by streams' names and prefix at once", LOGS + "FilterLogEvents.html", in_group(
        "filter_log_events", logStreamNames=["s"], logStreamNamePrefix="s"), INVALID),
    Row("a log group by name and by ARN at once", LOGS + "GetLogEvents.html", in_group(
        "get_log_events", logGroupIdentifier="E", logStreamName="s"), INVALID),
    Row("log groups by prefix and by pattern at once", LOGS + "DescribeLogGroups.html", call(
        "logs", "describe_log_groups", logGroupNamePrefix="a", logGroupNamePattern="b"), INVALID),
    Row("50 log groups on a page", LOGS + "DescribeLogGroups.html",
        call("logs", "describe_log_groups", limit=51), INVALID),
    Row("50 streams on a page", LOGS + "DescribeLogStreams.html",
        in_group("describe_log_streams", limit=51), INVALID),
    Row("10000 events on a page", LOGS + "GetLogEvents.html",
        in_group("get_log_events", logStreamName="s", limit=10001), INVALID),
    *(Row(f"{action}: a token that is none", LOGS + page + ".html",
          in_group(action, nextToken="x", **given), INVALID)
      for action, page, given in (
          ("describe_log_streams", "DescribeLogStreams", {}),
          ("filter_log_events", "FilterLogEvents", {}),
          ("get_log_events", "GetLogEvents", {"logStreamName": "s"}),
          ("describe_metric_filters", "DescribeMetricFilters", {}))),
    Row("the ARN of a log group's tags has no asterisk", LOGS + "ListTagsForResource.html",
        lambda b: (b.logs.create_log_group(logGroupName="E"), b.logs.list_tags_for_resource(
            resourceArn=f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:E:*")), INVALID),
]
OTHER_ROWS = [
    Row("a role that never was", STS + "AssumeRole.html", call(
        "sts", "assume_role", RoleArn=f"arn:aws:iam::{ACCOUNT}:role/none", RoleSessionName="ab"),
        "AccessDenied"),
    Row("a session of less than 15 minutes", STS + "AssumeRole.html", call(
        "sts", "assume_role", RoleArn=f"arn:aws:iam::{ACCOUNT}:role/berth-deploy",
        RoleSessionName="ab", DurationSeconds=60), "ValidationError"),
    Row("a token that is none", STS + "AssumeRoleWithWebIdentity.html", call(
        "sts", "assume_role_with_web_identity", RoleSessionName="ab", WebIdentityToken="none",
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/berth-deploy"), "InvalidIdentityToken"),
    Row("ten parameters at once", SSM + "GetParameters.html", call(
        "ssm", "get_parameters", Names=[f"/{i}" for i in range(11)]), "ValidationException"),
    Row("a page's token of parameters", SSM + "DescribeParameters.html",
        call("ssm", "describe_parameters", NextToken="x"), "InvalidNextToken"),
    Row("a secret that never was", SECRETS + "DescribeSecret.html",
        call("secretsmanager", "describe_secret", SecretId="none"), "ResourceNotFoundException"),
    Row("a secret's value that never was", SECRETS + "GetSecretValue.html",
        call("secretsmanager", "get_secret_value", SecretId="none"), "ResourceNotFoundException"),
    Row("100 resources on a page", TAGGING + "GetResources.html",
        call("resourcegroupstaggingapi", "get_resources", ResourcesPerPage=101), INVALID),
    Row("a page's token of resources", TAGGING + "GetResources.html",
        call("resourcegroupstaggingapi", "get_resources", PaginationToken="x"), INVALID),
]
ROWS = [*ECR_ROWS, *IAM_ROWS, *LOGS_ROWS, *OTHER_ROWS]
