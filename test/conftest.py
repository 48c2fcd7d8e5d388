# SPDX-License-Identifier: Apache-2.0
"""Fixtures that several rooms' tests share."""

import functools
import json
import os
import re
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from launching import own_ros_domain

from robot_face_gen.models import export_process
from robot_face_gen.models.cache import read_entry

# Few cores, several processes: one thread each is faster than a fight for them.
os.environ.setdefault('OMP_NUM_THREADS', '1')

# A background job has Ctrl-C ignored, and so would all that is started here and is to end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

RECORDINGS = Path(__file__).resolve().parents[2] / 'shared' / 'data'


@pytest.fixture(scope='session')
def real_recordings():
    """A real OpenFace CSV and a real voice, where a developer has them beside the checkout."""
    paths = SimpleNamespace(
        openface=RECORDINGS / 'openface_demo.csv', audio=RECORDINGS / 'jfk.flac'
    )
    missing = [str(path.name) for path in vars(paths).values() if not path.is_file()]
    if missing:
        pytest.skip(f'no real recordings beside this checkout: {", ".join(missing)}')
    return paths


@pytest.fixture(scope='session')
def face_networks():
    """The face landmarker, where its file and LiteRT are."""
    from robot_face_gen.models import store

    pytest.importorskip('ai_edge_litert', reason='the extra [camera] is not installed')
    if store.find('face-landmarker') is None:
        pytest.skip(store.how_to_get('face-landmarker'))
    from robot_face_gen.camera.networks import FaceNetworks

    return FaceNetworks()


@pytest.fixture(scope='session')
def head(face_networks):
    """A head that can be drawn."""
    from rendered_head import Head

    return Head(face_networks.canonical_face)


@pytest.fixture
def command(capsys):
    """The command line in this process: command('react', ...): returncode, stdout, stderr.

    A process of its own would import everything anew.
    """
    from robot_face_gen.cli import main

    def command(*words):
        capsys.readouterr()
        environment = dict(os.environ)
        try:
            code = main([str(word) for word in words])
        except SystemExit as ended:
            code = ended.code
        finally:  # commands prepare it for the processes that they start
            os.environ.clear()
            os.environ.update(environment)
        told = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=told.out, stderr=told.err)

    return command


@pytest.fixture
def ros_domain():
    with own_ros_domain() as domain:
        yield domain


@pytest.fixture(scope='module')
def graph_domain():
    """As `ros_domain`, for processes that several tests of a module share."""
    with own_ros_domain() as domain:
        yield domain


@pytest.fixture
def export_here(monkeypatch):
    """Exports in this process, for tests of what follows: a child would import torch anew."""

    def export(entry, function, *arguments):
        monkeypatch.setattr(sys, 'argv', ['', function, json.dumps(arguments)])
        assert export_process.main() == 0
        return read_entry(entry)

    for place in ('features.whisper_exported', 'facial_reaction_model.onnx_runner'):
        monkeypatch.setattr(f'robot_face_gen.{place}.export_in_child', export)


# Parallel runs (`make test`, pytest-xdist): files with tests that lose input without processor
# time come first, in two workers: single nodes in one, whole graphs in the other, one after the
# other. All others run file by file, at a lower priority: first those that compute for long, then
# graphs and the browser, which mostly wait.
LONG = {'test_extras.py', 'test_prepare.py', 'test_react.py'}
REAL_TIME = 'real time'


@functools.cache
def _group(path):
    """What one worker runs: a file, or several files whose marks say so."""
    text = path.read_text(encoding='utf-8')
    if 'mark.real_time' in text:
        return f'{REAL_TIME}, {"nodes" if "nodes" in path.parts else "graphs"}'
    found = re.search(r"mark\.xdist_group\('(.+?)'\)", text)
    return found[1] if found else str(path)


def _is_real_time(item):
    return _group(item.path).startswith(REAL_TIME)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    # Not `--dist loadgroup`: it has no effect with pytest 9.2 (pytest-xdist, issue 1386).
    if config.option.dist != 'loadscope':
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return _group(config.rootpath / nodeid.partition('::')[0])

    return Groups(config, log)


def pytest_collection_modifyitems(config, items):
    # A machine that is busy at the wrong moment makes a graph lose input: these tests may be
    # repeated, and pytest counts it. A real fault fails each time.
    if config.pluginmanager.hasplugin('rerunfailures'):
        for item in items:
            if item.get_closest_marker('graph') or item.get_closest_marker('real_time'):
                item.add_marker(pytest.mark.flaky(reruns=2))
    if hasattr(config, 'workerinput'):  # in the order of `--no-loadscope-reorder`
        items.sort(
            key=lambda item: (
                not _is_real_time(item),
                'training' not in item.path.parts and item.path.name not in LONG,
                not item.get_closest_marker('graph') and item.path.name != 'test_pages.py',
            )
        )


def pytest_runtest_setup(item):
    # `make test-faults` has real-time tests also after others.
    stays_first = _is_real_time(item) or 'FAULT_TRIES' in os.environ
    if hasattr(item.config, 'workerinput') and not stays_first and os.nice(0) < 10:
        os.nice(10)
