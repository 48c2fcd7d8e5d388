# SPDX-License-Identifier: Apache-2.0
"""One open page: its WebSocket, and the queue of what is sent to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter, deque
from collections.abc import Callable

from aiohttp import WSCloseCode, WSMsgType, web

from .wire import MAX_COMMAND_BYTES

QUEUE = 16  # messages: 0.6 s of faces
SEND_TIMEOUT_S = 4.0
HEARTBEAT_S = 5.0  # a viewer that does not answer a ping is disconnected
SEND_BUFFER_BYTES = 32768  # of the socket: bounds how old the messages of a slow viewer get
MAX_COMMANDS_PER_S = 20
CLOSE_S = 0.2  # for the closing handshake


class Viewer:
    """A page's connection. All methods run in the server's event loop.

    It counts 'dropped' messages, 'refused' ones, and 'stuck_viewers'.
    """

    def __init__(self, request: web.Request, counters: Counter[str]) -> None:
        self.inspects = request.query.get('view') == 'inspect'
        self.peer = request.remote or ''
        self.socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_S, max_msg_size=MAX_COMMAND_BYTES, compress=False
        )
        self.waiting: deque[bytes | str] = deque(maxlen=QUEUE)
        self._request, self._counters = request, counters
        self._news = asyncio.Event()
        self._is_open = True
        self._times: deque[float] = deque(maxlen=MAX_COMMANDS_PER_S)

    def queue(self, message: bytes | str) -> None:
        """Send a message as soon as the viewer reads; the oldest one gives way if many wait."""
        if len(self.waiting) == QUEUE:
            self._counters['dropped'] += 1
        self.waiting.append(message)
        self._news.set()

    async def serve(self, take: Callable[[str], None]) -> web.StreamResponse:
        """Send and receive until the viewer leaves or is disconnected; returns aiohttp's response.

        `take` is called with each text that the page sends.
        """
        sender: asyncio.Task[None] | None = None
        response = web.StreamResponse()  # if the viewer leaves at once
        try:
            await self.socket.prepare(self._request)
            response = self.socket
            self._bound_send_buffer()
            sender = asyncio.ensure_future(self._send())
            await self._receive(take)
        except (ConnectionError, asyncio.TimeoutError, RuntimeError):
            pass
        finally:
            self._is_open = False
            if sender is not None:
                # Woken as well: before Python 3.12, wait_for can swallow a cancellation.
                self._news.set()
                sender.cancel()
                await asyncio.wait({sender}, timeout=CLOSE_S)
            await self.close(WSCloseCode.POLICY_VIOLATION)
        return response

    async def close(self, code: int) -> None:
        """Close the connection, without the viewer's agreement after CLOSE_S."""
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self.socket.close(code=code), CLOSE_S)
        self._disconnect()

    def is_flooding(self, now_s: float) -> bool:
        """Count a message of the page; True if there were too many in the last second."""
        full = len(self._times) == MAX_COMMANDS_PER_S
        too_many = full and now_s - self._times[0] < 1.0
        self._times.append(now_s)
        return too_many

    async def _receive(self, take: Callable[[str], None]) -> None:
        async for message in self.socket:
            if message.type is not WSMsgType.TEXT or not self.inspects:
                self._counters['refused'] += 1
                break
            take(message.data)

    async def _send(self) -> None:
        try:
            while self._is_open:
                await self._news.wait()
                self._news.clear()
                while self.waiting:
                    message = self.waiting.popleft()
                    send = (
                        self.socket.send_str(message)
                        if isinstance(message, str)
                        else self.socket.send_bytes(message)
                    )
                    await asyncio.wait_for(send, SEND_TIMEOUT_S)
        except asyncio.TimeoutError:
            self._counters['stuck_viewers'] += 1
            self._disconnect()
        except (ConnectionError, RuntimeError):
            self._disconnect()

    def _disconnect(self) -> None:
        """Cut the connection without the closing handshake, which waits for the viewer."""
        self._is_open = False
        if self._request.transport is not None:
            self._request.transport.abort()

    def _bound_send_buffer(self) -> None:
        transport = self._request.transport
        connection = transport.get_extra_info('socket') if transport is not None else None
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
