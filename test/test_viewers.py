# SPDX-License-Identifier: Apache-2.0
"""The configurations of rviz, rqt and Foxglove, against the names in these programs' sources.

The names of plug-ins and properties below are those of rviz (rviz_default_plugins, rviz_common),
rqt (rqt_image_view, rqt_plot, rqt_reconfigure, rqt_robot_monitor) and Lichtblick, the open branch
of Foxglove Studio.
"""

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

from robot_face_gen.graph import GRAPHS
from robot_face_gen.layout import AU
from robot_face_gen.nodes.inspection_tables import VIEW
from robot_face_gen.resources import share_folder
from robot_face_gen.topics import FACE, REACTION_TOPIC
from robot_face_gen.viewers import TOPICS, VIEWERS

CONFIG = share_folder() / 'config'
MESSAGES = Path(__file__).resolve().parents[1] / 'robot_face_gen_msgs' / 'msg'
TYPES = {f'/{topic}': kind for topic, kind in (*VIEW.publishes, FACE, REACTION_TOPIC)}

POLICIES = {
    'Reliability Policy': {'System Default', 'Reliable', 'Best Effort'},
    'Durability Policy': {'System Default', 'Transient Local', 'Volatile'},
    'History Policy': {'System Default', 'Keep Last', 'Keep All'},
}
ALL = {'Class', 'Name', 'Enabled', 'Value'}
DISPLAYS = {
    'Grid': {
        'Alpha', 'Cell Size', 'Color', 'Line Style', 'Normal Cell Count', 'Offset', 'Plane',
        'Plane Cell Count', 'Reference Frame',
    },
    'TF': {
        'Frame Timeout', 'Frames', 'Marker Scale', 'Show Arrows', 'Show Axes', 'Show Names',
        'Update Interval', 'Tree', 'Filter (whitelist)', 'Filter (blacklist)',
    },
    'MarkerArray': {'Namespaces', 'Topic'},
    'RobotModel': {
        'Alpha', 'Collision Enabled', 'Description File', 'Description Source',
        'Description Topic', 'Links', 'Mass Properties', 'TF Prefix', 'Update Interval',
        'Visual Enabled',
    },
    'Image': {'Max Value', 'Median window', 'Min Value', 'Normalize Range', 'Topic'},
}  # fmt: skip
SHOWS = {'Image': 'sensor_msgs/msg/Image', 'MarkerArray': 'visualization_msgs/msg/MarkerArray'}
TOOLS = {'Interact', 'MoveCamera', 'Select', 'FocusCamera', 'Measure', 'SetInitialPose', 'SetGoal',
         'PublishPoint'}  # fmt: skip
PANELS = {'Displays', 'Selection', 'Tool Properties', 'Views', 'Time'}
ORBIT = {
    'Class', 'Name', 'Value', 'Distance', 'Focal Point', 'Near Clip Distance', 'Pitch', 'Yaw',
    'Target Frame',
}  # fmt: skip


def rviz():
    return yaml.safe_load((CONFIG / 'robot_face.rviz').read_text())


def display(name):
    package, _, plugin = name.partition('/')
    assert package == 'rviz_default_plugins'
    return plugin


def test_rviz_shows_what_the_node_publishes():
    manager = rviz()['Visualization Manager']
    shown = set()
    for each in manager['Displays']:
        plugin = display(each['Class'])
        assert set(each) <= ALL | DISPLAYS[plugin], plugin
        assert each['Enabled'] == each['Value']
        for name in ('Topic', 'Description Topic'):
            if name not in each:
                continue
            topic = dict(each[name])
            value, depth = topic.pop('Value'), topic.pop('Depth')
            assert depth > 0
            assert set(topic) == set(POLICIES)
            assert all(policy in POLICIES[key] for key, policy in topic.items())
            if name == 'Topic':
                assert TYPES[value] == SHOWS[plugin]
                shown.add(value)
    assert shown == {f'/{topic}' for topic, _ in VIEW.publishes}
    assert manager['Global Options']['Fixed Frame'] == VIEW['base_frame'].default
    assert {display(tool['Class']) for tool in manager['Tools']} <= TOOLS
    view = manager['Views']['Current']
    assert display(view['Class']) == 'Orbit' and set(view) <= ORBIT
    for panel in rviz()['Panels']:
        package, _, name = panel['Class'].partition('/')
        assert package == 'rviz_common' and name in PANELS


RUNNING = {
    'rqt_image_view/ImageView': {
        'topic', 'zoom1', 'dynamic_range', 'toolbar_hidden', 'smooth_image',
    },
    'rqt_plot/Plot': {'autoscroll', 'plot_type', 'y_limits', 'topics'},
    'rqt_reconfigure/Param': {'selected_nodes'},
    'rqt_robot_monitor/RobotMonitor': set(),
}  # fmt: skip


def values(group):
    """The settings of a plug-in; rqt evaluates the texts, so they must be literals."""
    assert all(set(item) == {'type', 'repr'} for item in group.values())
    assert all(item['type'] == 'repr' for item in group.values())
    return {key: ast.literal_eval(item['repr']) for key, item in group.items()}


def check_field(topic, path):
    """A field with its index exists in the message of a topic."""
    package, _, name = TYPES[topic].partition('/msg/')
    assert package == 'robot_face_gen_msgs'
    field, index = re.fullmatch(r'(\w+)\[(\d+)\]', path).groups()
    (size,) = re.findall(rf'float32\[(\d+)\] {field}\n', (MESSAGES / f'{name}.msg').read_text())
    assert int(index) < int(size)


def test_rqt_shows_images_plots_monitor_and_parameters():
    tree = json.loads((CONFIG / 'robot_face.perspective').read_text())
    manager = tree['groups']['pluginmanager']
    running = values(manager['keys'])['running-plugins']
    assert set(running) == set(RUNNING)
    groups = {
        f'plugin__{plugin.replace("/", "__")}__{number}': plugin
        for plugin, numbers in running.items()
        for number in numbers
    }
    assert set(manager['groups']) == set(groups)
    images, plots = set(), set()
    for name, plugin in groups.items():
        found = values(manager['groups'][name]['groups']['plugin']['keys'])
        assert set(found) <= RUNNING[plugin]
        if 'Image' in plugin:
            assert TYPES[found['topic']] == 'sensor_msgs/msg/Image'
            images.add(found['topic'])
        for path in found.get('topics', ()):
            topic, _, field = path.rpartition('/')
            check_field(topic, field)
            plots.add(path)
    assert images == {'/robot_face/image', '/speaker/image'}
    reaction = f'/{REACTION_TOPIC[0]}'
    assert plots == {
        f'{reaction}/action_units[{AU["AU12"]}]',
        f'{reaction}/action_units[{AU["AU04"]}]',
        f'{reaction}/pose[0]',
    }


FOXGLOVE = {
    'Image': {'foxglovePanelTitle', 'imageMode'},
    '3D': {'foxglovePanelTitle', 'followTf', 'followMode', 'cameraState', 'scene', 'transforms',
           'topics', 'layers', 'publish'},
    'Plot': {'foxglovePanelTitle', 'paths', 'showXAxisLabels', 'showYAxisLabels', 'showLegend',
             'legendDisplay', 'showPlotValuesInLegend', 'isSynced', 'xAxisVal',
             'sidebarDimension', 'followingViewWidth', 'minYValue', 'maxYValue'},
    'DiagnosticSummary': {'minLevel', 'pinnedIds', 'hardwareIdFilter', 'topicToRender',
                          'sortByLevel'},
    'Parameters': {'foxglovePanelTitle'},
}  # fmt: skip


def leaves(layout):
    if isinstance(layout, str):
        return [layout]
    assert set(layout) == {'direction', 'first', 'second', 'splitPercentage'}
    assert layout['direction'] in ('row', 'column')
    return leaves(layout['first']) + leaves(layout['second'])


def test_foxglove_shows_the_same():
    layout = json.loads((CONFIG / 'robot_face.foxglove.json').read_text())
    panels = layout['configById']
    assert sorted(leaves(layout['layout'])) == sorted(panels)
    assert {'configById', 'layout', 'globalVariables', 'userNodes', 'playbackConfig'} == set(
        layout
    )
    topics = set()
    for name, config in panels.items():
        kind = name.partition('!')[0]
        assert set(config) <= FOXGLOVE[kind], kind
        if kind == 'Image':
            topics.add(config['imageMode']['imageTopic'])
        if kind == '3D':
            topics |= set(config['topics'])
            assert config['followTf'] == VIEW['base_frame'].default
        for path in config.get('paths', ()):
            topic, _, field = path['value'].partition('.')
            check_field(topic, field)
            assert path['timestampMethod'] in ('receiveTime', 'headerStamp')
    assert topics == {f'/{topic}' for topic, _ in VIEW.publishes}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder as of a ROS 2 that has the viewers."""
    for viewer in (viewer for viewers in VIEWERS.values() for viewer in viewers):
        program = tmp_path / 'lib' / viewer.package / viewer.executable
        program.parent.mkdir(parents=True)
        program.touch()
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'{tmp_path / "none"}:{tmp_path}')
    return tmp_path


def test_launch_arguments_start_the_viewers_with_their_files(installed):
    none = {'openface': 'none', 'audio': 'none', 'screen': 'false'}
    names = [node.name for node in GRAPHS['bringup']().nodes(none)]
    assert 'face_view_node' not in names and 'rviz2' not in names
    given = {**none, 'rviz': 'true', 'rqt': 'true', 'namespace': 'bob', 'use_respawn': 'true'}
    found = {node.name: node for node in GRAPHS['bringup']().nodes(given)}
    assert 'face_view_node' in found
    rviz2 = found['rviz2']
    assert rviz2.viewer.path() == str(installed / 'lib/rviz2/rviz2')
    assert rviz2.arguments == ('-d', str(CONFIG / 'robot_face.rviz'))
    assert Path(rviz2.arguments[1]).is_file() and not rviz2.respawn
    assert found['rqt_gui'].arguments[0] == '--perspective-file'
    assert Path(found['rqt_gui'].arguments[1]).is_file()
    assert found['diagnostic_aggregator'].arguments == ()
    assert dict(rviz2.remappings) == {f'/{topic}': topic for topic in TOPICS}
    assert {f'/{topic}' for topic in TOPICS} <= set(TYPES)
    only = {node.name for node in GRAPHS['bringup']().nodes({**none, 'view': 'true'})}
    assert 'face_view_node' in only and 'rviz2' not in only
    off = {node.name for node in GRAPHS['bringup']().nodes({**given, 'view': 'false'})}
    assert 'face_view_node' not in off and 'rviz2' in off


def test_a_viewer_that_is_not_installed_is_an_error(monkeypatch):
    monkeypatch.setenv('AMENT_PREFIX_PATH', '')
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    with pytest.raises(ValueError, match=r'rviz:=true: rviz2 was not .*install ros-jazzy-rviz2'):
        GRAPHS['bringup']().nodes({'rviz': 'true'})
    with pytest.raises(ValueError, match=r'rqt:=true: .* ros-jazzy-rqt-gui'):
        GRAPHS['bringup']().nodes({'rqt': 'true'})
