"""Service deployments and revisions, the newer view of a service's deployments.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html
"""

from __future__ import annotations

from typing import Any

from ..errors import AwsError
from ..registry import Call, paged
from . import scheduler
from .model import ACTIONS, Deployment, Ecs, Service, invalid

ENDED = {"SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"}


def record_show(deployment: Deployment) -> dict[str, Any]:
    """A service deployment, with its target revision's counts of now."""
    tasks = deployment.tasks()
    target = {"arn": deployment.revision_arn,
              "requestedTaskCount": deployment.service.desired
              if deployment.service.status == "ACTIVE" else 0,
              "runningTaskCount": sum(t.status == "RUNNING" and t.wanted for t in tasks),
              "pendingTaskCount": sum(t.status in ("PROVISIONING", "PENDING") for t in tasks)}
    breaker = deployment.service.fields["deploymentConfiguration"].get(
        "deploymentCircuitBreaker", {})
    shown = {"deploymentCircuitBreaker": {
        "status": "DISABLED" if not breaker.get("enable") else
                  "MONITORING_COMPLETE" if deployment.record["status"] in ENDED else "MONITORING",
        "failureCount": deployment.failed,
        "threshold": scheduler.breaker_threshold(deployment.service.desired)}}
    return {**shown, **deployment.record, "targetServiceRevision": target}


def _by_arn(ecs: Ecs) -> dict[str, Deployment]:
    return {d.record["serviceDeploymentArn"]: d for s in ecs.services.values() for d in s.history}


def _service(ecs: Ecs, call: Call) -> Service:
    name = call.input["service"]
    if name.startswith("arn:") and name in ecs.services:
        return ecs.services[name]
    service = ecs.service_find(ecs.cluster(call.input.get("cluster")), name)
    if service is None:
        raise AwsError("ServiceNotFoundException", "Service not found.")
    return service


@ACTIONS.action("ListServiceDeployments")
def list_deployments(call: Call) -> dict[str, Any]:
    """Newest first."""
    ecs: Ecs = call.store(Ecs)
    service = _service(ecs, call)
    wanted = call.input.get("status", [])
    created = call.input.get("createdAt", {})
    briefs = []
    for deployment in service.history:
        record = deployment.record
        if wanted and record["status"] not in wanted:
            continue
        if not created.get("after", 0) <= record["createdAt"] <= created.get("before", 1e12):
            continue
        brief = {m: record[m] for m in ("serviceDeploymentArn", "serviceArn", "clusterArn",
                                        "startedAt", "createdAt", "finishedAt", "status",
                                        "statusReason") if m in record}
        briefs.append({**brief, "targetServiceRevisionArn": deployment.revision_arn})
    page, more = paged(briefs, call, "maxResults", "nextToken", 20, 100, invalid)
    return {"serviceDeployments": page, **more}


@ACTIONS.action("DescribeServiceDeployments")
def describe_deployments(call: Call) -> dict[str, Any]:
    ecs: Ecs = call.store(Ecs)
    arns = call.input["serviceDeploymentArns"]
    if not 1 <= len(arns) <= 20:
        raise invalid("serviceDeploymentArns must have 1 to 20 elements.")
    known = _by_arn(ecs)
    return {"serviceDeployments": [record_show(known[a]) for a in arns if a in known],
            "failures": [{"arn": a, "reason": "MISSING"} for a in arns if a not in known]}


@ACTIONS.action("DescribeServiceRevisions")
def describe_revisions(call: Call) -> dict[str, Any]:
    ecs: Ecs = call.store(Ecs)
    arns = call.input["serviceRevisionArns"]
    if not 1 <= len(arns) <= 20:
        raise invalid("serviceRevisionArns must have 1 to 20 elements.")
    known = {d.revision_arn: d for s in ecs.services.values() for d in s.history + s.deployments}
    return {"serviceRevisions": [_revision_show(known[a]) for a in arns if a in known],
            "failures": [{"arn": a, "reason": "MISSING"} for a in arns if a not in known]}


def _revision_show(deployment: Deployment) -> dict[str, Any]:
    service = deployment.service
    shown: dict[str, Any] = {
        "serviceRevisionArn": deployment.revision_arn, "serviceArn": service.arn,
        "clusterArn": service.cluster.arn, "taskDefinition": deployment.definition.arn,
        "createdAt": deployment.created, "guardDutyEnabled": False, "platformFamily": "Linux",
        "containerImages": [
            {"containerName": c["name"], "image": c["image"],
             **({"imageDigest": c["image"].partition("@")[2]} if "@" in c["image"] else {})}
            for c in deployment.definition.containers],
        **deployment.revision}
    if "launchType" in service.fields:
        shown["launchType"] = service.fields["launchType"]
    return shown


@ACTIONS.action("StopServiceDeployment")
def stop_deployment(call: Call) -> dict[str, Any]:
    """Rolls back, or aborts, a deployment that has not ended."""
    ecs: Ecs = call.store(Ecs)
    arn = call.input["serviceDeploymentArn"]
    deployment = _by_arn(ecs).get(arn)
    if deployment is None:
        raise AwsError("ServiceDeploymentNotFoundException", "Service deployment not found.")
    if deployment.record["status"] != "IN_PROGRESS":
        raise AwsError("ConflictException", "The service deployment is not in progress.")
    reason = "Service deployment was stopped by the user."
    if call.input.get("stopType", "ROLLBACK") == "ROLLBACK":
        deployment.reason = reason
        scheduler.roll_back(ecs, deployment.service, deployment, reason)
    else:
        deployment.rollout, deployment.reason = "FAILED", reason
        deployment.record.update(status="STOPPED", statusReason=reason, stoppedAt=ecs.now(),
                                 finishedAt=ecs.now(), updatedAt=ecs.now())
    return {"serviceDeploymentArn": arn}
