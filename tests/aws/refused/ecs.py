"""Amazon ECS: clusters, task definitions, services, tasks."""

from __future__ import annotations

from typing import Any

from ..build import ROLE, Builder
from . import AWS, ECS, Row, twice

FARGATE = AWS + "AmazonECS/latest/developerguide/fargate-tasks-services.html"
AWSVPC = AWS + "AmazonECS/latest/developerguide/task-networking-awsvpc.html"
INVALID = "InvalidParameterException"


def container(**given: Any) -> list[dict[str, Any]]:
    return [{"name": "web", "image": "nginx", **given}]


def defined(**given: Any) -> Any:
    """A registration with these members."""
    return lambda b: b.definition(**given)


def contained(**given: Any) -> Any:
    """A registration whose only container has these members."""
    return defined(containerDefinitions=container(**given))


def secret(**given: Any) -> Any:
    """A registration whose container has the secret A."""
    return defined(executionRoleArn=ROLE, containerDefinitions=container(
        **{"secrets": [{"name": "A", "valueFrom": "/a"}], **given}))


def served(**given: Any) -> Any:
    """A service with these members, in a cluster that is there."""
    def run(build: Builder) -> Any:
        build.ecs.create_cluster(clusterName="E")
        return build.service(build.definition(), **given)
    return run


def network(**given: Any) -> Any:
    def run(build: Builder) -> Any:
        return served(networkConfiguration={"awsvpcConfiguration": {
            "subnets": build.subnets, **given}})(build)
    return run


def again(build: Builder) -> Any:
    build.running()
    return build.service(build.definition(), count=2)


def with_service(build: Builder) -> Any:
    build.running()
    return build.ecs.delete_cluster(cluster="E")


def task(build: Builder, **given: Any) -> Any:
    build.ecs.create_cluster(clusterName="E")
    launch = {} if "capacityProviderStrategy" in given else {"launchType": "FARGATE"}
    return build.ecs.run_task(**{
        "cluster": "E", "taskDefinition": build.definition(), **launch,
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": build.subnets}}, **given})


def with_task(build: Builder) -> Any:
    task(build)
    return build.ecs.delete_cluster(cluster="E")


def scaled(build: Builder) -> Any:
    build.running()
    return build.ecs.delete_service(cluster="E", service="E-web")


def draining(build: Builder) -> Any:
    build.running()
    build.ecs.delete_service(cluster="E", service="E-web", force=True)
    return build.service(build.definition())


def gone(build: Builder) -> Any:
    build.running()
    build.ecs.delete_service(cluster="E", service="E-web", force=True)
    build.endpoint.advance(120)
    return build.ecs.update_service(cluster="E", service="E-web", desiredCount=1)


def in_gone_cluster(build: Builder) -> Any:
    build.ecs.create_cluster(clusterName="E")
    build.ecs.delete_cluster(cluster="E")
    return build.service(build.definition())


def inactive_definition(build: Builder) -> Any:
    build.ecs.create_cluster(clusterName="E")
    arn = build.definition()
    build.ecs.deregister_task_definition(taskDefinition=arn)
    return build.service(arn)


def foreign_group(build: Builder) -> Any:
    vpc = next(v["VpcId"] for v in build.ec2.describe_vpcs()["Vpcs"] if v["VpcId"] != build.vpc)
    group = build.ec2.create_security_group(GroupName="x", Description="x", VpcId=vpc)["GroupId"]
    return network(securityGroups=[group])(build)


def updated(**given: Any) -> Any:
    def run(build: Builder) -> Any:
        build.running()
        return build.ecs.update_service(cluster="E", service="E-web", **given)
    return run


def call(action: str, **given: Any) -> Any:
    """One call in a cluster that is there."""
    def run(build: Builder) -> Any:
        build.ecs.create_cluster(clusterName="E")
        return getattr(build.ecs, action)(**given)
    return run


FARGATES = ["FARGATE", "FARGATE_SPOT"]


def strategy(**weights: int) -> list[dict[str, Any]]:
    return [{"capacityProvider": name, "weight": weight} for name, weight in weights.items()]


def provided(providers: list[str], strategy: list[dict[str, Any]]) -> Any:
    """A service by these capacity providers, in a cluster that has those."""
    def run(build: Builder) -> Any:
        build.ecs.create_cluster(clusterName="E", capacityProviders=providers)
        return build.service(build.definition(), capacityProviderStrategy=strategy)
    return run


def provider_in_use(build: Builder) -> Any:
    provided(FARGATES, strategy(FARGATE_SPOT=1))(build)
    return build.ecs.put_cluster_capacity_providers(
        cluster="E", capacityProviders=[], defaultCapacityProviderStrategy=[])


def contained_logs(options: dict[str, str]) -> Any:
    """A registration whose container's log goes to CloudWatch Logs with these options."""
    return defined(executionRoleArn=ROLE, containerDefinitions=container(
        logConfiguration={"logDriver": "awslogs", "options": options}))


LINT = "https://github.com/aws-cloudformation/cfn-lint/issues/1787"
LOGS = {"awslogs-group": "E", "awslogs-region": "us-east-1"}
EXEC = "https://github.com/docker-archive/compose-cli/issues/2120"
MANY = [f"n{i}" for i in range(101)]
TAGS = [{"key": f"k{i}", "value": "v"} for i in range(51)]
RESERVED = [{"key": "aws:x", "value": "v"}]

ROWS = [
    # Clusters
    Row("a cluster made twice is the same one", ECS + "CreateCluster.html",
        twice(lambda b: b.ecs.create_cluster(clusterName="E")), ""),
    Row("a cluster's name", ECS + "CreateCluster.html",
        lambda b: b.ecs.create_cluster(clusterName="a b"), INVALID),
    Row("a cluster's name is at most 255 long", ECS + "CreateCluster.html",
        lambda b: b.ecs.create_cluster(clusterName="a" * 256), INVALID),
    Row("a tag's key is not AWS's own", ECS + "CreateCluster.html",
        lambda b: b.ecs.create_cluster(clusterName="E", tags=RESERVED), INVALID),
    Row("at most 50 tags", ECS + "CreateCluster.html",
        lambda b: b.ecs.create_cluster(clusterName="E", tags=TAGS), INVALID),
    Row("100 clusters at once", ECS + "DescribeClusters.html",
        lambda b: b.ecs.describe_clusters(clusters=MANY), INVALID),
    Row("a cluster with services stays", ECS + "DeleteCluster.html",
        with_service, "ClusterContainsServicesException"),
    Row("a cluster with tasks stays", ECS + "DeleteCluster.html",
        with_task, "ClusterContainsTasksException"),
    Row("a cluster that never was", ECS + "DeleteCluster.html",
        lambda b: b.ecs.delete_cluster(cluster="none"), "ClusterNotFoundException"),
    Row("settings of a cluster that never was", ECS + "UpdateClusterSettings.html",
        lambda b: b.ecs.update_cluster_settings(cluster="none", settings=[
            {"name": "containerInsights", "value": "enabled"}]), "ClusterNotFoundException"),
    Row("a setting's value", ECS + "ClusterSetting.html",
        call("update_cluster_settings", cluster="E", settings=[
            {"name": "containerInsights", "value": "on"}]), INVALID),
    *(Row(f"{action}: a capacity provider that is not there",
          "https://github.com/terraform-aws-modules/terraform-aws-ecs/issues/53", run, INVALID)
      for action, run in (
          ("CreateCluster",
           lambda b: b.ecs.create_cluster(clusterName="E", capacityProviders=["nope"])),
          ("PutClusterCapacityProviders", call(
              "put_cluster_capacity_providers", cluster="E", capacityProviders=["nope"],
              defaultCapacityProviderStrategy=[])))),
    Row("a default strategy of a provider that the cluster lacks",
        ECS + "PutClusterCapacityProviders.html", call(
            "put_cluster_capacity_providers", cluster="E", capacityProviders=["FARGATE"],
            defaultCapacityProviderStrategy=strategy(FARGATE_SPOT=1)), INVALID),
    Row("a cluster made twice, with other capacity providers",
        "https://github.com/hashicorp/terraform-provider-aws/issues/12749",
        lambda b: (b.ecs.create_cluster(clusterName="E"),
                   b.ecs.create_cluster(clusterName="E", capacityProviders=["FARGATE"])), INVALID),
    Row("a capacity provider that tasks use stays", ECS + "PutClusterCapacityProviders.html",
        provider_in_use, "ResourceInUseException"),
    # Task definitions
    Row("the same registered again is another revision", ECS + "RegisterTaskDefinition.html",
        twice(lambda b: b.definition()), ""),
    Row("a pair of cpu and memory", FARGATE, defined(cpu="512", memory="512"), "ClientException"),
    Row("memory between the steps", FARGATE, defined(cpu="256", memory="600"), "ClientException"),
    Row("cpu of the task", FARGATE, lambda b: b.ecs.register_task_definition(
        family="f", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], memory="512",
        containerDefinitions=container()), "ClientException"),
    Row("Fargate's network mode", FARGATE, defined(networkMode="bridge"), "ClientException"),
    Row("at least one container", ECS + "RegisterTaskDefinition.html",
        defined(containerDefinitions=[]), "ClientException"),
    Row("an essential container", ECS + "ContainerDefinition.html",
        contained(essential=False), "ClientException"),
    Row("a container's image", ECS + "ContainerDefinition.html",
        contained(image=""), "ClientException"),
    Row("a container's name", ECS + "ContainerDefinition.html",
        contained(name="a b"), "ClientException"),
    Row("two containers of one name", ECS + "ContainerDefinition.html",
        defined(containerDefinitions=[*container(), *container()]), "ClientException"),
    Row("a host port other than the container's", AWSVPC, contained(portMappings=[
        {"containerPort": 80, "hostPort": 81}]), "ClientException"),
    Row("a health check's interval", ECS + "HealthCheck.html", contained(healthCheck={
        "command": ["CMD", "true"], "interval": 1}), "ClientException"),
    Row("a dependency on a container that is not there", ECS + "ContainerDependency.html",
        contained(dependsOn=[{"containerName": "db", "condition": "START"}]), "ClientException"),
    Row("a family's name", ECS + "RegisterTaskDefinition.html",
        defined(family="a b"), "ClientException"),
    Row("secrets need an execution role", ECS + "RegisterTaskDefinition.html",
        contained(secrets=[{"name": "A", "valueFrom": "/a"}]), "ClientException"),
    Row("a variable that is a secret, too", "https://github.com/dagster-io/dagster/issues/11622",
        secret(environment=[{"name": "A", "value": "x"}]), "ClientException"),
    Row("a secret that is there twice",
        "https://github.com/CircleCI-Public/aws-ecs-orb/issues/190",
        secret(secrets=[{"name": "A", "valueFrom": "/a"}, {"name": "A", "valueFrom": "/b"}]),
        "ClientException"),
    *(Row(f"the options of awslogs: {what}", source, contained_logs(options), "ClientException")
      for what, source, options in (
          ("none", LINT, {}), ("no region", LINT, {"awslogs-group": "E"}),
          ("no group", LINT, {"awslogs-region": "us-east-1"}),
          ("a group that it shall not make",
           "https://github.com/terraform-linters/tflint-ruleset-aws/issues/348",
           {**LOGS, "awslogs-create-group": "false"}))),
    Row("all options of awslogs", LINT, contained_logs({**LOGS, "awslogs-create-group": "true"}), ""),
    Row("a volume that is not there", "https://github.com/ansible/ansible/issues/35751",
        contained(mountPoints=[{"sourceVolume": "v", "containerPath": "/v"}]), "ClientException"),
    Row("Fargate has no ipcMode", "https://github.com/cn-terraform/terraform-aws-ecs-fargate/issues/2",
        defined(ipcMode="task"), "ClientException"),
    Row("an image of ECR needs an execution role", FARGATE, contained(
        image="123456789012.dkr.ecr.us-east-1.amazonaws.com/a:b"), "ClientException"),
    Row("tasks and containers: memory", ECS + "ContainerDefinition.html",
        contained(memory=1024), "ClientException"),
    Row("a task definition that never was", ECS + "DescribeTaskDefinition.html",
        lambda b: b.ecs.describe_task_definition(taskDefinition="none"), "ClientException"),
    Row("a revision to deregister", ECS + "DeregisterTaskDefinition.html",
        lambda b: (b.definition(), b.ecs.deregister_task_definition(taskDefinition="E-web")),
        "ClientException"),
    Row("ten revisions deleted at once", ECS + "DeleteTaskDefinitions.html",
        lambda b: b.ecs.delete_task_definitions(taskDefinitions=MANY[:11]), INVALID),
    # Services
    Row("a service made twice", "https://github.com/aws/containers-roadmap/issues/1104", again,
        INVALID),
    Row("a service whose name still drains", ECS + "DeleteService.html", draining, INVALID),
    Row("a service that wants tasks stays", ECS + "DeleteService.html", scaled, INVALID),
    Row("a service that is gone", ECS + "UpdateService.html", gone, "ServiceNotActiveException"),
    Row("a service that never was", ECS + "UpdateService.html",
        call("update_service", cluster="E", service="none"), "ServiceNotFoundException"),
    Row("a service of a cluster that never was", ECS + "UpdateService.html",
        lambda b: b.ecs.update_service(cluster="none", service="x"), "ClusterNotFoundException"),
    Row("a service in a cluster that is gone", ECS + "CreateService.html", in_gone_cluster,
        "ClusterNotFoundException"),
    Row("awsvpc needs a network", AWSVPC, served(networkConfiguration={}), INVALID),
    Row("a subnet that is not there", AWSVPC, network(subnets=["subnet-12345678"]), INVALID),
    Row("no subnet at all", AWSVPC, network(subnets=[]), INVALID),
    Row("a security group that is not there", AWSVPC, served(groups=["sg-12345678"]), INVALID),
    Row("a security group of another VPC", AWSVPC, foreign_group, INVALID),
    Row("at most five security groups", ECS + "AwsVpcConfiguration.html",
        served(groups=[f"sg-{i:08x}" for i in range(6)]), INVALID),
    Row("tasks cannot be fewer than none", ECS + "CreateService.html", served(count=-1), INVALID),
    Row("a service's name", ECS + "CreateService.html", served(name="a b"), INVALID),
    Row("a service without a name", ECS + "CreateService.html", served(name=""), INVALID),
    Row("a task definition that is not there", ECS + "CreateService.html",
        lambda b: (b.ecs.create_cluster(clusterName="E"), b.service("E-none")), "ClientException"),
    Row("a task definition that is inactive", ECS + "CreateService.html", inactive_definition,
        "ClientException"),
    Row("a registry that is not there", ECS + "ServiceRegistry.html",
        served(serviceRegistries=[{"registryArn": "arn:x"}]), INVALID),
    Row("a target group that is not there", ECS + "LoadBalancer.html", served(loadBalancers=[
        {"targetGroupArn": "arn:x", "containerName": "web", "containerPort": 5000}]), INVALID),
    Row("a launch type and a capacity provider", ECS + "CreateService.html", served(
        launchType="FARGATE", capacityProviderStrategy=strategy(FARGATE=1)), INVALID),
    *(Row(f"{where}: a capacity provider that the cluster lacks",
          "https://github.com/dask/dask-cloudprovider/issues/328", run, INVALID)
      for where, run in (
          ("CreateService", provided(["FARGATE"], strategy(FARGATE_SPOT=1))),
          ("UpdateService", updated(capacityProviderStrategy=strategy(FARGATE_SPOT=1))),
          ("RunTask", lambda b: task(b, capacityProviderStrategy=strategy(FARGATE_SPOT=1))))),
    Row("capacity providers that the cluster has", ECS + "CapacityProviderStrategyItem.html",
        provided(FARGATES, strategy(FARGATE=1, FARGATE_SPOT=3)), ""),
    Row("a strategy without any weight", ECS + "CapacityProviderStrategyItem.html",
        provided(FARGATES, strategy(FARGATE=0, FARGATE_SPOT=0)), INVALID),
    Row("two bases in a strategy", ECS + "CapacityProviderStrategyItem.html",
        provided(FARGATES, [{**item, "base": 1} for item in strategy(FARGATE=1, FARGATE_SPOT=1)]),
        INVALID),
    Row("percents of a deployment", ECS + "DeploymentConfiguration.html", served(
        deploymentConfiguration={"maximumPercent": 100, "minimumHealthyPercent": 100}), INVALID),
    Row("an update to a definition that is not there", ECS + "UpdateService.html",
        updated(taskDefinition="E-none"), "ClientException"),
    *(Row(f"{where}: commands in tasks without a role", EXEC, run(enableExecuteCommand=True), INVALID)
      for where, run in (("CreateService", served), ("UpdateService", updated))),
    Row("an update to fewer than no tasks", ECS + "UpdateService.html",
        updated(desiredCount=-1), INVALID),
    Row("ten services at once", ECS + "DescribeServices.html",
        call("describe_services", cluster="E", services=MANY[:11]), INVALID),
    Row("services of a cluster that never was", ECS + "DescribeServices.html",
        lambda b: b.ecs.describe_services(cluster="none", services=["x"]),
        "ClusterNotFoundException"),
    Row("deployments of a service that never was", ECS + "ListServiceDeployments.html",
        call("list_service_deployments", cluster="E", service="none"), "ServiceNotFoundException"),
    Row("a deployment to stop that never was", ECS + "StopServiceDeployment.html",
        call("stop_service_deployment",
             serviceDeploymentArn="arn:aws:ecs:us-east-1:123456789012:service-deployment/E/x/y"),
        "ServiceDeploymentNotFoundException"),
    # Tasks
    Row("100 tasks at once", ECS + "DescribeTasks.html", call(
        "describe_tasks", cluster="E", tasks=[f"{i:032x}" for i in range(101)]), INVALID),
    Row("ten tasks begun at once", ECS + "RunTask.html", lambda b: task(b, count=11), INVALID),
    Row("a task needs a network", AWSVPC, lambda b: task(b, networkConfiguration={}), INVALID),
    Row("a task to stop that never was", ECS + "StopTask.html",
        call("stop_task", cluster="E", task="0" * 32), INVALID),
    # Lists and tags
    *(Row(f"{action}: {member}", ECS + f"{page}.html",
          call(action, **{"cluster": "E"} if clustered else {}, **{member: value}), INVALID)
      for action, page, clustered in (
          ("list_clusters", "ListClusters", False), ("list_services", "ListServices", True),
          ("list_tasks", "ListTasks", True),
          ("list_task_definitions", "ListTaskDefinitions", False),
          ("list_task_definition_families", "ListTaskDefinitionFamilies", False))
      for member, value in (("maxResults", 101), ("nextToken", "x"))),
    Row("services of a cluster that never was: names", ECS + "ListServices.html",
        lambda b: b.ecs.list_services(cluster="none"), "ClusterNotFoundException"),
    Row("tags of what never was", ECS + "TagResource.html", call(
        "tag_resource", resourceArn="arn:aws:ecs:us-east-1:123456789012:cluster/none",
        tags=[{"key": "a", "value": "b"}]), "ClusterNotFoundException"),
    Row("what is given to a task keeps its role", ECS + "RegisterTaskDefinition.html",
        defined(executionRoleArn=ROLE), ""),
]
