# SPDX-License-Identifier: Apache-2.0
"""Which requests the screen's web server answers: checks of Host, Origin and peer address.

A page of another site, open in a viewer's browser, can send requests to this server. `Host` is
checked because such a page may reach it under a name of its own (DNS rebinding), `Origin` because
browsers let any page open a WebSocket.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from .settings import ALL, LOCAL


def is_loopback(address: str | None) -> bool:
    """Whether an IP address belongs to this machine's loopback interface."""
    try:
        found = ipaddress.ip_address((address or '').split('%')[0])
    except ValueError:
        return False
    mapped = getattr(found, 'ipv4_mapped', None)
    return (mapped or found).is_loopback


def own_names(more: Iterable[str] = ()) -> frozenset[str]:
    """Host names under which this machine may be addressed, and further ones, in lower case."""
    name = socket.gethostname().lower()
    return frozenset(
        {'localhost', name, f'{name.partition(".")[0]}.local', *(m.lower() for m in more)}
    )


def is_allowed_host(host: str | None, names: frozenset[str]) -> bool:
    """Whether a `Host` header is an IP address or one of `names`; the port is not compared."""
    try:
        name = urlsplit(f'//{host}').hostname or ''
        _ = urlsplit(f'//{host}').port
    except ValueError:
        return False
    if any(character in (host or '') for character in '/?#@\\ '):
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.rstrip('.') in names
    return True


def is_same_origin(origin: str | None, host: str | None) -> bool:
    """Whether a WebSocket is opened by a page of this server.

    A missing `Origin` is accepted: browsers always send it, other programs need not.
    """
    if origin is None:
        return True
    scheme, separator, authority = origin.partition('://')
    if not separator or scheme not in ('http', 'https'):
        return False
    return _with_port(authority, scheme) == _with_port(host or '', scheme)


def _with_port(authority: str, scheme: str) -> str:
    """Lower case, with the port that the scheme implies."""
    default = ':443' if scheme == 'https' else ':80'
    has_port = authority.rpartition(']')[2].count(':') == 1
    return authority.lower() if has_port else authority.lower() + default


def may_control(control: str, peer: str | None) -> bool:
    """Whether a viewer (its IP address) may change parameters and switch the actuators.

    `control` is one of `settings.CONTROL`.
    """
    return control == ALL or (control == LOCAL and is_loopback(peer))


def content_security_policy(host: str) -> str:
    """The header for a page that was requested from `host`: nothing from elsewhere.

    `ws:` is named because older browsers do not include it in 'self'.
    """
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src 'self' ws://{host} wss://{host}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'self'"
    )
