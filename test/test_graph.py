# SPDX-License-Identifier: Apache-2.0
"""Launch arguments and the nodes they select."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from faces import make_frames
from films import write_film
from launching import run_python
from sound_files import write_wav

from robot_face_gen.features.openface_write import write_openface_csv
from robot_face_gen.graph import GRAPHS, NODES, NodeSpec, format_arguments, misspelt_nodes
from robot_face_gen.nodes.tables import TABLES

CONFIG = Path(__file__).resolve().parents[1] / 'config' / 'bringup.yaml'
NO_SOURCES = {'screen': 'false', 'openface': 'none', 'audio': 'none'}


def nodes(graph='bringup', **arguments):
    """The selected nodes by name."""
    return {node.name: node for node in GRAPHS[graph]().nodes(arguments)}


@pytest.fixture
def files(tmp_path):
    """Existing files of all kinds."""
    for name in ('face.csv', 'voice.wav', 'model.safetensors', 'tiny.pt', 'mine.yaml'):
        (tmp_path / name).touch()
    return tmp_path


RECORDING = {
    'use_sim_time': True, 'speed': 2.0, 'loop': True, 'exit_at_end': False,
    'start_time': 1700000000.5,
}  # fmt: skip


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        ({'audio': ''}, {}),
        ({'reaction': 'false'}, {'reaction_node': None}),
        (
            {'screen': 'True', 'screen_host': '::1', 'screen_port': '0'},
            {'face_screen_node': {'host': '::1', 'port': 0}},
        ),
        (
            {'bag': '{files}', 'record': '{files}/new.mcap', 'start_time': '7', 'loop': 'true',
             'openface': '', 'audio': ''},
            {
                'record_node': {'use_sim_time': True, 'output': '{files}/new.mcap'},
                'replay_node': {
                    'source': '{files}', 'topics': 'sources', 'clock_hz': 100.0,
                    'exit_at_end': True, 'start_time': 7.0, 'loop': True,
                },
                'whisper_node': {'use_sim_time': True},
                'reaction_node': {'use_sim_time': True},
            },
        ),
        (
            {'audio': 'topic:/audio/audio', 'loop': 'true'},
            {'microphone_node': {'source': 'topic:/audio/audio'}},
        ),
        (
            {'audio': 'microphone:USB', 'speed': '2'},
            {'microphone_node': {'source': 'microphone:USB'}},
        ),
        (
            {'openface': '{files}/face.csv', 'audio': '{files}/voice.wav',
             'start_time': '1700000000.5', 'speed': '2', 'loop': '1', 'exit_at_end': 'False',
             'checkpoint': '{files}/model.safetensors', 'device': 'cuda:1',
             'whisper': '{files}/tiny.pt', 'use_sim_time': 'true'},
            {
                'openface_node': {**RECORDING, 'source': '{files}/face.csv'},
                'microphone_node': {**RECORDING, 'source': '{files}/voice.wav'},
                'whisper_node': {
                    'use_sim_time': True, 'weights': '{files}/tiny.pt',
                    'checkpoint': '{files}/model.safetensors',
                },
                'reaction_node': {
                    'use_sim_time': True, 'checkpoint': '{files}/model.safetensors',
                    'device': 'cuda:1',
                },
            },
        ),
        (
            {'openface': 'camera:/dev/video2', 'audio': 'microphone'},
            {
                'camera_face_node': {'source': 'camera:/dev/video2'},
                'microphone_node': {'source': 'microphone'},
            },
        ),
        (
            {'openface': 'image:/robot/image_raw'},
            {'camera_face_node': {'source': 'image:/robot/image_raw'}},
        ),
        (
            {'openface': 'follow:{files}/later.csv', 'whisper': 'tiny'},
            {
                'openface_node': {'source': 'follow:{files}/later.csv'},
                'whisper_node': {'weights': 'tiny'},
            },
        ),
        (
            {'actuators': '{files}/mine.yaml'},
            {'face_actuator_node': {'actuators': '{files}/mine.yaml'}},
        ),
    ],
)  # fmt: skip
def test_arguments_select_nodes_and_parameters(files, arguments, expected):
    """`expected`: what differs from whisper_node and reaction_node without parameters."""

    def filled(value):
        return value.replace('{files}', str(files)) if isinstance(value, str) else value

    arguments = {**NO_SOURCES, **arguments}
    found = nodes(**{name: filled(value) for name, value in arguments.items()})
    expected = {'whisper_node': {}, 'reaction_node': {}, **expected}
    assert {name: dict(node.parameters) for name, node in found.items()} == {
        name: {'use_sim_time': False, **{key: filled(value) for key, value in values.items()}}
        for name, values in expected.items()
        if values is not None
    }
    for node in found.values():
        images = str(node.parameters.get('source')).startswith('image:')
        expected_node = NodeSpec(node.name, str(CONFIG), parameters=node.parameters, images=images)
        assert node == expected_node


def test_without_arguments_it_listens_to_the_microphone():
    assert nodes(screen='false')['microphone_node'].parameters['source'] == 'microphone'
    assert 'openface_node' not in nodes()


def test_a_film_is_the_source_of_face_and_voice(tmp_path):
    images = [np.zeros((32, 32, 3), np.uint8)] * 50
    film = write_film(tmp_path / 'a.mp4', images, sound=np.zeros(32000, np.float32))
    found = nodes(openface=f'video:{film}', loop='true', start_time='7')
    face, voice = found['camera_face_node'].parameters, found['microphone_node'].parameters
    assert (face['source'], voice['source']) == (f'video:{film}', str(film))
    for played in (face, voice):
        assert played['loop'] and played['start_time'] == 7.0
        assert played['loop_period_s'] == pytest.approx(2.0, abs=0.1)
    # Another voice, and none.
    other = nodes(openface=f'video:{film}', audio='microphone:USB')
    assert other['microphone_node'].parameters['source'] == 'microphone:USB'
    assert 'microphone_node' not in nodes(openface=f'video:{film}', audio='none')
    silent = write_film(tmp_path / 'b.mp4', images)
    assert 'microphone_node' not in nodes(openface=f'video:{silent}')


def test_what_all_nodes_share(files):
    found = nodes(
        namespace='/lab/robot1',
        params_file=str(files / 'mine.yaml'),
        log_level='reaction_node:=DEBUG',
        use_respawn='true',
    )
    for node in found.values():
        assert (node.namespace, node.log_level) == ('/lab/robot1', 'reaction_node:=DEBUG')
        assert (node.params_file, node.respawn) == (str(files / 'mine.yaml'), True)
    assert found['whisper_node'].full_name == '/lab/robot1/whisper_node'
    assert nodes(namespace='a')['whisper_node'].full_name == '/a/whisper_node'
    assert nodes()['whisper_node'].full_name == '/whisper_node'


def test_a_source_that_exits_at_its_end_is_not_respawned(files):
    arguments = {'openface': str(files / 'face.csv'), 'use_respawn': 'true'}
    found = nodes(**arguments, exit_at_end='true')
    assert [name for name, node in found.items() if not node.respawn] == ['openface_node']
    assert all(node.respawn for node in nodes(**arguments).values())


def test_face_and_voice_start_together_after_the_delay(files):
    arguments = {'openface': str(files / 'face.csv'), 'audio': str(files / 'voice.wav')}
    before = time.time()
    found = nodes(**arguments, start_delay='5')
    starts = {node.parameters.get('start_time') for node in found.values()} - {None}
    assert len(starts) == 1 and 5.0 <= starts.pop() - before < 10.0
    # Simulated time is not known before the nodes run.
    simulated = nodes(**arguments, use_sim_time='true')
    assert 'start_time' not in simulated['openface_node'].parameters


def test_repeated_recordings_have_the_period_of_the_longer_one(tmp_path):
    write_openface_csv(tmp_path / 'face.csv', make_frames(100))
    recordings = {'openface': str(tmp_path / 'face.csv'), 'audio': str(tmp_path / 'voice.wav')}
    for length_s, expected in ((3.0, 4.0), (7.5, 7.5)):
        write_wav(tmp_path / 'voice.wav', np.zeros(round(8000 * length_s), np.int16), 8000)
        found = nodes(**recordings, loop='true')
        for name in ('openface_node', 'microphone_node'):
            assert found[name].parameters['loop_period_s'] == expected
    assert 'loop_period_s' not in nodes(**recordings)['openface_node'].parameters
    live = nodes(**{**recordings, 'audio': 'microphone'}, loop='true')
    assert 'loop_period_s' not in live['openface_node'].parameters


def test_paths_are_absolute(files, monkeypatch):
    monkeypatch.chdir(files)
    monkeypatch.setenv('HOME', str(files))
    found = nodes(openface='face.csv', audio='~/voice.wav', params_file='mine.yaml')
    assert found['openface_node'].parameters['source'] == str(files / 'face.csv')
    assert found['microphone_node'].parameters['source'] == str(files / 'voice.wav')
    assert found['openface_node'].params_file == str(files / 'mine.yaml')


def test_the_server(files):
    (node,) = nodes(
        'reaction_server',
        namespaces='a, b',
        checkpoint=str(files / 'model.safetensors'),
        backend='onnx',
        use_respawn='1',
    ).values()
    assert node.parameters == {
        'use_sim_time': False,
        'namespaces': 'a, b',
        'backend': 'onnx',
        'checkpoint': str(files / 'model.safetensors'),
    }
    assert (node.name, node.full_name, node.respawn) == (
        'reaction_server',
        '/reaction_server',
        True,
    )


@pytest.mark.parametrize(
    ('arguments', 'complaint'),
    [
        ({'opnface': 'x'}, "unknown argument 'opnface'; did you mean 'openface'? (known: "),
        ({'xyzzy': ''}, "unknown argument 'xyzzy' (known: namespace, params_file, "),
        ({'openface': '/no.csv'}, 'openface:=/no.csv: no such file'),
        ({'openface': 'follow:'}, 'openface:=follow:: expected follow:FILE'),
        ({'openface': 'video:/no.mp4'}, 'openface:=video:/no.mp4: no such file'),
        ({'openface': 'video:'}, 'openface:=video:: expected a file'),
        ({'openface': 'camera:'}, 'openface:=camera:: expected camera:NUMBER (or its path)'),
        ({'openface': 'image:'}, 'openface:=image:: expected image:TOPIC'),
        ({'openface': '/'}, 'openface:=/: is a folder; expected a file'),
        ({'audio': 'topic:'}, 'audio:=topic:: expected topic:NAME'),
        ({'openface': f'video:{__file__}'}, 'test_graph.py: no film'),
        ({'audio': '/no.wav'}, 'audio:=/no.wav: no such file'),
        ({'params_file': '/no.yaml'}, 'params_file:=/no.yaml: no such file'),
        ({'params_file': ''}, 'params_file:=: expected a YAML file'),
        ({'checkpoint': '/no'}, 'checkpoint:=/no: no such file'),
        ({'speed': 'fast'}, 'speed:=fast: expected a number'),
        ({'start_delay': 'nan'}, 'start_delay:=nan: expected a number'),
        ({'start_time': '1,5'}, 'start_time:=1,5: expected a number'),
        ({'loop': 'yes'}, 'loop:=yes: expected true or false'),
        ({'reaction': 'no'}, 'reaction:=no: expected true or false'),
        ({'use_respawn': '2'}, 'use_respawn:=2: expected true or false'),
        ({'namespace': '1st'}, 'namespace:=1st: expected a namespace'),
        ({'namespace': 'a/'}, 'namespace:=a/: expected a namespace'),
        ({'bag': 'none.mcap'}, 'bag:=none.mcap: no such file or folder'),
        ({'bag': str(CONFIG), 'audio': 'microphone:USB'}, 'audio:=microphone:USB: the face and'),
        ({'record': 'a.bag'}, 'record:=a.bag: expected a name that ends in .mcap'),
        ({'record': 'no/a.mcap'}, 'record:=no/a.mcap: there is no folder'),
        ({'log_level': 'loud'}, 'log_level:=loud: expected one of debug, info, warn, error'),
    ],
)
def test_errors_name_argument_value_and_expectation(arguments, complaint):
    with pytest.raises(ValueError, match=re.escape(complaint)):
        nodes(**arguments)


@pytest.mark.parametrize('graph', sorted(GRAPHS))
def test_every_parameter_is_one_of_the_node_s(graph, files):
    tables = {table.node: table for table in TABLES}
    texts = {
        'openface': 'face.csv', 'audio': 'voice.wav', 'checkpoint': 'model.safetensors',
        'actuators': 'mine.yaml',
    }  # fmt: skip
    made = GRAPHS[graph]()
    given = {argument.name: argument.default or '1' for argument in made.arguments}
    given |= {name: str(files / file) for name, file in texts.items() if name in given}
    found = []
    if graph == 'bringup':  # a bag replaces the other sources
        given |= {'namespace': '', 'record': str(files / 'new.mcap'), 'bag_namespace': 'a'}
        given |= {'view': 'true'}
        found = made.nodes({**given, 'openface': '', 'audio': '', 'bag': str(files)})
        given['bag'] = ''
    found += made.nodes(given)
    if graph == 'bringup':
        found += made.nodes({'openface': 'camera:0', 'audio': 'none', 'screen': 'false'})
    for node in found:
        for name, value in node.parameters.items():
            if name != 'use_sim_time':
                assert type(value) is type(tables[node.name][name].default), (node.name, name)
    assert {node.name for node in found} == {
        'bringup': set(NODES) - {'reaction_server'},
        'reaction_server': {'reaction_server'},
    }[graph]


def test_the_default_parameter_file_is_this_tree_s():
    for make in GRAPHS.values():
        defaults = {argument.name: argument.default for argument in make().arguments}
        assert defaults['params_file'] == str(CONFIG)
    assert {name.rpartition('/')[2] for name in yaml.safe_load(CONFIG.read_text())} == set(NODES)


@pytest.mark.parametrize('graph', sorted(GRAPHS))
def test_arguments_are_listed_with_description_and_default(graph):
    shown = format_arguments(GRAPHS[graph]())
    for argument in GRAPHS[graph]().arguments:
        block = f"    '{argument.name}':\n        {argument.description}\n        (default: '"
        assert block in shown and len(argument.description) > 10


def test_it_needs_no_rclpy_launch_or_numerics():
    code = 'import sys, robot_face_gen.graph; print(*sys.modules, sep="\\n")'
    told = run_python(code, check=True)
    loaded = set(told.stdout.split())
    assert 'robot_face_gen.graph' in loaded
    assert not loaded & {'rclpy', 'launch', 'launch_ros', 'numpy', 'torch'}


@pytest.mark.parametrize(
    'text, near',
    [
        ('reaction_nod:\n  ros__parameters: {hop: 2}', 'reaction_node'),
        ('/**/whisper:\n  ros__parameters: {hop_s: 0.08}', 'whisper_node'),
        ('/robot1:\n  open_face_node:\n    ros__parameters: {speed: 2.0}', 'openface_node'),
    ],
)
def test_a_misspelt_node_is_reported_with_a_guess(tmp_path, text, near):
    path = tmp_path / 'robot.yaml'
    path.write_text(text)
    (told,) = misspelt_nodes(str(path))
    assert str(path) in told and f"did you mean '{near}'?" in told


@pytest.mark.parametrize(
    'text',
    [
        'reaction_node:\n  ros__parameters: {hop: 2}',
        '/robot1/reaction_node:\n  ros__parameters: {hop: 2}',
        '/**:\n  ros__parameters: {use_sim_time: true}',
        'controller_server:\n  ros__parameters: {odom_topic: x}',
        '[not, a, file, of, parameters]',
        '',
    ],
)
def test_other_entries_are_left_alone(tmp_path, text):
    path = tmp_path / 'robot.yaml'
    path.write_text(text)
    assert misspelt_nodes(str(path)) == []


def test_a_recording_never_replaces_a_file(tmp_path):
    old = tmp_path / 'old.mcap'
    old.touch()
    with pytest.raises(ValueError, match=f'record:={old}: exists; remove it or choose another'):
        nodes(record=str(old))


@pytest.mark.parametrize(
    'text, problem',
    [
        (b'a: {b: 1}\nc: [unfinished\n', 'line 3: not valid YAML: '),
        (b'a: 1\na: 2', "line 2: 'a' is given twice"),
        (b'fLaC\x00\xff', 'utf-8'),
    ],
)
def test_an_invalid_parameter_file_is_an_error(tmp_path, text, problem):
    path = tmp_path / 'robot.yaml'
    path.write_bytes(text)
    with pytest.raises(ValueError) as error:
        misspelt_nodes(str(path))
    assert f'params_file:={path}: {problem}' in str(error.value).replace("'utf-8'", 'utf-8')


@pytest.mark.parametrize('is_installed', [True, False])
def test_the_screen_starts_by_itself_where_its_web_server_is_installed(monkeypatch, is_installed):
    monkeypatch.setattr('robot_face_gen.graph.has_screen', lambda: is_installed)
    graph = GRAPHS['bringup']()
    assert ('face_screen_node' in nodes()) == is_installed
    assert ['aiohttp' in remark for remark in graph.remarks({})] == [True] * (not is_installed)
    assert graph.remarks({'screen': 'false'}) == []
    assert 'face_screen_node' in nodes(screen='true')
