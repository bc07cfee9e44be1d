"""Requests into (service, action, input) and answers into bytes, by botocore's service models.

Protocols: https://smithy.io/2.0/aws/protocols/ (awsJson1_0, awsJson1_1, awsQuery, ec2Query,
restXml). moto's own parsers read the XML ones.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

import botocore.loaders
from moto.core.model import ServiceModel
from moto.core.parse import EC2QueryParser, QueryParser, RequestParserError, RestXMLParser

from .errors import AwsError
from .registry import MODEL_NAMES, MODULES
from .xmlanswer import answer_write
from .xmlbody import body_check

SCOPE = re.compile(r"([^/\s]*)/[^/]*/([^/]+)/([^/]+)/")
UNSIGNED = {"AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"}


@dataclass
class Request:
    """An HTTP request, and what it asks of AWS once `request_read` has looked at it."""

    method: str
    target: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    access_key: str = ""
    region: str = "us-east-1"
    service: str = ""
    action: str = ""
    input: dict[str, Any] | None = None

    @functools.cached_property
    def path(self) -> str:
        return urlsplit(self.target).path

    @functools.cached_property
    def authorization(self) -> dict[str, str]:
        """The Authorization header's parameters."""
        rest = self.headers.get("authorization", "").partition(" ")[2]
        return {name: value for name, _, value in
                (part.strip().partition("=") for part in rest.split(","))}

    @functools.cached_property
    def form(self) -> dict[str, str]:
        text = urlsplit(self.target).query
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            text = text + "&" + self.body.decode("utf-8", "replace") if text else \
                self.body.decode("utf-8", "replace")
        return dict(parse_qsl(text, keep_blank_values=True))


@functools.lru_cache(None)
def model_load(service: str) -> ServiceModel:
    """The model of a service by its signing name; AwsError if AWS has no such service."""
    name = MODEL_NAMES.get(service, service)
    loader = _loader()
    if name not in loader.list_available_services("service-2"):
        raise AwsError("UnknownEndpoint", f"no service signs as '{service}'", 404)
    return ServiceModel(loader.load_service_model(name, "service-2"), name)


def model_read(name: str, kind: str) -> dict[str, Any]:
    """A file of botocore's data, read once: moto asks for the same ones."""
    return dict(_loader().load_service_model(name, kind))


def data_read(name: str) -> dict[str, Any]:
    """A file of botocore's data that is no service's."""
    return dict(_loader().load_data(name))


@functools.lru_cache(None)
def _loader() -> botocore.loaders.Loader:
    return botocore.loaders.Loader()


def protocol_of(request: Request) -> str:
    """The protocol that the answer is to have."""
    if "x-amz-target" in request.headers:
        return "json"
    try:
        model = model_load(request.service)
    except AwsError:
        return "query"
    protocols = model.metadata.get("protocols", [model.protocol])
    if model.protocol != "query" and "query" in protocols and "Action" in request.form:
        return "query"
    return str(model.protocol)


def service_read(request: Request) -> bool:
    """Fill in which service is asked, and by which key; whether the request is signed at all.

    Raises AwsError if AWS has no such service.
    """
    scope = SCOPE.match(request.authorization.get("Credential", ""))
    if scope:
        request.access_key, request.region, request.service = scope.groups()
        request.service = request.service.lower()
        model_load(request.service)
        return True
    request.service = _service_guess(request)
    return "authorization" in request.headers


def may_be_unsigned(request: Request) -> bool:
    return request.service == "sts" and request.form.get("Action") in UNSIGNED


def _service_guess(request: Request) -> str:
    """The service of a request without a scope: by its target or by its action."""
    prefix = request.headers.get("x-amz-target", "").rpartition(".")[0]
    form = request.form
    for service in MODULES:
        model = model_load(service)
        if prefix and model.metadata.get("targetPrefix") == prefix:
            return service
        if not prefix and form.get("Version") == model.api_version \
                and form.get("Action") in model.operation_names:
            return service
    return ""


def request_read(request: Request) -> None:
    """Fill in what the request asks. Raises AwsError as AWS's front end does."""
    model = model_load(request.service)
    protocol = protocol_of(request)
    if protocol == "json":
        _read_json(request, model)
    elif protocol in ("query", "ec2"):
        _read_query(request, model, protocol)
    else:
        _read_rest(request, model)


def _read_json(request: Request, model: ServiceModel) -> None:
    prefix, _, action = request.headers.get("x-amz-target", "").rpartition(".")
    if prefix != model.metadata.get("targetPrefix") or action not in model.operation_names:
        raise AwsError("UnknownOperationException", "", 400)
    request.action = action
    try:
        request.input = json.loads(request.body or b"{}")
    except ValueError:
        request.input = None
    if not isinstance(request.input, dict):
        raise AwsError("SerializationException", "Start of structure or map found where not "
                       "expected.", 400)


def _read_query(request: Request, model: ServiceModel, protocol: str) -> None:
    form = request.form
    request.action = form.get("Action", "")
    if not request.action:
        raise AwsError("MissingAction", "The request must contain the parameter Action", 400)
    if form.get("Version") != model.api_version or request.action not in model.operation_names:
        raise AwsError("InvalidAction", f"The action {request.action} is not valid for this web "
                       "service.", 400)
    operation = model.operation_model(request.action)
    parser = EC2QueryParser if protocol == "ec2" else QueryParser
    try:
        request.input = parser(operation).parse({"values": _Form(form)})  # type: ignore[arg-type]
    except (ValueError, TypeError):
        request.input = None  # the check of inputs says why


class _Form(dict):  # type: ignore[type-arg]
    """A form as moto's parsers want it: one value for each name."""

    def getlist(self, name: str) -> list[str]:
        return [self[name]] if name in self else []


def _read_rest(request: Request, model: ServiceModel) -> None:
    for method, pattern, query, action in _routes(request.service):
        found = pattern.fullmatch(request.path)
        given = urlsplit(request.target).query
        if method == request.method and found and (not query or query in given):
            request.action = action
            labels = {name: unquote(value) for name, value in found.groupdict().items()}
            request.input = labels
            if model.protocol == "rest-xml" and request.service == "route53":
                request.input = _rest_input(request, model.operation_model(action), labels)
            return
    raise AwsError("UnknownOperationException", "", 404)


def _rest_input(request: Request, operation: Any, labels: dict[str, str]) -> dict[str, Any]:
    """Members from the path, the query and the body, each of its type."""
    query = dict(parse_qsl(urlsplit(request.target).query, keep_blank_values=True))
    body_check(operation, request.body)
    try:
        return dict(RestXMLParser(operation).parse({  # type: ignore[arg-type]
            "values": _Form(query), "url_params": labels, "headers": request.headers,
            "body": request.body}))
    except (RequestParserError, ValueError, TypeError) as error:
        raise AwsError("InvalidInput", f"Invalid XML ; {error}") from None


@functools.lru_cache(None)
def _routes(service: str) -> list[tuple[str, re.Pattern[str], str, str]]:
    """A REST service's actions, the most particular paths first."""
    model = model_load(service)
    routes = []
    for action in model.operation_names:
        http = model.operation_model(action).http
        path, _, query = http["requestUri"].partition("?")
        pattern = re.sub(r"\{(\w+)\+?\}", r"(?P<\1>[^/]+)", path.rstrip("/")) + "/?"
        routes.append((http["method"], re.compile(pattern), query, action))
    return sorted(routes, key=lambda route: (route[1].pattern.count("(?P"), -len(route[2])))


def result_write(request: Request, output: dict[str, Any], request_id: str,
                 ) -> tuple[int, list[tuple[str, str]], bytes]:
    """An answer in the service's wire format."""
    model = model_load(request.service)
    protocol = protocol_of(request)
    if protocol == "json":
        version = model.metadata.get("jsonVersion", "1.1")
        return 200, [("Content-Type", f"application/x-amz-json-{version}")], json.dumps(
            output).encode()
    body = answer_write(model.operation_model(request.action), protocol, output, request_id)
    return 200, [("Content-Type", "text/xml;charset=UTF-8")], body.encode()


def error_write(request: Request, error: AwsError, request_id: str,
                ) -> tuple[int, list[tuple[str, str]], bytes]:
    """An error answer in the service's wire format."""
    protocol = protocol_of(request)
    if protocol == "json":
        return _error_json(request, error)
    code, message = escape(error.code), escape(error.message)
    if protocol == "ec2":
        text = (f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error>"
                f"</Errors><RequestID>{request_id}</RequestID></Response>")
    else:
        kind = "Sender" if error.status < 500 else "Receiver"
        text = (f"<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}"
                f"</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>")
    body = '<?xml version="1.0" encoding="UTF-8"?>\n' + text
    return error.status, [("Content-Type", "text/xml;charset=UTF-8")], body.encode()


def _error_json(request: Request, error: AwsError) -> tuple[int, list[tuple[str, str]], bytes]:
    version, code, metadata = "1.1", error.code, {}
    try:
        metadata = model_load(request.service).metadata
        version = metadata.get("jsonVersion", "1.1")
        if version == "1.0":
            code = f"{metadata['targetPrefix']}#{code}"
    except AwsError:
        pass
    body: dict[str, Any] = {"__type": code, **error.members}
    if error.message:
        body["message"] = error.message
    headers = [("Content-Type", f"application/x-amz-json-{version}")]
    if "awsQueryCompatible" in metadata:  # the code of the time when it spoke query
        sender = "Sender" if error.status < 500 else "Receiver"
        headers.append(("x-amzn-query-error", f"{error.code};{sender}"))
    return error.status, headers, json.dumps(body).encode()
