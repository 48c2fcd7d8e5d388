"""Nodes in one process: topics, QoS, parameters from the command line, what is refused."""

import pytest
from rclpy.duration import Duration
from rclpy.exceptions import (
    InvalidNodeNameException,
    InvalidTopicNameException,
    NotInitializedException,
    NoTypeSupportImportedException,
)
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    InvalidQoSProfileException,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
    qos_profile_sensor_data,
)
from rclpy.qos_overriding_options import QoSOverridingOptions
from std_msgs.msg import Header, String

from robot_face_gen.ros_runtime.exceptions import RCLError

pytestmark = pytest.mark.graph


def test_message_goes_round(make_node, spin_until):
    node, heard = make_node(), []
    publisher = node.create_publisher(String, 'words', 10)
    node.create_subscription(String, 'words', heard.append, 10)
    raw = []
    node.create_subscription(String, '/words', raw.append, 10, raw=True)
    publisher.publish(String(data='hello'))
    publisher.publish(raw_bytes('again'))
    spin_until(lambda: len(heard) == 2 and len(raw) == 2, node)
    assert [message.data for message in heard] == ['hello', 'again']
    assert raw == [raw_bytes('hello'), raw_bytes('again')]
    assert (publisher.topic_name, publisher.get_subscription_count()) == ('/words', 2)


def raw_bytes(text):
    from rclpy.serialization import serialize_message

    # DDS carries multiples of four bytes.
    data = serialize_message(String(data=text))
    return data.ljust((len(data) + 3) & ~3, b'\0')


def test_end_of_a_publisher_is_no_message(make_node, spin_until):
    node, heard = make_node(), []
    subscription = node.create_subscription(String, 'words', heard.append, 10)
    publisher = node.create_publisher(String, 'words', 10)
    publisher.publish(String(data='last'))
    spin_until(lambda: heard, node)
    node.destroy_publisher(publisher)
    spin_until(lambda: not subscription.get_publisher_count(), node)
    # What DDS tells of the end is taken in the rounds that follow.
    spin_until(iter([False, False, True]).__next__, node)
    assert [message.data for message in heard] == ['last']


def test_those_who_come_late_get_what_is_kept(make_node, spin_until):
    kept = QoSProfile(depth=2, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node, heard, nothing = make_node(), [], []
    publisher = node.create_publisher(String, 'words', kept)
    for text in 'abc':
        publisher.publish(String(data=text))
    node.create_subscription(String, 'words', nothing.append, 10)
    node.create_subscription(String, 'words', lambda message: heard.append(message.data), kept)
    spin_until(lambda: len(heard) == 2, node)
    assert heard == ['b', 'c'] and not nothing


def test_queue_keeps_the_newest(make_node, spin_until):
    node, heard = make_node(), []
    publisher = node.create_publisher(String, 'words', 10)
    node.create_subscription(String, 'words', lambda message: heard.append(message.data), 2)
    for text in 'abcd':
        publisher.publish(String(data=text))
    spin_until(lambda: len(heard) == 2, node)
    assert heard == ['c', 'd']


def test_names_are_remapped_and_namespaced(make_node):
    node = make_node(
        'ear', namespace='robot', cli_args=['-r', 'a:=b', '-r', '__node:=eye', '-r', '/x:=~/y']
    )
    assert node.get_fully_qualified_name() == '/robot/eye'
    assert node.get_logger().name == 'robot.eye'
    assert node.create_publisher(String, 'a', 1).topic_name == '/robot/b'
    assert node.resolve_topic_name('/x') == '/robot/eye/y'
    assert node.resolve_topic_name('/x', only_expand=True) == '/x'


def test_parameters_come_from_file_and_line(make_node, tmp_path):
    path = tmp_path / 'p.yaml'
    path.write_text('/**: {ros__parameters: {a: 1, b: 1}}\n/other: {ros__parameters: {c: 9}}\n')
    node = make_node(
        cli_args=['--params-file', str(path), '-p', 'b:=2'],
        parameter_overrides=[Parameter('d', value='x')],
    )
    for name, default in (('a', 0), ('b', 0), ('c', 0), ('d', '')):
        node.declare_parameter(name, default)
    assert [p.value for p in node.get_parameters(list('abcd'))] == [1, 2, 0, 'x']


def test_overrides_can_be_declared_by_themselves(make_node):
    node = make_node(
        cli_args=['-p', 'deep.gain:=2.5'], automatically_declare_parameters_from_overrides=True
    )
    assert node.get_parameter('deep.gain').value == 2.5


def test_qos_can_be_set_by_parameters(make_node):
    name = 'qos_overrides./words.publisher.'
    node = make_node(cli_args=['-p', f'{name}reliability:=best_effort', '-p', f'{name}depth:=3'])
    publisher = node.create_publisher(
        String, 'words', 10, qos_overriding_options=QoSOverridingOptions.with_default_policies()
    )
    assert publisher.qos_profile.reliability is ReliabilityPolicy.BEST_EFFORT
    assert publisher.qos_profile.depth == 3
    assert node.get_parameter(f'{name}history').value == 'keep_last'
    info = node.get_publishers_info_by_topic('words')[0].qos_profile
    assert info.reliability is ReliabilityPolicy.BEST_EFFORT
    refused = make_node('other', cli_args=['-p', f'{name}reliability:=sometimes'])
    words = r"words\.publisher\.reliability.*'sometimes'.*reliable"
    with pytest.raises(RuntimeError, match=words):
        refused.create_publisher(
            String, 'words', 10,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )  # fmt: skip


def test_profile_is_the_nodes_own(make_node):
    profile = QoSProfile(depth=1)
    publisher = make_node().create_publisher(String, 'words', profile)
    profile.depth = 5
    assert publisher.qos_profile.depth == 1


def test_bad_use_is_refused(make_node, context):
    node = make_node()
    with pytest.raises(InvalidTopicNameException, match='a b'):
        node.create_publisher(String, 'a b', 10)
    with pytest.raises(NoTypeSupportImportedException):
        node.create_publisher(str, 'a', 10)
    with pytest.raises(TypeError, match='QoSProfile'):
        node.create_publisher(String, 'a', 'ten')
    with pytest.raises(ValueError, match='greater'):
        node.create_subscription(String, 'a', print, -1)
    with pytest.raises(InvalidNodeNameException, match='1st'):
        make_node('1st')
    publisher = node.create_publisher(String, 'a', 10)
    with pytest.raises(TypeError, match='String'):
        publisher.publish(Header())
    node.destroy_publisher(publisher)
    with pytest.raises(RCLError, match='destroyed'):
        publisher.publish(String())
    rest = node.create_publisher(String, 'a', 10)
    context.try_shutdown()
    with pytest.raises(RCLError, match='context is invalid'):
        rest.publish(String())
    with pytest.raises(NotInitializedException):
        Node('late', context=context)


def test_profiles_say_what_they_lack():
    with pytest.raises(InvalidQoSProfileException, match='depth'):
        QoSProfile()
    with pytest.raises(InvalidQoSProfileException, match='KEEP_LAST'):
        QoSProfile(history=HistoryPolicy.KEEP_LAST)
    with pytest.raises(AssertionError, match='deadline'):
        QoSProfile(depth=1, deadline=3)
    assert QoSProfile(depth=5, reliability=2, liveliness=0) == qos_profile_sensor_data


@pytest.mark.parametrize(
    ('offered', 'requested', 'wanted'),
    [
        ({}, {}, QoSCompatibility.OK),
        ({'reliability': ReliabilityPolicy.BEST_EFFORT}, {}, QoSCompatibility.ERROR),
        ({}, {'durability': DurabilityPolicy.TRANSIENT_LOCAL}, QoSCompatibility.ERROR),
        ({}, {'deadline': Duration(seconds=1)}, QoSCompatibility.ERROR),
        (
            {'deadline': Duration(seconds=1)},
            {'deadline': Duration(seconds=2)},
            QoSCompatibility.OK,
        ),
    ],
)
def test_incompatible_profiles_are_known_beforehand(offered, requested, wanted):
    found, reason = qos_check_compatible(
        QoSProfile(depth=1, **offered), QoSProfile(depth=1, **requested)
    )
    assert found is wanted and bool(reason) == (wanted is QoSCompatibility.ERROR)


def test_destroyed_node_leaves_the_graph(make_node, spin_until):
    observer, gone = make_node('observer'), make_node('gone')
    gone.create_publisher(String, 'words', 10)
    spin_until(lambda: ('gone', '/') in observer.get_node_names_and_namespaces(), observer)
    assert observer.count_publishers('words') == 1
    gone.destroy_node()
    spin_until(lambda: ('gone', '/') not in observer.get_node_names_and_namespaces(), observer)
    assert observer.count_publishers('words') == 0


def test_node_names_and_topics_are_found(make_node):
    node = make_node('ear', namespace='/robot')
    node.create_publisher(String, 'words', 10)
    node.create_subscription(Header, '/head', print, 10)
    topics = dict(node.get_topic_names_and_types())
    assert topics['/robot/words'] == ['std_msgs/msg/String']
    assert topics['/head'] == ['std_msgs/msg/Header']
    assert ('/robot/words', ['std_msgs/msg/String']) in (
        node.get_publisher_names_and_types_by_node('ear', '/robot')
    )
    assert ('/head', ['std_msgs/msg/Header']) in (
        node.get_subscriber_names_and_types_by_node('ear', '/robot')
    )
    services = dict(node.get_service_names_and_types_by_node('ear', '/robot'))
    assert services['/robot/ear/list_parameters'] == ['rcl_interfaces/srv/ListParameters']
    info = node.get_publishers_info_by_topic('words')[0]
    assert (info.node_name, info.node_namespace) == ('ear', '/robot')
    assert len(info.endpoint_gid) == 16
