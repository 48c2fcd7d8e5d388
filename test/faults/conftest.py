# SPDX-License-Identifier: Apache-2.0
"""`make test-faults`: each fault FAULT_TRIES times; a table of what was seen."""

import os
from collections import defaultdict
from pathlib import Path

import pytest

_RESULTS = defaultdict(list)  # what was done: [Seen]
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


@pytest.fixture(scope='session')
def tries():
    """How often each fault is tried."""
    return range(int(os.environ.get('FAULT_TRIES', '1')))


@pytest.fixture(scope='session')
def results():
    return _RESULTS


@pytest.fixture(scope='module')
def lab(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('ROS_DOMAIN_ID', str(1 + (os.getpid() * 7 + 50) % 100))
        patch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
        from fault_lab import Lab

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
