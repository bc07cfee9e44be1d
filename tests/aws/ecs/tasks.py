"""Tasks. https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html"""

from __future__ import annotations

from typing import Any

from ..registry import Call, paged
from . import lifecycle, scheduler
from .clusters import strategy_read
from .model import ACTIONS, Ecs, Task, client_error, invalid
from .services import network_check
from .tags import tags_check


def task_show(task: Task, tags: bool) -> dict[str, Any]:
    return {**task.fields, "tags": task.tags if tags else []}


@ACTIONS.action("ListTasks")
def list_tasks(call: Call) -> dict[str, Any]:
    """Those whose desired status is RUNNING, unless STOPPED is asked for."""
    ecs: Ecs = call.store(Ecs)
    given = call.input
    cluster = ecs.cluster(given.get("cluster"))
    tasks = [t for t in ecs.tasks_of(cluster)
             if t.fields["desiredStatus"] == given.get("desiredStatus", "RUNNING")]
    if "serviceName" in given:
        service = ecs.service_find(cluster, given["serviceName"])
        if service is None:
            from ..errors import AwsError
            raise AwsError("ServiceNotFoundException", "Service not found.")
        tasks = [t for t in tasks if t.service is service]
    if "family" in given:
        tasks = [t for t in tasks if t.definition.fields["family"] == given["family"]]
    if "startedBy" in given:
        tasks = [t for t in tasks if t.fields.get("startedBy") == given["startedBy"]]
    if "launchType" in given:
        tasks = [t for t in tasks if t.fields["launchType"] == given["launchType"]]
    page, more = paged([t.arn for t in tasks], call, "maxResults", "nextToken", 100, 100, invalid)
    return {"taskArns": page, **more}


@ACTIONS.action("DescribeTasks")
def describe_tasks(call: Call) -> dict[str, Any]:
    ecs: Ecs = call.store(Ecs)
    cluster = ecs.cluster(call.input.get("cluster"))
    names = call.input["tasks"]
    if not names:
        raise invalid("Tasks cannot be empty.")
    if len(names) > 100:
        raise invalid("Tasks cannot have more than 100 elements.")
    found, failures = [], []
    for name in names:
        arn = name if name.startswith("arn:") else ecs.arn("task", cluster.name, name)
        if arn in ecs.tasks:
            found.append(task_show(ecs.tasks[arn], "TAGS" in call.input.get("include", [])))
        else:
            failures.append({"arn": arn, "reason": "MISSING"})
    return {"tasks": found, "failures": failures}


@ACTIONS.action("StopTask")
def stop_task(call: Call) -> dict[str, Any]:
    ecs: Ecs = call.store(Ecs)
    cluster = ecs.cluster(call.input.get("cluster"))
    name = call.input["task"]
    task = ecs.tasks.get(name if name.startswith("arn:") else ecs.arn("task", cluster.name, name))
    if task is None:
        raise invalid("The referenced task was not found.")
    lifecycle.task_stop(ecs, task, "UserInitiated",
                        call.input.get("reason", "Task stopped by user"))
    if task.service:
        scheduler.schedule(ecs, task.service)
    return {"task": task_show(task, False)}


@ACTIONS.action("RunTask")
def run_task(call: Call) -> dict[str, Any]:
    ecs: Ecs = call.store(Ecs)
    given = call.input
    cluster = ecs.cluster(given.get("cluster"))
    if not 1 <= given.get("count", 1) <= 10:
        raise invalid("count must be between 1 and 10.")
    definition = ecs.definition_find(given["taskDefinition"])
    if definition is None:
        raise client_error("TaskDefinition not found.")
    if definition.fields["status"] != "ACTIVE":
        raise client_error("TaskDefinition is inactive")
    network = given.get("networkConfiguration", {}).get("awsvpcConfiguration")
    if definition.fields.get("networkMode") == "awsvpc" and not network:
        raise invalid("Network Configuration must be provided when networkMode 'awsvpc' is "
                      "specified.")
    if given.get("launchType") != "FARGATE" and not given.get("capacityProviderStrategy"):
        raise invalid("No Container Instances were found in your cluster.")
    strategy_read(given.get("capacityProviderStrategy", []), cluster.fields["capacityProviders"])
    network_check(ecs, network or {})
    group = given.get("group", f"family:{definition.fields['family']}")
    tasks = [lifecycle.task_create(ecs, cluster, definition, given,
                                   tags_check(given.get("tags", [])),
                                   given.get("startedBy", ""), group)
             for _ in range(given.get("count", 1))]
    return {"tasks": [task_show(task, True) for task in tasks], "failures": []}
