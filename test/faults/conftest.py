# SPDX-License-Identifier: Apache-2.0
"""`make test-faults`: each fault FAULT_TRIES times; the tables of what was seen.

Faults marked `faults` run only there; the others also once in `make test`.
"""

import os
from dataclasses import asdict

import pytest
from fault_report import Report

JUMP = 1.5  # in units of the largest normal change: more is a twitch
RATE_HZ = 23.0
ATTEMPTS = 4  # a busy machine may delay the output of some, but not of all


def pytest_configure(config):
    path = os.environ.get('FAULT_REPORT')
    if path and not hasattr(config, 'workerinput'):
        config.pluginmanager.register(Report(config, path))


def pytest_collection_modifyitems(config, items):
    if 'FAULT_TRIES' not in os.environ:
        long = [item for item in items if item.get_closest_marker('faults')]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


TRIES = range(int(os.environ.get('FAULT_TRIES', '1')))  # of each short fault


def pytest_generate_tests(metafunc):
    """A test with the argument `again` is run once for each try."""
    if 'again' in metafunc.fixturenames:
        metafunc.parametrize('again', TRIES)


@pytest.fixture(scope='session')
def tries():
    """How often each fault is tried."""
    return TRIES


@pytest.fixture
def note(record_property):
    """Report one try of a fault: `note(name, 'what was seen', recovery_s=1.2)`."""

    def note(name, what='', **figures):
        figures = {key: value if isinstance(value, (str, bool)) else float(value)
                   for key, value in figures.items()}  # fmt: skip
        print(name, what, figures)
        record_property('fault', {'name': name, 'what': what, 'figures': figures})

    return note


@pytest.fixture
def attempt(tries, note):
    """Set a fault in all tries and check what was seen."""

    def attempt(lab, name, disturb, gap_ms, recovery_s, rate_hz=RATE_HZ, jump=JUMP):
        """Check what `disturb()` has `Seen`; what is too slow is tried again.

        A value that is not finite, or a jump, fails at once. On a machine that delays an
        undisturbed output, the limits of time are as much wider.
        """
        for _ in tries:
            slow = []
            while True:
                seen = disturb()
                late = not (
                    seen.rate_hz > rate_hz / lab.busy
                    and seen.gap_ms < gap_ms * lab.busy
                    and seen.recovery_s < recovery_s * lab.busy
                )
                note(name, **asdict(seen), busy=lab.busy, late=late)
                assert seen.finite, seen
                assert seen.jump < jump, seen
                if not late:
                    break
                slow.append(seen)
                assert len(slow) < ATTEMPTS, slow

    return attempt


@pytest.fixture(scope='module')
def lab(tmp_path_factory):
    from fault_lab import Lab
    from launching import own_ros_domain

    with own_ros_domain():
        lab = Lab(tmp_path_factory.mktemp('lab'))
        yield lab
        lab.close()
