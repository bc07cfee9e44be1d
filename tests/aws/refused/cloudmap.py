"""AWS Cloud Map: namespaces, services, instances."""

from __future__ import annotations

from typing import Any

from ..build import Builder
from . import CLOUDMAP, Row

ARN = "arn:aws:servicediscovery:us-east-1:123456789012:service/srv-none"


def namespace_again(build: Builder) -> Any:
    build.namespace()
    return build.sd.create_private_dns_namespace(Name="E.local", Vpc=build.vpc)


def namespace_being_made(build: Builder) -> Any:
    for _ in range(2):
        build.sd.create_private_dns_namespace(Name="E.local", Vpc=build.vpc)


def service_again(name: str) -> Any:
    def run(build: Builder) -> Any:
        namespace = build.namespace()
        build.discovery(namespace, "web-E")
        return build.discovery(namespace, name)
    return run


def with_services(build: Builder) -> Any:
    namespace = build.namespace()
    build.discovery(namespace)
    return build.sd.delete_namespace(Id=namespace)


def with_instances(build: Builder) -> Any:
    service = build.discovery(build.namespace())
    build.running(serviceRegistries=[{"registryArn": service["Arn"]}])
    return build.sd.delete_service(Id=service["Id"])


def with_instances_that_go(build: Builder) -> Any:
    service = build.discovery(build.namespace())
    build.running(serviceRegistries=[{"registryArn": service["Arn"]}])
    build.ecs.delete_service(cluster="E", service="E-web", force=True)
    return build.sd.delete_service(Id=service["Id"])


def made(**given: Any) -> Any:
    """A service of a namespace that is there, with these members."""
    return lambda b: b.sd.create_service(**{
        "Name": "web-E", "NamespaceId": b.namespace(),
        "DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": 10}]}, **given})


def of_service(action: str, **given: Any) -> Any:
    """A call of a service that is there."""
    return lambda b: getattr(b.sd, action)(ServiceId=b.discovery(b.namespace())["Id"], **given)


def unknown(action: str, **given: Any) -> Any:
    return lambda b: getattr(b.sd, action)(**given)


ROWS = [
    Row("a namespace made twice", CLOUDMAP + "CreatePrivateDnsNamespace.html", namespace_again,
        "NamespaceAlreadyExists"),
    Row("a namespace that is being made", CLOUDMAP + "CreatePrivateDnsNamespace.html",
        namespace_being_made, "DuplicateRequest"),
    Row("two namespaces of one VPC", CLOUDMAP + "CreatePrivateDnsNamespace.html",
        lambda b: (b.namespace("A.local"), b.namespace("B.local")), ""),
    Row("a VPC that is not there", CLOUDMAP + "CreatePrivateDnsNamespace.html",
        lambda b: b.sd.create_private_dns_namespace(Name="a.local", Vpc="vpc-12345678"),
        "InvalidInput"),
    Row("a namespace's name", CLOUDMAP + "CreatePrivateDnsNamespace.html",
        lambda b: b.sd.create_private_dns_namespace(Name="a b", Vpc=b.vpc), "InvalidInput"),
    Row("a namespace with services stays", CLOUDMAP + "DeleteNamespace.html", with_services,
        "ResourceInUse"),
    Row("a namespace that never was", CLOUDMAP + "DeleteNamespace.html",
        unknown("delete_namespace", Id="ns-none"), "NamespaceNotFound"),
    Row("a namespace to read that never was", CLOUDMAP + "GetNamespace.html",
        unknown("get_namespace", Id="ns-none"), "NamespaceNotFound"),
    Row("a namespace to change that never was", CLOUDMAP + "UpdatePrivateDnsNamespace.html",
        unknown("update_private_dns_namespace", Id="ns-none", Namespace={"Description": "x"}),
        "NamespaceNotFound"),
    Row("an operation that never was", CLOUDMAP + "GetOperation.html",
        unknown("get_operation", OperationId="none"), "OperationNotFound"),
    Row("a service made twice", CLOUDMAP + "CreateService.html", service_again("web-E"),
        "ServiceAlreadyExists"),
    Row("a service whose name differs by case alone", CLOUDMAP + "CreateService.html",
        service_again("WEB-E"), "ServiceAlreadyExists"),
    Row("a service of a namespace that never was", CLOUDMAP + "CreateService.html",
        lambda b: b.discovery("ns-none"), "NamespaceNotFound"),
    Row("a service's name", CLOUDMAP + "CreateService.html", made(Name="a b"), "InvalidInput"),
    Row("Route 53's checks of what is private", CLOUDMAP + "CreateService.html",
        made(HealthCheckConfig={"Type": "HTTP"}), "InvalidInput"),
    Row("a record's time to live", CLOUDMAP + "DnsRecord.html",
        made(DnsConfig={"DnsRecords": [{"Type": "A", "TTL": -1}]}), "InvalidInput"),
    *(Row(f"records of the types {' and '.join(kinds)}{', weighted' if policy else ''}",
          CLOUDMAP + "DnsRecord.html", made(DnsConfig={
              "DnsRecords": [{"Type": kind, "TTL": 10} for kind in kinds], **policy}), code)
      for kinds, policy, code in (
          (("A", "CNAME"), {}, "InvalidInput"), (("A", "A"), {}, "InvalidInput"),
          (("CNAME",), {}, "InvalidInput"), (("AAAA", "A"), {}, ""),
          (("CNAME",), {"RoutingPolicy": "WEIGHTED"}, ""))),
    Row("a service with instances stays", CLOUDMAP + "DeleteService.html", with_instances,
        "ResourceInUse"),
    Row("a service whose instances only just go", CLOUDMAP + "DeleteService.html",
        with_instances_that_go, "ResourceInUse"),
    Row("a service that never was", CLOUDMAP + "DeleteService.html",
        unknown("delete_service", Id="srv-none"), "ServiceNotFound"),
    Row("a service to read that never was", CLOUDMAP + "GetService.html",
        unknown("get_service", Id="srv-none"), "ServiceNotFound"),
    Row("a service to change that never was", CLOUDMAP + "UpdateService.html",
        unknown("update_service", Id="srv-none", Service={"Description": "x"}),
        "ServiceNotFound"),
    Row("an instance's address", CLOUDMAP + "RegisterInstance.html",
        of_service("register_instance", InstanceId="i", Attributes={"a": "b"}), "InvalidInput"),
    Row("an instance that never was", CLOUDMAP + "DeregisterInstance.html",
        of_service("deregister_instance", InstanceId="none"), "InstanceNotFound"),
    Row("an instance to read that never was", CLOUDMAP + "GetInstance.html",
        of_service("get_instance", InstanceId="none"), "InstanceNotFound"),
    Row("the health of an instance that never was",
        CLOUDMAP + "UpdateInstanceCustomHealthStatus.html",
        of_service("update_instance_custom_health_status", InstanceId="none", Status="HEALTHY"),
        "InstanceNotFound"),
    Row("instances of a service that never was", CLOUDMAP + "ListInstances.html",
        unknown("list_instances", ServiceId="srv-none"), "ServiceNotFound"),
    Row("names that are not there", CLOUDMAP + "DiscoverInstances.html",
        unknown("discover_instances", NamespaceName="none", ServiceName="none"),
        "NamespaceNotFound"),
    Row("tags of what never was", CLOUDMAP + "TagResource.html",
        unknown("tag_resource", ResourceARN=ARN, Tags=[{"Key": "a", "Value": "b"}]),
        "ResourceNotFoundException"),
    Row("tags to read of what never was", CLOUDMAP + "ListTagsForResource.html",
        unknown("list_tags_for_resource", ResourceARN=ARN), "ResourceNotFoundException"),
    Row("more tags than 50", CLOUDMAP + "CreateService.html",
        made(Tags=[{"Key": f"k{i}", "Value": "v"} for i in range(51)]), "TooManyTagsException"),
    Row("two values of one filter", CLOUDMAP + "ServiceFilter.html", unknown(
        "list_services", Filters=[{"Name": "NAMESPACE_ID", "Values": ["a", "b"]}]),
        "InvalidInput"),
    Row("a filter that is none", CLOUDMAP + "NamespaceFilter.html", unknown(
        "list_namespaces", Filters=[{"Name": "COLOUR", "Values": ["a"]}]), "InvalidInput"),
    *(Row(f"{action}: {member}", CLOUDMAP + page + ".html",
          unknown(action, **{member: value}), "InvalidInput")
      for action, page in (("list_namespaces", "ListNamespaces"),
                           ("list_services", "ListServices"),
                           ("list_operations", "ListOperations"))
      for member, value in (("MaxResults", 101), ("NextToken", "x"))),
]
