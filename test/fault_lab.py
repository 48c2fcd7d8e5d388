# SPDX-License-Identifier: Apache-2.0
"""Running graphs that tests disturb, and what their reactions look like."""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from faces import make_frame
from live_graph import Peer

from robot_face_gen.nodes.messages import from_face_frame, from_samples, to_ns
from robot_face_gen.tools.bringup import start_bringup
from robot_face_gen_msgs.msg import AudioChunk, FaceFeatures, FaceReaction

REACTION = '/robot_face/reaction'
NODES = ('whisper_node', 'reaction_node')
SOUND_HZ = 16000
CHUNK = 320  # samples, 20 ms
EVEN_MS = 100.0  # longest gap of an even output on a machine that is not busy
# The largest change in a frame of 40 ms that an ordinary face makes: a blink closes the lids in
# two frames, other action units need 0.4 s to their full strength (5); 1 rad/s of the head; the
# eyes turn at 5 rad/s in a small saccade.
NORMAL = {
    'action_units': np.array([0.5] * 16 + [2.5, 0.5]),
    'pose': np.array([0.04, 0.04, 0.04, 0.02]),
    'gaze': np.array([0.2, 0.2]),
}


@dataclass(frozen=True)
class Seen:
    """The reactions of one span of time.

    Attributes:
        rate_hz: reactions published a second.
        gap_ms: longest time between two of them, by their stamps.
        jump: largest change from one to the next, in units of `NORMAL`.
        where: the value that it is of.
        finite: whether every value was finite.
        recovery_s: from the end of the fault until one second of undisturbed output began.
    """

    rate_hz: float
    gap_ms: float
    jump: float
    where: str
    finite: bool
    recovery_s: float = 0.0


class Driver:
    """Publishes a face and a voice in real time; a test changes its attributes while it runs.

    Attributes:
        fps: of the faces; 0: none.
        sound: whether chunks are published.
        change_face: called with each FaceFeatures message, returns those to publish.
        change_sound: the same for AudioChunk messages.
    """

    def __init__(self, peer):
        self.peer = peer
        self.fps, self.sound = 25.0, True
        self.reset()
        self._faces = peer.node.create_publisher(FaceFeatures, '/openface/features', 50)
        self._chunks = peer.node.create_publisher(AudioChunk, '/audio', 50)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._see, self._hear)
        ]
        for thread in self._threads:
            thread.start()

    def reset(self):
        """Undisturbed inputs."""
        self.fps, self.sound = 25.0, True
        self.change_face = self.change_sound = lambda message: [message]

    def _see(self):
        due = time.monotonic()
        while not self._stop.is_set():
            if not self.fps:
                self._stop.wait(0.02)
                due = time.monotonic()
                continue
            due = max(due + 1.0 / self.fps, time.monotonic() - 0.1)
            self._stop.wait(max(0.0, due - time.monotonic()))
            for message in self.change_face(from_face_frame(self.frame(time.time_ns()), 'camera')):
                self._faces.publish(message)

    @staticmethod
    def frame(stamp_ns):
        """A face that turns, smiles and talks slowly, without noise."""
        t = stamp_ns / 1e9
        frame = make_frame(stamp_ns, seed=1)
        smile, turn = 1.5 + 1.5 * np.sin(0.6 * t), 0.2 * np.sin(0.4 * t)
        au = np.zeros(18, np.float32)
        au[[8, 4, 14]] = smile, 0.6 * smile, 1.0 + np.sin(4.0 * t)
        pose = np.array([0.05 * np.sin(0.9 * t), turn, 0.3 * turn, 0.7], np.float32)
        return replace(frame, au=au, pose=pose, gaze=np.array([-turn / 2, 0.0], np.float32))

    def _hear(self):
        rng, first, begin = np.random.default_rng(0), 0, time.monotonic()
        while not self._stop.is_set():
            self._stop.wait(max(0.0, begin + (first + CHUNK) / SOUND_HZ - time.monotonic()))
            talks = int(first / SOUND_HZ) % 4 < 3  # three seconds of sound, one of silence
            samples = rng.normal(0.0, 0.1 if talks else 0.001, CHUNK).astype(np.float32)
            stamp_ns = time.time_ns() - round(CHUNK / SOUND_HZ * 1e9)
            if self.sound:
                for message in self.change_sound(
                    from_samples(stamp_ns, first, samples, SOUND_HZ, 'microphone')
                ):
                    self._chunks.publish(message)
            first += CHUNK

    def close(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()


class Viewer:
    """A page of the robot's screen: receives its faces, and connects again when it has to.

    Args:
        address: returns that of the server; '' if it is not known yet.
    """

    def __init__(self, address):
        self.frames = []  # (monotonic time, action units, pose and gaze (24,))
        self._address, self._stop = address, threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._view()), daemon=True)
        self._thread.start()

    async def _view(self):
        import aiohttp

        async with aiohttp.ClientSession() as session:
            while not self._stop.is_set():
                with contextlib.suppress(aiohttp.ClientError, ValueError, OSError):
                    async with session.ws_connect(f'{self._address()}ws') as connection:
                        while not self._stop.is_set():
                            message = await connection.receive(timeout=1.0)
                            if message.type is aiohttp.WSMsgType.BINARY:
                                face = np.frombuffer(message.data[16:], '<f4')[:24]
                                self.frames.append((time.monotonic(), face))
                            elif message.type is not aiohttp.WSMsgType.TEXT:
                                break
                await asyncio.sleep(0.2)

    def check(self, begin_s):
        """The faces since then: even, finite, without a jump."""
        pairs = [pair for pair in list(self.frames) if pair[0] >= begin_s]
        times, faces = np.array([at for at, _ in pairs]), np.array([face for _, face in pairs])
        assert len(pairs) > 15 * (times[-1] - times[0]), 'the screen stood still'
        assert np.isfinite(faces).all()
        normal = np.concatenate([NORMAL[name] for name in ('action_units', 'pose', 'gaze')])
        steps = np.abs(np.diff(faces, axis=0)) / normal
        steps /= (np.diff(times) / 0.04).clip(1.0, 5.0)[:, None]
        assert steps.max() < 2.0, f'a jump of value {steps.max(axis=0).argmax()}: {steps.max()}'

    def close(self):
        self._stop.set()
        self._thread.join(5.0)


class Lab:
    """A running graph, respawned where nodes end, and a peer that receives its reactions.

    Args:
        folder: for the log.
        arguments: launch arguments.
        drive: whether a `Driver` takes the place of the sensors.
    """

    def __init__(self, folder, *, drive=True, **arguments):
        self.peer = Peer('lab')
        self.peer.listen(FaceReaction, REACTION)
        self.log = folder / 'graph.log'
        # What the machine does to an undisturbed output: the longest gaps of the newest spans.
        self.quiet_ms = deque([EVEN_MS / 1.5], maxlen=8)
        sources = {'openface': 'none', 'audio': 'none'} if drive else {}
        self.graph = start_bringup(
            {**sources, 'use_respawn': 'true', 'device': 'cpu', 'screen': 'false', **arguments},
            log_file=self.log,
        )
        self.driver = Driver(self.peer) if drive else None
        self.settle()
        self.begin_s = time.monotonic()

    def since(self, begin_s):
        return [pair for pair in list(self.peer.heard[REACTION]) if pair[0] >= begin_s]

    @property
    def even_ms(self):
        """Longest gap of an even output, on this machine as busy as it is."""
        return max(EVEN_MS, 1.5 * max(self.quiet_ms))

    @property
    def busy(self):
        """How busy this machine is: 1 where an undisturbed output is even."""
        return self.even_ms / EVEN_MS

    def settle(self):
        """Wait for one second of undisturbed output."""
        end_s = time.monotonic() + 90.0
        while not self.is_steady(time.monotonic() - 1.0):
            assert time.monotonic() < end_s, f'never steady: {self.log_since(0)[-2000:]}'
            found = self.since(time.monotonic() - 3.0)
            if len(found) > 60:  # undisturbed for three seconds: the machine has become busier
                self.quiet_ms.append(self.gap_ms([m for _, m in found]))
            time.sleep(0.05)

    def is_steady(self, begin_s):
        found = [m for at, m in self.since(begin_s) if at < begin_s + 1.0]
        return len(found) >= 22 and self.gap_ms(found) < self.even_ms

    @staticmethod
    def gap_ms(messages):
        stamps = np.array([to_ns(m.header.stamp) for m in messages])
        return float(np.diff(stamps).max() / 1e6) if len(stamps) > 1 else float('inf')

    def reset(self):
        if self.driver is not None:
            self.driver.reset()

    @contextlib.contextmanager
    def fault(self, after_s=1.5):
        """What is done in the block is the fault; yields a list that receives what was `Seen`."""
        self.reset()
        self.settle()
        self.peer.heard[REACTION][:-50] = []
        found, begin_s = [], time.monotonic()
        try:
            yield found
        finally:
            self.reset()
            over_s = time.monotonic()
        deadline_s = over_s + 60.0
        while not (steady_s := self._steady_from(over_s)):
            assert time.monotonic() < deadline_s, 'the output never became steady again'
            time.sleep(0.02)
        time.sleep(max(0.0, over_s + after_s - time.monotonic()))
        quiet = [m for at, m in self.since(steady_s)]
        self.quiet_ms.append(self.gap_ms(quiet))
        found.append(replace(self.measure(begin_s), recovery_s=steady_s - over_s))

    def _steady_from(self, over_s):
        """When the first undisturbed second after `over_s` began; None: not yet."""
        for at, _ in self.since(over_s):
            if at + 1.0 > time.monotonic():
                return None
            if self.is_steady(at):
                return at
        return None

    def measure(self, begin_s):
        """What was published since then; the first gap begins at the message before."""
        count = len(self.since(begin_s))
        pairs = list(self.peer.heard[REACTION])[-count - 1 :]
        messages, span_s = [m for _, m in pairs], time.monotonic() - begin_s
        # This process may lose messages: a step is of one frame, or of the frames it left out.
        frames = np.diff([m.frame for m in messages]).clip(1, 5)[:, None]
        jump, where, finite = 0.0, '', True
        for name, normal in NORMAL.items():
            values = np.array([getattr(m, name) for m in messages])
            finite &= bool(np.isfinite(values).all())
            if len(values) > 1:
                steps = (np.abs(np.diff(values, axis=0)) / frames).max(axis=0) / normal
                if steps.max() > jump:
                    jump, where = float(steps.max()), f'{name}[{steps.argmax()}]'
        return Seen(count / span_s, self.gap_ms(messages), jump, where, finite)

    def pid(self, name, timeout_s=60.0):
        """The process of a node, once it runs."""
        end_s = time.monotonic() + timeout_s
        while (pid := self.graph.processes.get(name)) is None:
            assert time.monotonic() < end_s, f'{name} was never started again'
            time.sleep(0.02)
        return pid

    @contextlib.contextmanager
    def stopped(self, name):
        """SIGSTOP until the end of the block."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def log_since(self, size):
        return self.log.read_text(errors='replace')[size:]

    def close(self):
        if self.driver is not None:
            self.driver.close()
        self.graph.stop()
        self.peer.close()
