# SPDX-License-Identifier: Apache-2.0
"""Settings of the screen's web server; the first of several choices is the default."""

from __future__ import annotations

from dataclasses import dataclass

# Appearances and colours, painted by static/skins.js.
SKINS = ('robot', 'person', 'glow')
COLOURS = ('teal', 'blue', 'violet', 'rose', 'amber', 'green')
# Whose changes of parameters are accepted: viewers on this machine, all, none.
LOCAL, ALL, NONE = CONTROL = ('local', 'all', 'none')


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Where the server listens, and for whom.

    Attributes:
        host: address to listen on.
        port: TCP port; 0: any free one.
        skin: one of SKINS.
        colour: one of COLOURS.
        control: one of CONTROL.
        allowed_hosts: further names of this machine.
        max_viewers: pages that may be open at a time.
    """

    host: str = '127.0.0.1'
    port: int = 8090
    skin: str = SKINS[0]
    colour: str = COLOURS[0]
    control: str = LOCAL
    allowed_hosts: tuple[str, ...] = ()
    max_viewers: int = 8
