"""What Gradio remembers of each visit, and when it is forgotten.

Gradio keeps ten thousand visits, each with a copy of the page's settings for its deep links; ours are closed.
What is used of it here is not documented: where it has changed, nothing is forgotten sooner than Gradio does.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

import gradio as gr

LOG = logging.getLogger(__name__)


class Sessions:
    """The visits of a page."""

    def __init__(self, demo: gr.Blocks) -> None:
        self._demo = demo

    def forget(self, session: str) -> None:
        """Forget a visit as a whole."""
        holder = self._holder()
        if holder is not None:
            holder.session_data.pop(session, None)
            holder.time_last_used.pop(session, None)

    def slim(self, session: str) -> None:
        """Keep of a visit what its visitor has, and not the page's settings."""
        holder = self._holder()
        kept = holder.session_data.get(session) if holder is not None else None
        if kept is not None:
            kept.config_values.clear()

    def forget_unused(self, age_s: float) -> None:
        """Forget the visits in which nobody has asked for anything for so many seconds."""
        holder = self._holder()
        if holder is None:
            return
        oldest = datetime.now() - timedelta(seconds=age_s)  # noqa: DTZ005 - Gradio's are without a zone, too
        for session, used in list(holder.time_last_used.items()):
            if used < oldest:
                self.forget(session)

    def _holder(self) -> Any:
        """Gradio's record of the visits, once the page is launched."""
        holder = getattr(self._demo, "state_holder", None)
        if holder is None or (hasattr(holder, "session_data") and hasattr(holder, "time_last_used")):
            return holder
        LOG.warning("This Gradio keeps visits in another way: they are forgotten when it does.")
        return None
