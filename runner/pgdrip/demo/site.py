"""``pgdrip serve`` inside the demo: the links of its messages lead here, on the virtual clock."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from pgdrip.demo.clock import VirtualClock
from pgdrip.web.app import make_app
from pgdrip.web.webhooks import Webhooks


@contextmanager
def serving(url: str, clock: VirtualClock, listener: socket.socket) -> Iterator[None]:
    """Serve pages and webhooks on a socket that is bound already, in a thread of its own."""
    app = make_app(url, on_checkout=clock.set_on, webhooks=lambda pool: Webhooks(pool).receive)
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="pages", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=30)


def bound() -> tuple[socket.socket, str]:
    """A socket on a free port, and the address that leads to it."""
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"
