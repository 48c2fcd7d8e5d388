# SPDX-License-Identifier: Apache-2.0
"""The web server over real sockets."""

import asyncio
import json
import socket
import struct
import time
from collections import Counter

import numpy as np
import pytest

aiohttp = pytest.importorskip('aiohttp')

from aiohttp.test_utils import make_mocked_request  # noqa: E402
from launching import until  # noqa: E402
from screen_server import PATIENCE_S, make_face, screen  # noqa: E402

from robot_face_gen.screen import server as server_module  # noqa: E402
from robot_face_gen.screen import viewer as viewer_module  # noqa: E402
from robot_face_gen.screen.server import PAGES, STATIC  # noqa: E402
from robot_face_gen.screen.viewer import QUEUE, Viewer  # noqa: E402
from robot_face_gen.screen.wire import LISTENER, SPEAKER  # noqa: E402

JSON_SET = json.dumps({'type': 'set', 'node': '/reaction_node', 'name': 'hop', 'value': 2})


def talk(address, conversation, **options):
    """Run a conversation with a WebSocket of the server."""

    async def run():
        async with aiohttp.ClientSession() as session:
            view = options.pop('view', 'inspect')
            async with session.ws_connect(f'{address}ws?view={view}', **options) as connection:
                return await conversation(connection)

    return asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


def get(address, path='', **headers):
    async def run():
        async with (
            aiohttp.ClientSession() as session,
            session.get(address + path, headers=headers) as response,
        ):
            return response.status, response.headers, await response.text()

    return asyncio.run(run())


async def receive(connection, kind):
    """The next JSON message of a kind."""
    while True:
        message = await connection.receive(timeout=10.0)
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        if message.type is aiohttp.WSMsgType.TEXT:
            data = json.loads(message.data)
            if data['type'] == kind:
                return data


@pytest.fixture
def shown():
    with screen(skin='glow', colour='rose') as found:
        yield found


@pytest.mark.parametrize('path', [path.lstrip('/') for path in PAGES])
def test_pages_come_with_headers_that_keep_them_to_this_server(shown, path):
    status, headers, text = get(shown.address, path)
    assert status == 200 and '<canvas' in text
    assert headers['Content-Security-Policy'].startswith("default-src 'none'")
    assert headers['X-Content-Type-Options'] == 'nosniff'


def test_every_file_is_served_and_names_its_licence(shown):
    files = [path for path in STATIC.iterdir() if path.suffix != '.html']
    assert len(files) > 5
    for path in files:
        status, headers, text = get(shown.address, f'static/{path.name}')
        assert status == 200, path.name
        assert 'SPDX-License-Identifier: Apache-2.0' in text.partition('\n\n')[0]
        if path.suffix == '.js':
            assert 'javascript' in headers['Content-Type']


@pytest.mark.parametrize(
    'path', ['static/', 'static/../server.py', 'static/%2e%2e/server.py', 'x']
)
def test_nothing_else_is_served(shown, path):
    assert get(shown.address, path)[0] in (403, 404)


def test_other_host_names_are_refused(shown):
    assert get(shown.address, Host='evil.example')[0] == 403
    with pytest.raises(aiohttp.WSServerHandshakeError):
        talk(shown.address, None, headers={'Host': 'evil.example'})
    until(lambda: shown.server.counters['refused'] == 2)


def test_websockets_of_other_sites_are_refused(shown):
    with pytest.raises(aiohttp.WSServerHandshakeError):
        talk(shown.address, None, origin='http://evil.example')
    assert shown.server.viewers == 0

    async def hello(connection):
        return await receive(connection, 'hello')

    found = talk(shown.address, hello, origin=shown.address.rstrip('/'))
    assert (found['skin'], found['colour'], found['controls']) == ('glow', 'rose', True)


def test_faces_arrive_short_for_the_face_page_and_with_landmarks_for_the_inspector(shown):
    async def first_face(connection):
        while True:
            message = await connection.receive(timeout=10.0)
            if message.type is aiohttp.WSMsgType.BINARY:
                return message.data

    shown.show(make_face(AU12=2.5))
    short, long = (talk(shown.address, first_face, view=view) for view in ('face', 'inspect'))
    assert len(short) == 16 + 4 * 24 and len(long) == 16 + 4 * 160
    for message in (short, long):
        assert message[0] == LISTENER
        assert np.frombuffer(message[16:], '<f4')[8] == 2.5


def test_only_the_inspector_gets_the_speaker(shown):
    async def kinds(connection):
        found = []
        while len(found) < 20:
            shown.send_speaker(make_face(AU12=1.5), flag=True)
            shown.send(make_face())
            message = await connection.receive(timeout=10.0)
            if message.type is aiohttp.WSMsgType.BINARY:
                found.append(message.data[0])
        return set(found)

    assert talk(shown.address, kinds, view='inspect') == {LISTENER, SPEAKER}
    assert talk(shown.address, kinds, view='face') == {LISTENER}


def test_only_so_many_viewers(shown):
    with screen(max_viewers=2) as small:

        async def fill(first):
            async with aiohttp.ClientSession() as session:
                second = await session.ws_connect(f'{small.address}ws')
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await session.ws_connect(f'{small.address}ws')
                await second.close()
                return refused.value.status

        assert talk(small.address, fill) == 503
        # A place that is free again is used.
        until(lambda: small.server.viewers == 0)
        talk(small.address, lambda connection: receive(connection, 'hello'))


def test_newest_texts_are_kept_for_later_pages(shown):
    for value in (1, 2):
        shown.server.send_text('parameters', value=value, remember=True)
    shown.server.send_text('level', rms=0.5)

    async def first(connection):
        return await receive(connection, 'parameters')

    assert talk(shown.address, first) == {'type': 'parameters', 'value': 2}


def test_commands_are_passed_on_and_answered(shown):
    async def ask(connection):
        await connection.send_str(JSON_SET)
        return await receive(connection, 'result')

    expected = {
        'type': 'result',
        'ok': True,
        'text': 'set',
        'node': '/reaction_node',
        'name': 'hop',
    }
    assert talk(shown.address, ask) == expected
    assert shown.commands[0].value == 2
    shown.refusal = 'hop = 99: expected 1 to 16'
    answer = talk(shown.address, ask)
    assert (answer['ok'], answer['text']) == (False, shown.refusal)


@pytest.mark.parametrize('text', ['', '{', '[]', '{"type": "set"}', '\x00', '"' * 900])
def test_bad_messages_are_answered_and_do_no_harm(shown, text):
    async def ask(connection):
        await connection.send_str(text)
        bad = await receive(connection, 'result')
        await connection.send_str(JSON_SET)
        return bad, await receive(connection, 'result')

    bad, good = talk(shown.address, ask)
    assert not bad['ok'] and bad['text']
    assert good['ok']


@pytest.mark.parametrize(
    ('view', 'message'),
    [('inspect', 'x' * 5000), ('inspect', b'binary'), ('face', JSON_SET)],
    ids=['too long', 'binary', 'from the face page'],
)
def test_messages_that_no_page_sends_end_the_connection(shown, view, message):
    async def send(connection):
        await (connection.send_str if isinstance(message, str) else connection.send_bytes)(message)
        while (got := await connection.receive(timeout=10.0)).type is aiohttp.WSMsgType.TEXT:
            pass
        return got.type

    assert talk(shown.address, send, view=view) in (
        aiohttp.WSMsgType.CLOSE,
        aiohttp.WSMsgType.CLOSED,
        aiohttp.WSMsgType.CLOSING,
    )
    assert not shown.commands
    until(lambda: shown.server.viewers == 0)


def test_a_page_that_leaves_at_once_is_no_error(shown):
    """Its connection is reset while the WebSocket is being opened."""
    upgrade = (
        f'GET /ws HTTP/1.1\r\nHost: localhost:{shown.port}\r\nUpgrade: websocket\r\n'
        'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
    ).encode()
    for _ in range(100):
        with socket.create_connection(('127.0.0.1', shown.port)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            connection.sendall(upgrade)
    assert get(shown.address)[0] == 200
    until(lambda: shown.server.viewers == 0, PATIENCE_S, 'the end of all connections')
    assert not [text for level, text in shown.logged if level == 'error']


def test_viewers_that_may_not_control_are_told_so():
    with screen(control='none') as shown:

        async def ask(connection):
            hello = await receive(connection, 'hello')
            await connection.send_str(JSON_SET)
            return hello['controls'], await receive(connection, 'result')

        controls, answer = talk(shown.address, ask)
        assert controls is False
        assert not answer['ok'] and 'control = none' in answer['text']
        assert not shown.commands


def test_a_flood_of_commands_is_cut(shown):
    async def ask(connection):
        for _ in range(100):
            await connection.send_str(JSON_SET)
        await connection.send_str('{"last": 1}')
        return await receive(connection, 'result')

    talk(shown.address, ask)
    until(lambda: shown.server.counters['refused'] > 50)
    assert len(shown.commands) <= 40


def raw_viewer(port):
    """A viewer that never reads after the handshake."""
    connection = socket.create_connection(('127.0.0.1', port))
    connection.sendall(
        f'GET /ws?view=inspect HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n'
        'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'.encode()
    )
    assert b'101' in connection.recv(20)
    return connection


def test_a_stuck_viewer_delays_nobody_and_is_disconnected(monkeypatch):
    monkeypatch.setattr(viewer_module, 'SEND_TIMEOUT_S', 2.0)
    monkeypatch.setattr(viewer_module, 'HEARTBEAT_S', 60.0)
    with screen() as shown:
        stuck = raw_viewer(shown.port)
        until(lambda: shown.server.viewers == 1)

        async def count(connection):
            """Faces that a good viewer gets while the stuck one is flooded."""
            found = 0
            while shown.server.counters['stuck_viewers'] == 0 or not found:
                shown.server.send_text('flood', text='x' * 200_000)
                message = await connection.receive(timeout=10.0)
                assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)
                found += message.type is aiohttp.WSMsgType.BINARY
            return found

        shown.show(make_face())
        assert talk(shown.address, count, max_msg_size=0)
        until(lambda: shown.server.viewers == 0)
        assert shown.server.counters['dropped'] > 0
        stuck.close()


def test_a_viewer_that_does_not_answer_pings_is_disconnected(monkeypatch):
    monkeypatch.setattr(viewer_module, 'HEARTBEAT_S', 0.3)
    with screen() as shown:
        connection = raw_viewer(shown.port)
        until(lambda: shown.server.viewers == 1)
        until(lambda: shown.server.viewers == 0)
        connection.close()


def test_a_slow_viewer_gets_the_newest_messages():
    counters = Counter()
    viewer = Viewer(make_mocked_request('GET', '/ws'), counters)  # it is not served
    for number in range(3 * QUEUE):
        viewer.queue(bytes([number]))
    assert [message[0] for message in viewer.waiting] == list(range(2 * QUEUE, 3 * QUEUE))
    assert counters['dropped'] == 2 * QUEUE


def test_a_port_in_use_is_reported_once_and_tried_again(monkeypatch):
    attempts = []

    class Site(server_module.web.TCPSite):
        async def start(self):
            attempts.append(self)
            await super().start()

    monkeypatch.setattr(server_module, 'RETRY_S', 0.1)
    monkeypatch.setattr(server_module.web, 'TCPSite', Site)
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        with screen(port=port) as shown:
            until(lambda: len(attempts) > 2)
            assert f'cannot listen on 127.0.0.1:{port}' in shown.server.trouble
            other.close()
            until(lambda: shown.server.address)
            assert shown.server.trouble == ''
            assert get(shown.address)[0] == 200


def test_a_server_stops_while_viewers_are_connected(shown):
    connection = raw_viewer(shown.port)
    until(lambda: shown.server.viewers == 1)
    begin_s = time.monotonic()
    shown.close()
    assert not shown.server._thread.is_alive()
    assert time.monotonic() - begin_s < 10.0
    connection.close()
    # Calls after the end do nothing.
    shown.send(make_face())
