# SPDX-License-Identifier: Apache-2.0
import socket

import pytest

from robot_face_gen.screen.access import (
    content_security_policy,
    is_allowed_host,
    is_loopback,
    is_same_origin,
    may_control,
    own_names,
)

NAMES = own_names(['Face.Example.org'])


@pytest.mark.parametrize(
    'host',
    [
        'localhost', 'LOCALHOST:8090', '127.0.0.1:8090', '192.168.1.7', '[::1]:8090', '[fe80::1]',
        'face.example.org:8090', 'face.example.org.', socket.gethostname(),
    ],
)  # fmt: skip
def test_addresses_and_own_names_are_answered(host):
    assert is_allowed_host(host, NAMES)


@pytest.mark.parametrize(
    'host',
    [
        None, '', ':8090', 'evil.example', 'localhost.evil.example', '127.0.0.1.evil.example',
        'evil.example:8090', 'user@localhost', 'localhost/evil', 'localhost#evil.example',
        'localhost:port', '[::1', '127.0.0.1 evil', '2130706433',
    ],
)  # fmt: skip
def test_other_names_are_refused(host):
    assert not is_allowed_host(host, NAMES)


@pytest.mark.parametrize(
    ('origin', 'host', 'expected'),
    [
        ('http://localhost:8090', 'localhost:8090', True),
        ('http://LOCALHOST', 'localhost:80', True),
        ('https://face.example.org', 'face.example.org', True),
        ('http://[::1]:8090', '[::1]:8090', True),
        (None, 'localhost:8090', True),
        ('null', 'localhost:8090', False),
        ('', 'localhost:8090', False),
        ('http://localhost:8091', 'localhost:8090', False),
        ('http://evil.example', 'localhost:8090', False),
        ('http://localhost:8090.evil.example', 'localhost:8090', False),
        ('file://localhost:8090', 'localhost:8090', False),
        ('http://localhost:8090', None, False),
    ],
)
def test_only_pages_of_this_server_open_a_websocket(origin, host, expected):
    assert is_same_origin(origin, host) == expected


@pytest.mark.parametrize(
    ('address', 'expected'),
    [
        ('127.0.0.1', True),
        ('127.8.9.1', True),
        ('::1', True),
        ('::ffff:127.0.0.1', True),
        ('10.0.0.1', False),
        ('::ffff:10.0.0.1', False),
        ('', False),
        (None, False),
        ('localhost', False),
    ],
)
def test_control_is_local_by_default(address, expected):
    assert is_loopback(address) == expected
    assert may_control('local', address) == expected
    assert may_control('all', address)
    assert not may_control('none', address)


def test_pages_may_load_nothing_from_elsewhere():
    policy = content_security_policy('localhost:8090')
    assert policy.startswith("default-src 'none';")
    assert 'ws://localhost:8090' in policy
    assert 'unsafe' not in policy and '*' not in policy
