"""What was asked of the service? One line of JSON a request, on standard output, without addresses or tokens."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TextIO

from newsletter.clock import Clock
from newsletter.web.observe import Answered


class AccessLog:
    """Writes the lines.

    Args:
        sink: where to; a journal or a container's log reads it there.
        clock: tells the time.
    """

    def __init__(self, sink: TextIO, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock

    def __call__(self, answered: Answered) -> None:
        """Write one line. A reader of the log that is gone must not keep anybody from leaving."""
        line = json.dumps(
            {
                "at": self._clock.now().astimezone(UTC).isoformat(timespec="milliseconds"),
                "method": answered.method,
                "route": answered.route,
                "status": answered.status,
                "ms": round(answered.seconds * 1000, 2),
                "bytes": answered.size,
            }
        )
        try:
            self._sink.write(line + "\n")
            self._sink.flush()
        except (OSError, ValueError):
            pass
