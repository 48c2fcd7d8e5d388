# SPDX-License-Identifier: Apache-2.0
"""For tests over real DDS: nodes as processes of their own, and a peer inside the test."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from faces import make_frame
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from robot_face_gen.nodes.messages import from_embeddings, from_face_frame

PATIENCE_S = 120.0  # a condition that has not come true by then never will, even on a busy machine


ENCODER = 'whisper-test:0123'  # of `small_checkpoint`
AUDIO_DIM = 8  # of `speakers.TINY`


def small_checkpoint(folder):
    """A small untrained model that reacts to embeddings of `ENCODER`."""
    from speakers import TINY

    from robot_face_gen.facial_reaction_model import (
        CheckpointInfo,
        FacialReactionModel,
        save_checkpoint,
    )

    info = CheckpointInfo(trained_on='nothing, for a test', audio_encoder=ENCODER)
    save_checkpoint(FacialReactionModel(TINY, info), folder / 'small.safetensors')
    return folder / 'small.safetensors'


def show(speakers, count, *, encoder=ENCODER, behind_s=0):
    """Publish `count` frames, and their sound, in real time; the stamps of the frames.

    Args:
        speakers: for each its publishers, (face, voice); voice may be None.
        count: number of frames.
        encoder: of the sound.
        behind_s: how far the stamps are behind the clock.
    """
    behind_ns = behind_s * 1_000_000_000
    begin_ns = time.time_ns() - behind_ns
    stamps = [begin_ns + index * 40_000_000 for index in range(count)]
    for index, stamp_ns in enumerate(stamps):
        time.sleep(max(0.0, (stamp_ns + behind_ns - time.time_ns()) / 1e9))  # as a camera
        for seed, (face, voice) in enumerate(speakers):
            frame = make_frame(stamp_ns, seed=index + 100 * seed)
            face.publish(from_face_frame(frame, 'camera'))
            if voice is not None:
                data = np.full((2, AUDIO_DIM), 0.1 * index + seed, np.float32)
                voice.publish(from_embeddings(stamp_ns - 50_000_000, data, 50.0, encoder, 'mic'))
    return stamps


def ros_arguments(parameters):
    """The part of a node's command line that sets parameters."""
    words = [word for item in parameters.items() for word in ('-p', '{}:={}'.format(*item))]
    return ['--ros-args', *words]


class NodeProcess:
    """One of our nodes, running; its output goes to a file."""

    def __init__(self, name, folder, **parameters):
        self.name = name
        self.log = folder / f'{name}.log'
        words = ros_arguments(parameters)
        command = [sys.executable, '-m', 'robot_face_gen.nodes', name, *words]
        with self.log.open('w') as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, 'PYTHONUNBUFFERED': '1'},
                start_new_session=True,
            )

    @property
    def text(self):
        return self.log.read_text(errors='replace')

    def wait(self, timeout_s=PATIENCE_S):
        return self.process.wait(timeout_s)

    def interrupt(self):
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Peer:
    """A node in this process, spun by a thread; what it hears is kept."""

    def __init__(self, name='test_peer'):
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = Node(name, context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._news = threading.Condition()
        self._clients = {}
        self.heard = defaultdict(list)  # topic: [(monotonic time, message)]
        self.statuses = {}
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 50)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self):
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()

    def _on_diagnostics(self, message):
        with self._news:
            self.statuses.update((status.name, status) for status in message.status)
            self._news.notify_all()

    def listen(self, kind, topic):
        def receive(message):
            with self._news:
                self.heard[topic].append((time.monotonic(), message))
                self._news.notify_all()

        self.node.create_subscription(
            kind, topic, receive, QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)
        )

    def publisher(self, kind, topic, node_name, depth=50):
        """A publisher that a node hears for certain: it has counted an empty, bad message of it.

        A match that we see is not enough: the other side may see it later.
        """
        publisher = self.node.create_publisher(kind, topic, depth)

        def counted():
            values = self.values(node_name)
            return sum(int(values.get(key, 0)) for key in ('invalid', 'foreign_embeddings'))

        self.wait_for(lambda: node_name in self.statuses, f'the status of {node_name}')
        before, tries = counted(), 10
        while counted() == before:
            assert (tries := tries - 1), f'{topic} is not heard by {node_name}'
            publisher.publish(kind())
            with contextlib.suppress(AssertionError):
                self.wait_for(lambda: counted() > before, 'the next status', 2.0)
        return publisher

    def wait_for(self, condition, what, timeout_s=PATIENCE_S):
        """The condition's first true value; fails loudly after a while."""
        end = time.monotonic() + timeout_s
        with self._news:
            while not (value := condition()):
                left = end - time.monotonic()
                assert left > 0.0, f'never came: {what}'
                self._news.wait(min(left, 0.05))
        return value

    def destroy(self, *entities):
        """Destroy publishers, subscriptions, services or clients.

        In the thread that spins: rclpy fails there if they go while it waits for them.
        """

        def destroy():
            for entity in entities:
                for kind in ('publisher', 'subscription', 'service', 'client'):
                    getattr(self.node, f'destroy_{kind}')(entity)

        self.wait_for(self._executor.create_task(destroy).done, 'the end of a publisher')

    def count(self, topic):
        return len(self.heard[topic])

    def values(self, node_name):
        """Keys and values of a node's last status; empty before the first."""
        status = self.statuses.get(node_name)
        return {} if status is None else {item.key: item.value for item in status.values}

    def set_parameter(self, node_name, name, value):
        """As `ros2 param set` does it: (successful, reason)."""
        if node_name not in self._clients:
            client = self.node.create_client(SetParameters, f'/{node_name}/set_parameters')
            assert client.wait_for_service(timeout_sec=PATIENCE_S)
            self._clients[node_name] = client
        kinds = {
            float: (ParameterType.PARAMETER_DOUBLE, 'double_value'),
            int: (ParameterType.PARAMETER_INTEGER, 'integer_value'),
            str: (ParameterType.PARAMETER_STRING, 'string_value'),
        }
        kind, field = kinds[type(value)]
        parameter = Parameter(name=name, value=ParameterValue(type=kind, **{field: value}))
        future = self._clients[node_name].call_async(SetParameters.Request(parameters=[parameter]))
        self.wait_for(future.done, f'an answer of {node_name}')
        result = future.result().results[0]
        return result.successful, result.reason

    def close(self):
        self.context.try_shutdown()
        self._thread.join(10.0)
        self.node.destroy_node()
