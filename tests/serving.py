"""The real server in the test process: a thread, a free loopback port, real sockets."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pollux.server.serving import AppServer, app_server, base_url, bind
from pollux.settings import Settings

START_SECONDS = 10


@contextmanager
def running(settings: Settings, app: Any = None) -> Iterator[str]:
    """Run the server with these settings (and this ASGI app, if it is not Pollux's own) and give its base URL."""
    with running_server(settings, app) as (url, _server):
        yield url


@contextmanager
def running_server(settings: Settings, app: Any = None) -> Iterator[tuple[str, AppServer]]:
    """Run the server as `running` does; give its base URL and the server itself."""
    listener = bind("127.0.0.1", 0)
    url = base_url(listener)
    started = threading.Event()
    server = app_server(settings) if app is None else AppServer(app, settings)
    server.announce = lambda _url: started.set()
    thread = threading.Thread(target=server.run_until_stopped, args=(listener,), daemon=True)
    thread.start()
    try:
        while not started.wait(0.01):
            assert thread.is_alive(), "the server did not start"
        yield url, server
    finally:
        server.stop(grace=False, force=True)
        thread.join(START_SECONDS)
        assert not thread.is_alive(), "the server did not stop"
