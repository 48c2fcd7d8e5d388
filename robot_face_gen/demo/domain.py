# SPDX-License-Identifier: Apache-2.0
"""A ROS domain of its own for a run that nobody gave one."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Below 101, so that the ports stay out of the range that systems give to others.
DOMAINS = range(60, 100)
# DDS' ports: of a domain's participants the first asks for its port for discovery.
_PORT_BASE, _PORTS_A_DOMAIN, _FIRST_UNICAST = 7400, 250, 10


@contextmanager
def own_domain() -> Iterator[int]:
    """The domain that ROS_DOMAIN_ID names, or one in which nobody is; held until the end.

    Several runs that begin at the same moment get different ones.
    """
    given = os.environ.get('ROS_DOMAIN_ID')
    if given:
        if not given.isdecimal() or not 0 <= int(given) <= 232:
            raise ValueError(f'ROS_DOMAIN_ID={given}: expected a whole number, 0 to 232')
        yield int(given)
        return
    start = os.getpid() % len(DOMAINS)
    for domain in (*DOMAINS[start:], *DOMAINS[:start]):
        lock = _lock(domain)
        if lock is None:
            continue
        try:
            if _is_used(domain):
                continue
            try:
                yield domain
            finally:
                os.environ.pop('ROS_DOMAIN_ID', None)  # a recorder has set it for its time
            return
        finally:
            os.close(lock)
    # Locks that cannot be had at all (no folder for them): as good as it gets.
    yield DOMAINS[start]


def _lock(domain: int) -> int | None:
    """A descriptor that holds the domain's lock, whoever made its file; None if another does."""
    path = Path(tempfile.gettempdir()) / f'robot_face_gen_domain_{domain}.lock'
    for flags in (os.O_RDONLY, os.O_RDONLY | os.O_CREAT):
        try:
            lock = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return None
        return lock
    return None


def _is_used(domain: int) -> bool:
    """Whether a DDS participant of this machine is in the domain."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(('', _PORT_BASE + _PORTS_A_DOMAIN * domain + _FIRST_UNICAST))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
