"""One AWS call: from the request, by a behaviour or by moto, to the answer. Under one lock."""

from __future__ import annotations

import dataclasses
import functools
import io
import os
import sys
import traceback
from typing import Any

os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
os.environ.setdefault("MOTO_ACM_VALIDATION_WAIT", "0")
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "false"  # `iam` does, when one is named

import moto.core.responses  # noqa: E402
from moto.moto_server.werkzeug_app import (  # noqa: E402  (moto reads the settings on import)
    DomainDispatcherApplication, create_backend_app)

from . import quick, validate, wire  # noqa: E402
from .authorize import authorize  # noqa: E402
from .errors import AwsError  # noqa: E402
from .identity import keys_of  # noqa: E402
from .newborn import Newborns  # noqa: E402
from .registry import Call, Raw, service_find  # noqa: E402
from .tagging import Index  # noqa: E402
from .world import ACCOUNT, World  # noqa: E402

READS = ("Describe", "List", "Get", "BatchGet", "BatchCheck", "Simulate")
NEITHER = {"AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity"}


METHOD_NAMES = functools.lru_cache(None)(moto.core.responses.method_names_from_class)


def is_write(action: str) -> bool:
    return not action.startswith(READS) and action not in NEITHER


class Dispatcher:
    """Carries calls out, one at a time: the caller holds the lock (moto is not thread safe)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.moto = DomainDispatcherApplication(create_backend_app)
        # moto looks these up anew, in the file system and by introspection, for each request.
        self.moto.get_backend_for_host = functools.lru_cache(None)(  # type: ignore[method-assign]
            self.moto.get_backend_for_host)
        moto.core.responses.method_names_from_class = METHOD_NAMES
        quick.install()

    def carry_out(self, request: wire.Request, request_id: str) -> Raw:
        """The answer to a request that `request_read` has understood."""
        self.world.clock.run_due()
        try:
            return self._answer(request, request_id)
        except AwsError as error:
            return Raw(*wire.error_write(request, error, request_id))
        except NotImplementedError:
            error = AwsError("UnknownOperationException" if wire.protocol_of(request) == "json"
                             else "InvalidAction", f"The action {request.action} is not valid for "
                             "this endpoint: neither moto nor a behaviour knows it.", 400)
            return Raw(*wire.error_write(request, error, request_id))
        except Exception:  # a mistake of this endpoint: shown, and answered as AWS's own would be
            traceback.print_exc(file=sys.stderr)
            error = AwsError("InternalFailure", "the test endpoint failed: see its stderr", 500)
            return Raw(*wire.error_write(request, error, request_id))

    def _answer(self, request: wire.Request, request_id: str) -> Raw:
        service = service_find(request.service)
        function = service.functions.get(request.action) if service else None
        key = keys_of(self.world).find(request.access_key)
        call = Call(self.world, request.service, request.action, request.input or {},
                    request.region, ACCOUNT, key.arn if key else "",
                    request.access_key, lambda: self.forward(request, request_id))
        if function is None and service and service.exclusive:
            raise NotImplementedError
        invalid = service.invalid if service else "ValidationError"
        validate.input_check(wire.model_load(request.service), invalid, request)
        call.input = request.input or {}
        authorize(call)
        newborns: Newborns = call.store(Newborns)
        newborns.refuse(call)
        if is_write(request.action):
            call.store(Index).note_before(request.service, request.action)
        output = function(call) if function else call.forward()
        output = newborns.answer(call, {} if output is None else output) \
            if not isinstance(output, Raw) else self._forwarded(call, newborns, output)
        if is_write(request.action):
            call.store(Index).note()
        if isinstance(output, Raw):
            return output
        return Raw(*wire.result_write(request, output or {}, request_id))

    @staticmethod
    def _forwarded(call: Call, newborns: Newborns, raw: Raw) -> Raw:
        if raw.status < 300:
            newborns.answer(call, {})
        return raw

    def _small_pages(self, request: wire.Request) -> wire.Request:
        """The request with the world's page size, where moto makes the pages."""
        size, given = self.world.page_size, request.input or {}
        if size is None or not request.action.startswith(("List", "Describe")):
            return request
        body = request.body
        if request.service == "iam" and given.get("MaxItems", size + 1) > size:
            body = b"&".join(p for p in body.split(b"&") if not p.startswith(b"MaxItems="))
            body += b"&MaxItems=%d" % size
        return dataclasses.replace(request, body=body)

    def forward(self, request: wire.Request, request_id: str) -> Raw:
        """Have moto carry the request out, in process."""
        path, _, query = request.target.partition("?")
        request = self._small_pages(request)
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method, "SCRIPT_NAME": "", "PATH_INFO": path,
            "RAW_URI": request.target, "QUERY_STRING": query, "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(request.body),
            "wsgi.errors": sys.stderr, "wsgi.multithread": False, "wsgi.multiprocess": False,
            "wsgi.run_once": False, "CONTENT_LENGTH": str(len(request.body)),
            "CONTENT_TYPE": request.headers.get("content-type", ""),
        }
        for name, value in request.headers.items():
            if name not in ("content-type", "content-length", "user-agent"):
                environ["HTTP_" + name.upper().replace("-", "_")] = value
        answer: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            answer["status"], answer["headers"] = int(status.split()[0]), headers

        body = b"".join(self.moto(environ, start_response))
        kind = next((v for k, v in answer["headers"] if k.lower() == "content-type"), "")
        if answer["status"] in (404, 405, 500, 501) and kind.startswith("text/html"):
            raise NotImplementedError
        if wire.protocol_of(request) == "json":
            version = wire.model_load(request.service).metadata.get("jsonVersion", "1.1")
            kind = f"application/x-amz-json-{version}"
        elif kind.startswith("text/html"):
            kind = "text/xml;charset=UTF-8"
        body = body.replace(b"<requestId>request-id</requestId>",
                            f"<requestId>{request_id}</requestId>".encode())
        return Raw(answer["status"], [("Content-Type", kind)], body)
