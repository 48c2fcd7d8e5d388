# SPDX-License-Identifier: Apache-2.0
"""2,000 mutated inputs and those found before: only the project's own errors, none takes long."""

import contextlib
import os
import signal
import sys

import fuzz_targets
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LONGEST_S = 20  # of one input; a hundred times what they take
EXAMPLES = int(os.environ.get('FUZZ_EXAMPLES', '170'))  # of each target
_INTERESTING = (
    b'', b'\0', b'\xff', b'nan', b'-nan(ind)', b'inf', b'1e999', b'-1', b'0',
    b'99999999999999999999', b'\n',
    b'\r', b',', b';', b'"', b': ', b'- ', b'{', b'[', b'&a ', b'*a', b'!!',
    b'\xef\xbb\xbf',    b'\xff\xfe', b'\x7f\xff\xff\xff', b'\x80\0\0\0', b'\0\0\xc0\x7f',
)  # fmt: skip


@st.composite
def mutated(draw, samples):
    """A sample with pieces replaced, removed, repeated or swapped."""
    data = bytearray(draw(st.sampled_from(samples))) if samples else bytearray()
    for _ in range(draw(st.integers(0, 6))):
        begin = draw(st.integers(0, len(data)))
        end = min(len(data), begin + draw(st.integers(0, 40)))
        piece = draw(st.sampled_from(_INTERESTING) | st.binary(max_size=12))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            data[begin:end] = piece
        elif kind == 1:
            data[begin:end] = bytes(data[begin:end]) * draw(st.integers(0, 50))
        elif kind == 2:
            del data[begin:]
        else:
            source = draw(st.integers(0, len(data)))
            data[begin:end] = data[source : source + 200]
    return bytes(data)


@contextlib.contextmanager
def time_limit(what):
    def late(*_):
        raise AssertionError(f'{what}: an input takes more than {LONGEST_S} s')

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LONGEST_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(target, data):
    with time_limit(target.__name__):
        fuzz_targets.run(target, data)


PARAMETERS = [pytest.param(target, id=target.__name__) for target in fuzz_targets.TARGETS]


@pytest.mark.skipif(sys.platform == 'win32', reason='no SIGALRM')
@pytest.mark.parametrize('target', PARAMETERS)
def test_only_errors_with_a_message(target):
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize='FUZZ_EXAMPLES' not in os.environ,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(fuzz_targets.samples(target)))
    def check(data):
        run(target, data)

    check()


@pytest.mark.skipif(sys.platform == 'win32', reason='no SIGALRM')
@pytest.mark.parametrize('target', PARAMETERS)
def test_inputs_that_were_found(target):
    for data in fuzz_targets.samples(target):
        run(target, data)
