# SPDX-License-Identifier: Apache-2.0
"""`make test-faults`: each fault FAULT_TRIES times; a table of what was seen.

Faults marked `faults` run only there; the others also once in `make test`.
"""

import os
from collections import defaultdict
from pathlib import Path

import pytest

_RESULTS = defaultdict(list)  # what was done: [Seen]
JUMP = 1.5  # in units of the largest normal change: more is a twitch
RATE_HZ = 23.0
ATTEMPTS = 3  # a busy machine may delay the output of some, but not of all
_HEADER = """\
# Behaviour under faults

Written by `make test-faults REPORT=docs/reliability.md`: real nodes over real DDS.

- Rate: reactions a second, while the fault lasts and after it.
- Gap: the longest time between two reactions.
- Jump: the largest change from one reaction to the next, in units of the largest change in 40 ms
  that an ordinary face makes (head 1 rad/s, a blink closes the lids in two frames).
- Recovery: from the end of the fault to the beginning of one second of even output.

| fault | tries | lowest rate | longest gap | largest jump | longest recovery |
|---|---|---|---|---|---|
"""


def pytest_collection_modifyitems(config, items):
    if 'FAULT_TRIES' not in os.environ:
        long = [item for item in items if item.get_closest_marker('faults')]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture(scope='session')
def tries():
    """How often each fault is tried."""
    return range(int(os.environ.get('FAULT_TRIES', '1')))


@pytest.fixture
def attempt(tries):
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
                _RESULTS[name].append(seen)
                print(name, f'{lab.busy:.1f}', seen)
                assert seen.finite, seen
                assert seen.jump < jump, seen
                if (
                    seen.rate_hz > rate_hz / lab.busy
                    and seen.gap_ms < gap_ms * lab.busy
                    and seen.recovery_s < recovery_s * lab.busy
                ):
                    break
                slow.append(seen)
                assert len(slow) < ATTEMPTS, slow

    return attempt


@pytest.fixture(scope='module')
def lab(tmp_path_factory):
    from fault_lab import Lab, fault_domain

    with fault_domain(50):
        lab = Lab(tmp_path_factory.mktemp('lab'))
        yield lab
        lab.close()


def pytest_sessionfinish():
    path = os.environ.get('FAULT_REPORT')
    if not path or not _RESULTS:
        return
    rows = [
        f'| {name} | {len(seen)} | {min(s.rate_hz for s in seen):.1f} Hz '
        f'| {max(s.gap_ms for s in seen):.0f} ms | {max(s.jump for s in seen):.1f} '
        f'| {max(s.recovery_s for s in seen):.1f} s |'
        for name, seen in _RESULTS.items()
    ]
    Path(path).write_text(_HEADER + '\n'.join(rows) + '\n', encoding='utf-8')
