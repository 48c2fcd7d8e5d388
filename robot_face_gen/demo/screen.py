# SPDX-License-Identifier: Apache-2.0
"""The face in a web browser while a demo runs."""

from __future__ import annotations

import re
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from robot_face_gen.extras import require
from robot_face_gen.tools.bringup import BringupProcess, start_bringup

START_S = 120.0  # a small computer with cold caches needs a minute
_ADDRESS = re.compile(r'face_screen_node\]: face on (http\S+)')


def screen_arguments(wanted: str = 'auto') -> dict[str, str]:
    """Launch arguments of the screen: its usual port, or any other if that is in use."""
    from robot_face_gen.nodes.inspection_tables import SCREEN  # not without ROS

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((str(SCREEN['host'].default), int(SCREEN['port'].default)))
        except OSError:
            return {'screen': wanted, 'screen_port': '0'}
    return {'screen': wanted}


def screen_address(log: Path) -> str:
    """The address of the screen, from the log of its node; '' as long as it has none."""
    found = _ADDRESS.search(log.read_text(encoding='utf-8', errors='replace'))
    return found[1] if found else ''


def view(given: Mapping[str, str], log: Path) -> int:
    """Repeat a recording with the screen until Ctrl-C; returns the exit code.

    The arguments are the launch arguments of the demo, and the file for the output of the nodes.
    """
    require('aiohttp', 'screen')
    print(f'starting the nodes (their output: {log})', flush=True)
    graph: BringupProcess = start_bringup(
        {**given, **screen_arguments('true'), 'loop': 'true'}, log_file=log
    )
    try:
        graph.wait_until(lambda: screen_address(log), 'the address of the screen', START_S)
        address = screen_address(log)
        print(f'the face: {address}   inspection: {address}inspect   end: Ctrl-C', flush=True)
        while True:
            graph.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    finally:
        # A second Ctrl-C must not leave the graph behind.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        graph.stop()
        signal.signal(signal.SIGINT, before)
