"""Which copy of the page a request goes to. Imported by Ray Serve's own processes alone."""

from typing import Any

from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter

from demos.replicas import visit_of


class StickyRouter(ConsistentHashRouter):
    """Ray's router by consistent hashes, which keeps all requests of a visitor together."""

    def _routing_key(self, pending_request: Any) -> str | None:
        """Return who asks; Ray's own router knows a visitor by one header alone, which browsers do not send."""
        scope = getattr(next(iter(getattr(pending_request, "args", ())), None), "_asgi_scope", None)
        return visit_of(scope) if scope else super()._routing_key(pending_request)
