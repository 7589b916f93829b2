"""How long does the service run, and how does it stop? uvicorn on one address until it is told to end."""

from __future__ import annotations

import uvicorn

from newsletter.app import Workspace
from newsletter.web.app import make_app
from newsletter.web.service import open_service

_GRACE_SECONDS = 10


def serve(workspace: Workspace, host: str, port: int) -> None:
    """Answer requests until SIGINT or SIGTERM; what was begun is finished.

    Raises:
        StoreError: the store can't be opened.
    """
    service = open_service(workspace)
    try:
        config = uvicorn.Config(
            make_app(service),
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        uvicorn.Server(config).run()
    finally:
        service.close()
