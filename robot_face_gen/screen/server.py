# SPDX-License-Identifier: Apache-2.0
"""The web server of the robot's screen: pages, and a WebSocket for each viewer.

It runs in a thread of its own. `send_face` and `send_text` may be called from any thread; they
never wait for a viewer: each viewer has a short queue that drops its oldest messages, and one that
does not read for SEND_TIMEOUT_S is disconnected.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, web
from aiohttp.http_exceptions import HttpProcessingError

from .access import (
    content_security_policy,
    is_allowed_host,
    is_same_origin,
    may_control,
    own_names,
)
from .settings import ServerSettings
from .viewer import MAX_COMMANDS_PER_S, Viewer
from .wire import MAX_COMMAND_BYTES, Command, pack, read_command

PAGES = {'/': 'face.html', '/inspect': 'inspect.html'}
STATIC = Path(__file__).with_name('static')
RETRY_S = 2.0  # between attempts to open a port that is in use
STOP_S = 3.0
KEEPALIVE_S = 15.0  # of an idle HTTP connection
_HANDSHAKE = ('connection', 'sec-websocket', 'upgrade')  # beginnings of the names of headers


class ScreenServer:
    """Serves the pages.

    Args:
        settings: where and for whom.
        log: called with (level, text) from the server's thread; level is 'info' or 'error'.
        on_command: a page's command, with a function that answers it (ok, text); called in the
            server's thread, must not block.
    """

    def __init__(
        self,
        settings: ServerSettings,
        log: Callable[[str, str], None],
        on_command: Callable[[Command, Callable[[bool, str], None]], None],
    ) -> None:
        self._settings, self._log, self._on_command = settings, log, on_command
        self._names = own_names((*settings.allowed_hosts, settings.host))
        self._viewers: set[Viewer] = set()
        self._counters: Counter[str] = Counter()
        # Newest text of each type for new pages, and whether it is for all or for /inspect.
        self._remembered: dict[str, tuple[str, bool]] = {}
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name='screen', daemon=True)
        self.trouble = ''  # why the port is not open
        self.address = ''  # 'http://127.0.0.1:8090/' once it is

    def start(self, *tasks: Callable[[], Awaitable[None]]) -> None:
        """Start to listen; `tasks` run in the server's event loop until it stops."""
        self._tasks = tasks
        self._thread.start()

    def stop(self) -> None:
        """Disconnect all viewers and end the thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread.ident is not None:
            self._thread.join(STOP_S)

    @property
    def viewers(self) -> int:
        """Pages that are open."""
        return len(self._viewers)

    @property
    def inspectors(self) -> int:
        """Pages of `/inspect` that are open."""
        return sum(viewer.inspects for viewer in tuple(self._viewers))

    @property
    def counters(self) -> Counter[str]:
        """Messages dropped, requests refused, viewers disconnected."""
        return Counter(self._counters)

    def send_face(self, short: bytes, long: Callable[[], bytes]) -> None:
        """Send a face to all pages: `short` (without landmarks) to the face page.

        `long` makes the message with landmarks; it is called if `/inspect` is open.
        """
        if self._viewers:
            full = long() if self.inspectors else short
            self._call(lambda: self._deliver(short, full))

    def send_text(
        self, kind: str, *, remember: bool = False, to_all: bool = False, **values: Any
    ) -> None:
        """Send a JSON message of this type to the pages of `/inspect`.

        `remember`: to later pages too. `to_all`: to the face page too.
        """
        message = pack(kind, **values)
        self._call(lambda: self._deliver_text(kind, message, remember, to_all))

    def send_inspectors(self, message: bytes) -> None:
        """Send a binary message to the pages of `/inspect`."""
        self._call(lambda: self._deliver(None, message))

    def _call(self, function: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(function)

    def _deliver(self, short: bytes | str | None, full: bytes | str) -> None:
        for viewer in self._viewers:
            message = full if viewer.inspects else short
            if message is not None:
                viewer.queue(message)

    def _deliver_text(self, kind: str, message: str, remember: bool, to_all: bool) -> None:
        if remember:
            self._remembered[kind] = message, to_all
        self._deliver(message if to_all else None, message)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except Exception as error:  # the node goes on and reports it
            self.trouble = f'the web server has ended: {type(error).__name__}: {error}'
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        app = web.Application(middlewares=[self._guard], client_max_size=MAX_COMMAND_BYTES)
        for path in PAGES:
            app.router.add_get(path, self._page)
        app.router.add_get('/ws', self._socket)
        app.router.add_get('/favicon.ico', self._icon)
        app.router.add_static('/static/', STATIC)
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=self._request_log(),
            handle_signals=False,
            keepalive_timeout=KEEPALIVE_S,
        )
        await runner.setup()
        tasks = [asyncio.ensure_future(task()) for task in self._tasks]
        try:
            if await self._listen(runner):
                await self._stopping.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for viewer in tuple(self._viewers):
                await viewer.close(WSCloseCode.GOING_AWAY)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(runner.cleanup(), STOP_S / 2)

    def _request_log(self) -> logging.Logger:
        """Counts requests that are no HTTP; logs other errors of a request in one line.

        aiohttp would write a traceback for each.
        """
        server = self

        class Lines(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                error = record.exc_info[1] if record.exc_info else None
                if isinstance(error, HttpProcessingError):
                    server._counters['refused'] += 1
                elif record.levelno >= logging.ERROR:
                    text = f'{record.getMessage()}: {error!r}' if error else record.getMessage()
                    server._log('error', ' '.join(text.split()))

        log = logging.Logger('screen')  # not in the tree of loggers: nothing else hears it
        log.addHandler(Lines())
        return log

    async def _listen(self, runner: web.AppRunner) -> bool:
        """Open the port, and try again while that fails; False if stopped before."""
        where = f'{self._settings.host}:{self._settings.port}'
        while not self._stopping.is_set():
            site = web.TCPSite(
                runner, self._settings.host, self._settings.port, reuse_address=True
            )
            try:
                await site.start()
            except OSError as error:
                await site.stop() if site in runner.sites else None
                self.trouble = (
                    f'cannot listen on {where}: {error.strerror or error}; trying again every '
                    f'{RETRY_S:g} s'
                )
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), RETRY_S)
                continue
            self.trouble = ''
            port = runner.addresses[0][1]
            self.address = f'http://{_shown_host(self._settings.host)}:{port}/'
            self._log('info', f'face on {self.address} (inspection: {self.address}inspect)')
            return True
        return False

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        host = request.headers.get('Host')
        if not is_allowed_host(host, self._names):
            self._counters['refused'] += 1
            raise web.HTTPForbidden(
                text='This server does not answer to that host name (parameter allowed_hosts).\n'
            )
        response = await handler(request)
        if not response.prepared:
            response.headers.update(
                {
                    'Content-Security-Policy': content_security_policy(str(host)),
                    'X-Content-Type-Options': 'nosniff',
                    'Referrer-Policy': 'no-referrer',
                    'Cache-Control': 'no-cache',
                }
            )
        return response

    async def _page(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(STATIC / PAGES[request.path])

    async def _icon(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(STATIC / 'icon.svg')

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if not is_same_origin(request.headers.get('Origin'), request.headers.get('Host')):
            self._counters['refused'] += 1
            raise web.HTTPForbidden(text='WebSockets are for pages of this server.\n')
        for name, value in request.headers.items():
            # Of other characters, aiohttp's errors about these headers fail themselves.
            if name.lower().startswith(_HANDSHAKE) and not value.isascii():
                self._counters['refused'] += 1
                raise web.HTTPBadRequest(text='Headers of a WebSocket: expected ASCII.\n')
        if len(self._viewers) >= self._settings.max_viewers:
            self._counters['refused'] += 1
            raise web.HTTPServiceUnavailable(
                text=f'{self._settings.max_viewers} viewers are connected (max_viewers).\n'
            )
        viewer = Viewer(request, self._counters)
        controls = may_control(self._settings.control, viewer.peer)
        viewer.queue(
            pack(
                'hello', skin=self._settings.skin, colour=self._settings.colour, controls=controls
            )
        )
        for message, to_all in self._remembered.values():
            if to_all or viewer.inspects:
                viewer.queue(message)
        self._viewers.add(viewer)  # before any await: the limit holds
        try:
            return await viewer.serve(lambda text: self._take(viewer, text, controls))
        finally:
            self._viewers.discard(viewer)

    def _take(self, viewer: Viewer, text: str, controls: bool) -> None:
        """Check a page's message and pass it on; each one is answered."""
        command = Command('', '', '', False)

        def answer(ok: bool, reason: str) -> None:
            reply = pack('result', ok=ok, text=reason, node=command.node, name=command.name)
            self._call(lambda: viewer.queue(reply))

        try:
            if viewer.is_flooding(self._loop.time()):
                raise ValueError(f'more than {MAX_COMMANDS_PER_S} messages a second')
            command = read_command(text)
            if not controls:
                raise ValueError(f'parameter control = {self._settings.control}: not from here')
            self._on_command(command, answer)
        except ValueError as error:
            self._counters['refused'] += 1
            answer(False, str(error))


def _shown_host(host: str) -> str:
    """A host as in an address: one that a viewer on this machine can open."""
    if host in ('', '0.0.0.0', '::'):
        return 'localhost'
    return f'[{host}]' if ':' in host else host
