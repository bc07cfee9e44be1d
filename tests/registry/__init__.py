"""The registry that images are pushed to in tests and in the demo, as Amazon ECR's.

`serve --endpoint URL` prints two lines when it is ready, and runs until SIGTERM:

    127.0.0.1:43211            the registry, which the endpoint's repositoryUri then begin with
    /tmp/registry-x/certs      a directory with the certificate of its authority, "ca.crt": what
                               the host config's "registry": {"certificates": ...} names

Debian's docker-registry keeps layers and manifests, on a Unix socket. In front of it `front` speaks
TLS, with a certificate of an authority made for the occasion (`certificates`), and has ECR's ways:
basic authentication with a token of GetAuthorizationToken, repositories that must be there, tags
that may be immutable, an action of the API for each request. All that is the endpoint's to decide
(tests/aws/ecr/login.py), which so knows every image pushed by its own digest.

`Registry` starts it for a test, and stops it. `public` is another one, with an image that anybody may
read.
"""

from .public import Public, public
from .starter import Registry

__all__ = ["Public", "Registry", "public"]
