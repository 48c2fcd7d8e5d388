# SPDX-License-Identifier: Apache-2.0
"""Cost of the nodes that show and move the face: motors, screen with one page open, view."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from robot_face_gen.demo.screen import screen_address
from robot_face_gen.demo.usage import Usage
from robot_face_gen.extras import require
from robot_face_gen.resources import share_folder

from .graph import AFTER_S, SETTLE_S, TIMEOUT_S, running, wait_for_reactions

NODES = ('face_actuator_node', 'face_screen_node', 'face_view_node')


def measure_outputs(seconds: float, *, inspect: bool = False) -> dict[str, Any]:
    """CPU and memory of the output nodes while the whole graph runs.

    `inspect`: the open page is the inspector, not the face.

    Returns:
        dict: `processes`, each with cpu_percent (100 is one core), pss_mb and rss_mb; their sums;
        `page`, and the messages that it received in a second.
    """
    require('aiohttp', 'screen')
    arguments = {
        'actuators': str(share_folder() / 'config' / 'actuators.yaml'),
        'screen': 'true',
        'screen_port': '0',
        'view': 'true',
        'start_delay': '5.0',
    }
    with running(**arguments) as (recorder, graph):
        assert graph.log_file is not None
        log = graph.log_file
        wait_for_reactions(recorder, graph, NODES)
        graph.wait_until(lambda: screen_address(log), 'the address of the pages', TIMEOUT_S)
        address = f'{screen_address(log)}ws'.replace('http', 'ws', 1)
        address += '?view=inspect' if inspect else ''
        received: list[float] = []
        viewer = threading.Thread(
            target=lambda: asyncio.run(_receive(address, received)), daemon=True
        )
        viewer.start()
        time.sleep(SETTLE_S)
        usage = Usage({name: graph.processes[name] for name in NODES})
        before = len(received)
        usage.watch(seconds)
        messages_hz = (len(received) - before) / seconds
    viewer.join(AFTER_S)
    page = 'inspect' if inspect else 'face'
    return {'page': page, 'messages_hz': messages_hz, **usage.figures()}


async def _receive(address: str, received: list[float]) -> None:
    """What an open page does on the network until its server ends; times of the messages, s."""
    import aiohttp

    async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
        async for _ in socket:
            received.append(time.monotonic())
