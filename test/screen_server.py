# SPDX-License-Identifier: Apache-2.0
"""For tests of the screen: a server without ROS, and faces to send."""

import contextlib
import threading
import time

import numpy as np
from launching import until

from robot_face_gen.layout import AU
from robot_face_gen.screen.server import ScreenServer
from robot_face_gen.screen.settings import ServerSettings
from robot_face_gen.screen.wire import LISTENER, SPEAKER, pack_face

PATIENCE_S = 120.0


def make_face(**units):
    """A face at rest with action units, such as AU12=3."""
    au = np.zeros(18, np.float32)
    for name, value in units.items():
        au[AU[name]] = value
    return {
        'au': au,
        'pose': np.array([0.0, 0.0, 0.0, 0.6], np.float32),
        'gaze': np.zeros(2, np.float32),
        'landmarks': np.linspace(0.2, 0.8, 136, dtype=np.float32),
    }


class Screen:
    """A running server. What it logs and which commands pages sent is kept."""

    def __init__(self, **settings):
        self.logged, self.commands = [], []
        self.server = ScreenServer(
            ServerSettings(**{'port': 0, **settings}),
            lambda level, text: self.logged.append((level, text)),
            self._take,
        )
        self.server.start()
        self.refusal = ''
        self._face, self._stop = None, threading.Event()
        self._sender = threading.Thread(target=self._send, daemon=True)
        self._sender.start()

    def _take(self, command, answer):
        if self.refusal:
            raise ValueError(self.refusal)
        self.commands.append(command)
        answer(True, 'set')

    @property
    def address(self):
        return until(lambda: self.server.address, PATIENCE_S, 'the address')

    @property
    def port(self):
        return int(self.address.rstrip('/').rpartition(':')[2])

    def show(self, face):
        """Send this face 25 times a second from now on; None: nothing."""
        self._face = face

    def _send(self):
        while not self._stop.wait(0.04):
            if (face := self._face) is not None:
                self.send(face)

    def send(self, face):
        now_s = time.monotonic()
        self.server.send_face(
            pack_face(LISTENER, face, now_s, flag=True),
            lambda: pack_face(LISTENER, face, now_s, flag=True, landmarks=True),
        )

    def send_speaker(self, face, **options):
        self.server.send_inspectors(
            pack_face(SPEAKER, face, time.monotonic(), landmarks=True, **options)
        )

    def close(self):
        self._stop.set()
        self._sender.join()
        self.server.stop()


@contextlib.contextmanager
def screen(**settings):
    made = Screen(**settings)
    try:
        yield made
    finally:
        made.close()
