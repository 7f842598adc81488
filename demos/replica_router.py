"""Which copy of the page a request goes to. Imported by Ray Serve's own processes alone."""

import pickle
from typing import Any

from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter

from demos.replicas import visit_of


class StickyRouter(ConsistentHashRouter):
    """Ray's router by consistent hashes, which keeps all requests of a visitor together."""

    def _routing_key(self, pending_request: Any) -> str | None:
        """Return who asks; Ray's own router knows a visitor by one header alone, which browsers do not send."""
        packed = next(iter(getattr(pending_request, "args", ())), None)
        if not isinstance(packed, bytes):
            return super()._routing_key(pending_request)
        request = pickle.loads(packed)  # noqa: S301 - packed a moment ago, in this process, by Ray
        return visit_of(request._asgi_scope)  # noqa: SLF001 - Ray has no other way to the headers
