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
    """Where the server listens, and for whom."""

    host: str = '127.0.0.1'  # address to listen on
    port: int = 8090  # TCP port; 0: any free one
    skin: str = SKINS[0]  # one of SKINS
    colour: str = COLOURS[0]  # one of COLOURS
    control: str = LOCAL  # one of CONTROL
    allowed_hosts: tuple[str, ...] = ()  # further names of this machine
    max_viewers: int = 8  # pages that may be open at a time
