"""Who sees to `[privacy]` while the service runs? A task that looks once an hour whether a day is over."""

from __future__ import annotations

import asyncio
from typing import Final

from newsletter.audience.retention import run_when_due
from newsletter.errors import StoreError
from newsletter.web.errors import note
from newsletter.web.service import Service

_LOOK_SECONDS: Final = 3600.0
# After a start there is more urgent work.
_FIRST_SECONDS: Final = 60.0


async def forget_in_time(
    service: Service, first: float = _FIRST_SECONDS, every: float = _LOOK_SECONDS
) -> None:
    """Forget what has been kept long enough, once a day; of several processes one does so."""
    pause = first
    while True:
        await asyncio.sleep(pause)
        pause = every
        try:
            await asyncio.to_thread(run_when_due, service.audience, service.workspace.periods)
        except StoreError as error:
            note({"method": "retention"}, error)
