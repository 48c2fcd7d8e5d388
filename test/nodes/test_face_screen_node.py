# SPDX-License-Identifier: Apache-2.0
"""`face_screen_node` as a process, with real DDS on one side and a web client on the other."""

import asyncio
import json
import re
import socket

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from faces import make_frame
from launching import until
from live_graph import PATIENCE_S
from screen_server import make_face

from robot_face_gen.nodes.messages import from_face_frame, from_reaction, from_samples
from robot_face_gen_msgs.msg import AudioChunk, FaceFeatures, FaceReaction

aiohttp = pytest.importorskip('aiohttp')
pytestmark = pytest.mark.graph
NAME = 'face_screen_node'


class Page:
    """What a page has received."""

    def __init__(self):
        self.faces, self.texts = [], []

    def take(self, message):
        if message.type is aiohttp.WSMsgType.BINARY:
            values = np.frombuffer(message.data[16:], '<f4')
            self.faces.append((message.data[0], message.data[1], values))
        elif message.type is aiohttp.WSMsgType.TEXT:
            self.texts.append(json.loads(message.data))
        else:
            raise AssertionError(f'the connection ended: {message}')

    def text(self, kind):
        return next((text for text in reversed(self.texts) if text['type'] == kind), None)

    def face(self, kind):
        return next((face for face in reversed(self.faces) if face[0] == kind), None)


def look(address, condition, view='inspect', every=lambda page: None, say=()):
    """Open a WebSocket until `condition(page)` is true; calls `every` at 25 Hz."""

    async def run():
        page = Page()
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f'{address}ws?view={view}') as connection,
        ):
            for text in say:
                await connection.send_str(text)

            async def listen():
                while not condition(page):
                    page.take(await connection.receive())

            listening = asyncio.ensure_future(listen())
            while not listening.done():
                every(page)
                await asyncio.wait({listening}, timeout=0.04)
            listening.result()
        return page

    return asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


def address_of(node):
    return until(
        lambda: (m := re.search(r'face on (http\S+)', node.text)) and m[1],
        PATIENCE_S,
        'the address in the log',
    )


@pytest.fixture(scope='module')
def screen_node(graph_domain, tmp_path_factory):
    from live_graph import NodeProcess

    node = NodeProcess(NAME, tmp_path_factory.mktemp('screen'), port=0)
    yield node
    assert node.interrupt() == 0, node.text
    assert 'Traceback' not in node.text


@pytest.fixture(scope='module')
def reactions(peer, screen_node):
    """Publishes a face as a reaction; the node hears it."""
    publisher = peer.node.create_publisher(FaceReaction, '/robot_face/reaction', 10)

    def publish(face):
        now_ns = peer.node.get_clock().now().nanoseconds
        publisher.publish(from_reaction(face, 1, now_ns, now_ns - 20_000_000, 'robot_face'))

    peer.wait_for(
        lambda: publish(make_face()) or int(peer.values(NAME).get('reactions', 0)) > 0,
        'a reaction at the node',
    )
    yield publish
    peer.destroy(publisher)


def test_a_reaction_comes_to_the_page_and_eases_to_neutral_when_it_stops(reactions, screen_node):
    smile = make_face(AU12=3.0)
    page = look(
        address_of(screen_node),
        lambda page: page.face(1) is not None and page.face(1)[2][8] == 3.0,
        view='face',
        every=lambda page: reactions(smile),
    )
    kind, is_fresh, values = page.face(1)
    assert (kind, is_fresh, len(values)) == (1, 1, 24)
    # Without any further reaction; the neutral face smiles slightly.
    page = look(
        address_of(screen_node),
        lambda page: page.face(1) is not None and page.face(1)[2][8] < 0.6,
        view='face',
    )
    assert page.face(1)[1] == 0
    # It blinks on its own.
    look(address_of(screen_node), lambda page: page.faces and page.face(1)[2][16] > 2.0, 'face')


def test_a_bad_reaction_is_counted_and_dropped(peer, reactions, screen_node):
    before = int(peer.values(NAME)['invalid'])
    bad = make_face()
    bad['au'][3] = np.nan
    page = look(
        address_of(screen_node),
        lambda page: int(peer.values(NAME)['invalid']) > before and page.faces,
        every=lambda page: reactions(bad),
    )
    assert all(np.isfinite(values).all() for _, _, values in page.faces)
    assert 'action_units[3]' in screen_node.text


def test_the_inspector_gets_the_speaker_the_sound_and_the_diagnostics(peer, screen_node):
    face = peer.node.create_publisher(FaceFeatures, '/openface/features', 10)
    sound = peer.node.create_publisher(AudioChunk, '/audio', 10)
    frame = make_frame()
    frame.au[4] = np.nan
    samples = np.full(800, 0.25, np.float32)

    def publish(page):
        face.publish(from_face_frame(frame, 'camera'))
        sound.publish(
            from_samples(peer.node.get_clock().now().nanoseconds, 0, samples, 16000, 'microphone')
        )

    def is_complete(page):
        faces = page.face(1) is not None and page.face(2) is not None
        return faces and page.text('level') and page.text('diagnostics')

    page = look(address_of(screen_node), is_complete, every=publish)
    kind, is_found, values = page.face(2)
    assert (kind, is_found, len(values)) == (2, 1, 160)
    assert np.isnan(values[4]) and np.isfinite(np.delete(values, 4)).all()
    assert len(page.face(1)[2]) == 160  # the listener has landmarks too
    assert page.text('level')['rms'] == pytest.approx(0.25, abs=1e-3)
    assert page.text('diagnostics')['statuses'][0]['name'] == NAME
    # Nothing of this is subscribed to without such a page.
    until(lambda: peer.node.count_subscribers('/openface/features') == 0, PATIENCE_S)
    until(lambda: peer.node.count_subscribers('/audio') == 0, PATIENCE_S)
    peer.destroy(face, sound)


@pytest.fixture
def reaction_node(peer):
    """A node with the parameters of `reaction_node`, for their services alone."""
    from rclpy.node import Node

    from robot_face_gen.nodes.parameter_table import Parameters
    from robot_face_gen.nodes.tables import REACTION

    node = Node('reaction_node', context=peer.context)
    parameters = Parameters(node, REACTION, refuse_three)
    peer._executor.add_node(node)
    yield parameters
    peer._executor.remove_node(node)
    node.destroy_node()


def refuse_three(changes):
    if changes.get('hop') == 3:
        raise ValueError('hop = 3: not while it runs')


def test_parameters_are_shown_set_and_refused(screen_node, reaction_node):
    def rows(page):
        nodes = (page.text('parameters') or {'nodes': []})['nodes']
        return {row['name']: row for node in nodes for row in node['rows']}

    address = address_of(screen_node)
    page = look(address, lambda page: rows(page))
    assert rows(page)['temperature']['value'] == 1.0
    assert (rows(page)['hop']['low'], rows(page)['hop']['high']) == (1, 16)

    def ask(value, name='hop', node='/reaction_node'):
        command = json.dumps({'type': 'set', 'node': node, 'name': name, 'value': value})
        page = look(address, lambda page: page.text('result'), say=[command])
        return page.text('result')['ok'], page.text('result')['text']

    assert ask(2) == (True, '')
    assert reaction_node.values.hop == 2
    assert ask(1, 'temperature') == (True, '')  # a whole number for a parameter that is a double
    assert ask(3) == (False, 'hop = 3: not while it runs')
    ok, text = ask(99)
    assert not ok and 'Min: 1, Max: 16, value: 99' in text
    assert ask('cpu', 'device') == (False, '/reaction_node has no settable parameter device')
    assert ask(1, node='/nobody') == (False, 'node /nobody was not found')
    assert reaction_node.values.hop == 2
    page = look(address, lambda page: rows(page) and rows(page)['hop']['value'] == 2)


def test_the_switch_calls_the_service_of_the_actuators(peer, screen_node):
    from std_srvs.srv import SetBool

    asked = []

    def enable(request, response):
        asked.append(request.data)
        response.success, response.message = request.data, 'as you like'
        return response

    service = peer.node.create_service(SetBool, '/face_actuator_node/enable', enable)
    address = address_of(screen_node)
    look(address, lambda page: page.text('parameters') and page.text('parameters')['enable'])
    for wanted in (True, False):
        command = json.dumps({'type': 'enable', 'value': wanted})
        page = look(address, lambda page: page.text('result'), say=[command])
        assert (page.text('result')['ok'], page.text('result')['text']) == (wanted, 'as you like')
    assert asked == [True, False]
    peer.destroy(service)


def test_a_recording_is_shown_to_every_viewer(peer, screen_node):
    publisher = peer.node.create_publisher(DiagnosticArray, '/diagnostics', 10)
    status = DiagnosticStatus(name='record_node', values=[KeyValue(key='recording', value='a')])
    address = address_of(screen_node)
    for view in ('face', 'inspect'):
        page = look(
            address,
            lambda page: page.text('note'),
            view=view,
            every=lambda page: publisher.publish(DiagnosticArray(status=[status])),
        )
        assert page.text('note')['text'] == 'recording'
    look(address, lambda page: page.text('note') and not page.text('note')['text'], view='face')
    peer.destroy(publisher)


def test_a_port_in_use_is_an_error_until_it_is_free(peer, graph_domain, tmp_path):
    from live_graph import NodeProcess

    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        node = NodeProcess(NAME, tmp_path, port=port, skin='glow')
        peer.wait_for(
            lambda: (
                NAME in peer.statuses
                and 'cannot listen' in peer.statuses[NAME].message
                and str(port) in peer.statuses[NAME].message
            ),
            'the error',
        )
    try:
        page = look(address_of(node), lambda page: page.text('hello'))
        assert page.text('hello')['skin'] == 'glow'
        assert node.text.count('cannot listen') == 1
    finally:
        assert node.interrupt() == 0


def test_bad_parameters_are_refused(fails):
    assert "skin = 'ugly': expected robot, person or glow" in fails(NAME, skin='ugly')
