# SPDX-License-Identifier: Apache-2.0
"""`reaction_server` as a process: three robots, each with its own voice and face."""

import contextlib
import signal
import socket
import threading
import time

import numpy as np
import pytest
from faces import make_frame
from live_graph import show, small_checkpoint
from rclpy.serialization import serialize_message

from robot_face_gen.nodes.messages import from_face_frame, to_ns, to_reaction, to_time
from robot_face_gen.nodes.reaction_server import ReactionServer
from robot_face_gen.nodes.run import run
from robot_face_gen.nodes.tables import SERVER, namespaces
from robot_face_gen_msgs.msg import AudioEmbedding, FaceFeatures, FaceReaction

pytestmark = [pytest.mark.graph, pytest.mark.real_time]
ROBOTS = ('anna', 'bert', 'cleo')


@pytest.fixture(scope='module')
def server(peer, start_shared, tmp_path_factory):
    for robot in ROBOTS:
        peer.listen(FaceReaction, f'/{robot}/robot_face/reaction')
    return start_shared(
        'reaction_server', checkpoint=small_checkpoint(tmp_path_factory.mktemp('server')), seed=5,
        device='cpu', namespaces=','.join(ROBOTS),
    )  # fmt: skip


@pytest.fixture(scope='module')
def speakers(peer, server):
    return {
        robot: (
            peer.publisher(
                FaceFeatures, f'/{robot}/openface/features', f'{robot}/reaction_server'
            ),
            peer.publisher(
                AudioEmbedding, f'/{robot}/whisper/embedding', f'{robot}/reaction_server'
            ),
        )
        for robot in ROBOTS
    }


def heard(peer, robot):
    return [message for _, message in peer.heard[f'/{robot}/robot_face/reaction']]


def number(peer, robot, name):
    """A counter in the next status of a robot's face."""
    status = f'{robot}/reaction_server'
    peer.statuses.pop(status, None)
    peer.wait_for(lambda: status in peer.statuses, f'the status of {robot}')
    return int(peer.values(status).get(name, 0))


def shares_answered(peer, robots, speakers):
    """Show 30 frames; their stamps, and which part of them each robot answers."""
    before = {robot: (len(heard(peer, robot)), number(peer, robot, 'dropped')) for robot in robots}
    stamps = show([speakers[robot] for robot in robots], 30)
    shares = []
    for robot, (count, dropped) in before.items():

        def answers(robot=robot, count=count):
            return [to_ns(message.source_stamp) for message in heard(peer, robot)[count:]]

        # The answers go on without input: one to a later time ends those to these frames.
        peer.wait_for(lambda a=answers: max(a(), default=0) > stamps[-1], f'reactions of {robot}')
        assert answers() == sorted(set(answers()))
        whole = number(peer, robot, 'dropped') == dropped
        shares.append(whole * len(set(stamps) & set(answers())) / len(stamps))
    return stamps, shares


def stamps_answered(peer, robots, speakers):
    """Show frames until each robot answers all of them; their stamps.

    A frame that comes later than the others is not answered: without processor time, some are
    late. With a fault, frames are lost each time.
    """
    tries = []
    while not tries or min(tries[-1]) < 1.0:
        assert len(tries) < 5, f'shares of answered frames: {tries}'
        stamps, shares = shares_answered(peer, robots, speakers)
        tries.append(shares)
    return stamps


def test_every_robot_gets_its_own_answers(peer, server, speakers):
    stamps = stamps_answered(peer, ROBOTS, speakers)
    faces = {}
    for robot in ROBOTS:
        mine = [m for m in heard(peer, robot) if to_ns(m.source_stamp) in stamps]
        assert [to_ns(message.source_stamp) for message in mine] == stamps
        for message in mine:
            to_reaction(message)  # raises where a number is not finite
        faces[robot] = np.stack([message.pose for message in mine])
    assert np.abs(faces['anna'] - faces['bert']).max() > 1e-4
    peer.wait_for(
        lambda: all(
            int(peer.values(f'{r}/reaction_server').get('reactions_out', 0)) >= 30 for r in ROBOTS
        ),
        'diagnostics of each face',
    )
    values = peer.values('reaction_server')
    assert int(values['faces_stepped']) > int(values['steps']) > 0
    assert float(values['gather_p99_ms']) >= 0.0 and values['device'] == 'cpu'


@contextlib.contextmanager
def flood(publisher):
    """Publish up to 2,000 frames a second meanwhile."""
    stop, frame = threading.Event(), from_face_frame(make_frame(), 'camera')

    def publish():
        count = 0
        while not stop.wait(0.0005):
            frame.header.stamp = to_time(time.time_ns() + count % 7)
            publisher.publish(frame)
            count += 1

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_the_others_do_not_notice_that_one_sends_far_too_much(peer, server, speakers):
    with flood(speakers['cleo'][0]):
        stamps_answered(peer, ['anna', 'bert'], speakers)
    assert heard(peer, 'cleo')


def socket_capacity(size):
    """How many messages of `size` bytes a socket keeps by default until they are read."""
    with (
        socket.socket(type=socket.SOCK_DGRAM) as reader,
        socket.socket(type=socket.SOCK_DGRAM) as writer,
    ):
        reader.bind(('127.0.0.1', 0))
        for _ in range(5000):
            writer.sendto(bytes(size), reader.getsockname())
        reader.setblocking(False)
        count = 0
        with contextlib.suppress(BlockingIOError):
            while reader.recv(size):
                count += 1
    return count


def test_messages_of_one_do_not_displace_those_of_others_that_wait_to_be_read(
    peer, server, speakers
):
    # All topics of a process share one socket. The profile of Fast DDS makes room in it: without
    # it, the last frames of the following are lost.
    frame = from_face_frame(make_frame(), 'camera')
    capacity = socket_capacity(len(serialize_message(frame)))
    before = number(peer, 'anna', 'frames_in')
    server.process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(capacity * 5 // 4):
            frame.header.stamp = to_time(time.time_ns())
            speakers['cleo'][0].publish(frame)
        for _ in range(5):
            frame.header.stamp = to_time(time.time_ns())
            speakers['anna'][0].publish(frame)
    finally:
        server.process.send_signal(signal.SIGCONT)
    peer.wait_for(
        lambda: int(peer.values('anna/reaction_server')['frames_in']) == before + 5,
        'the frames of anna',
    )


def test_the_others_do_not_notice_one_s_trouble(peer, server, speakers):
    invalid = int(peer.values('bert/reaction_server')['invalid'])
    show([speakers[r] for r in ['bert']], 3, encoder='whisper-other:9')
    speakers['bert'][0].publish(FaceFeatures())  # empty
    stamps_answered(peer, ['anna', 'cleo'], speakers)
    peer.wait_for(
        lambda: int(peer.values('bert/reaction_server')['invalid']) > invalid, 'the bad message'
    )
    assert 'foreign_embeddings' in peer.values('bert/reaction_server')
    assert 'whisper-other:9' in server.text and 'bert' in server.text
    assert 'foreign_embeddings' not in peer.values('anna/reaction_server') or (
        int(peer.values('anna/reaction_server')['foreign_embeddings']) <= 2  # of being heard
    )


def test_temperature_is_set_for_all_while_it_runs(peer, server, speakers):
    assert peer.set_parameter('reaction_server', 'temperature', 0.0)[0]
    assert peer.set_parameter('reaction_server', 'max_gather_s', 0.02)[0]
    successful, reason = peer.set_parameter('reaction_server', 'namespaces', 'dora')
    assert not successful and 'namespaces' in reason


def test_ctrl_c_leaves_no_traceback(peer, server, speakers):
    assert server.interrupt() == 0
    assert 'Traceback' not in server.text


@pytest.mark.parametrize(
    ('said', 'complaint'),
    [('a,,b', "'' is not a namespace"), ('a b', "'a b' is not"), ('a,b, a', "'a' appears")],
)
def test_what_is_no_list_of_namespaces_is_refused(graph_domain, capsys, said, complaint):
    with pytest.raises(ValueError, match=complaint):
        namespaces(said)
    assert run(ReactionServer, ['--ros-args', '-p', f'namespaces:={said}'], table=SERVER) == 1
    assert complaint in capsys.readouterr().err


def test_namespaces_may_be_deep_and_absolute():
    assert namespaces('/lab/r1, r2,lab_2/r3') == ['/lab/r1', 'r2', 'lab_2/r3']
