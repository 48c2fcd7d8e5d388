"""Real processes on the wire; an independent implementation of ROS 2's rules on the other side."""

import pytest
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import DurabilityPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from robot_face_gen.ros_runtime.definitions import definitions, message_folder
from robot_face_gen_msgs.msg import FaceReaction

pytestmark = pytest.mark.graph

ROSLESS = """
import sys, time
import rosless
rosless.register_path(sys.argv[1])
node = rosless.Node(int(sys.argv[2]))
"""


@pytest.fixture
def start_rosless(start, ros_domain):
    return lambda text: start(text, str(message_folder().parent), str(ros_domain), preface=ROSLESS)


def test_independent_implementation_hears_us(make_node, start_rosless, spin_until):
    node = make_node('listener_face')
    publisher = node.create_publisher(FaceReaction, 'robot_face/reaction', 10)
    reaction = FaceReaction(frame=7, gaze=[0.25, -0.5])
    reaction.header.frame_id = 'robot'
    reaction.landmarks[:] = range(136)
    node.create_timer(0.02, lambda: publisher.publish(reaction))
    peer = start_rosless("""
with node.subscribe('/robot_face/reaction', 'robot_face_gen_msgs/msg/FaceReaction') as topic:
    message = topic.read(15)
    print('heard', message.frame, message.header.frame_id, list(message.gaze),
          sum(message.landmarks))
print('saw', [t.name for t in node.graph().topics if t.publishers])
""")
    spin_until(lambda: 'saw' in peer.text, node)
    peer.expect(r'^heard 7 robot \[0\.25, -0\.5\] 9180\.0$')
    assert '/robot_face/reaction' in peer.expect(r'^saw (.*)$')[1]


def test_we_hear_an_independent_implementation(make_node, start_rosless, spin_until):
    node, heard = make_node('watcher'), []
    node.create_subscription(FaceReaction, 'robot_face/reaction', heard.append, 10)
    start_rosless("""
topic = node.advertise('/robot_face/reaction', 'robot_face_gen_msgs/msg/FaceReaction')
empty = rosless.Message('std_msgs/msg/Header', frame_id='robot', stamp=rosless.Message(
    'builtin_interfaces/msg/Time', sec=3, nanosec=4))
for number in range(1000):
    topic.send(rosless.Message(
        'robot_face_gen_msgs/msg/FaceReaction', header=empty, frame=number,
        landmarks=[0.5] * 136, action_units=[1.0] * 18, pose=[0.0, 0.25, 0.5, 1.0],
        gaze=[0.25, -0.5], source_stamp=rosless.Message(
            'builtin_interfaces/msg/Time', sec=1, nanosec=2)))
    time.sleep(0.02)
""")
    spin_until(lambda: len(heard) >= 3, node)
    first, second = heard[0], heard[1]
    assert second.frame == first.frame + 1
    assert first.pose.tolist() == [0.0, 0.25, 0.5, 1.0] and set(first.landmarks) == {0.5}
    assert (first.header.stamp.sec, first.source_stamp.nanosec) == (3, 2)
    assert first.header.frame_id == 'robot'


TALKER = """
import sys
from rclpy.qos import QoSProfile, DurabilityPolicy, ReliabilityPolicy
from std_msgs.msg import String
rclpy.init(args=['prog', *sys.argv[1:]])
node = Node('talker')
kept = node.create_publisher(
    String, 'kept', QoSProfile(depth=3, durability=DurabilityPolicy.TRANSIENT_LOCAL))
for text in 'abcd':
    kept.publish(String(data=text))
lossy = node.create_publisher(
    String, 'lossy', QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
node.create_subscription(String, 'back', lambda message: print('got', message.data), 10)
node.declare_parameter('gain', 1.5)
print('ready', node.get_fully_qualified_name(), node.get_parameter('gain').value)
try:
    rclpy.spin(node)
except (KeyboardInterrupt, ExternalShutdownException) as error:
    print('ended by', type(error).__name__)
finally:
    node.destroy_node()
    rclpy.try_shutdown()
"""


def test_processes_see_and_hear_each_other(make_node, start, spin_until, tmp_path):
    path = tmp_path / 'p.yaml'
    path.write_text('/robot/ear: {ros__parameters: {gain: 2.5}}\n')
    talker = start(TALKER, '--ros-args', '-r', '__ns:=/robot', '-r', '__node:=ear',
                   '-r', 'kept:=stored', '--params-file', str(path))  # fmt: skip
    talker.expect(r'^ready /robot/ear 2\.5$')
    node, heard = make_node('watcher'), []
    profile = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_subscription(
        String, '/robot/stored', lambda message: heard.append(message.data), profile
    )
    spin_until(lambda: len(heard) == 3, node)
    assert heard == ['b', 'c', 'd']
    publisher = node.create_publisher(String, '/robot/back', 10)
    spin_until(lambda: publisher.get_subscription_count() == 1, node)
    publisher.publish(String(data='echo'))
    talker.expect('^got echo$')

    spin_until(lambda: ('ear', '/robot') in node.get_node_names_and_namespaces(), node)
    assert dict(node.get_publisher_names_and_types_by_node('ear', '/robot')) == {
        '/robot/stored': ['std_msgs/msg/String'],
        '/robot/lossy': ['std_msgs/msg/String'],
        '/parameter_events': ['rcl_interfaces/msg/ParameterEvent'],
        '/rosout': ['rcl_interfaces/msg/Log'],
    }
    info = node.get_publishers_info_by_topic('/robot/lossy')[0]
    assert (info.node_name, info.topic_type) == ('ear', 'std_msgs/msg/String')
    assert info.qos_profile.reliability is ReliabilityPolicy.BEST_EFFORT
    kept = node.get_publishers_info_by_topic('/robot/stored')[0].qos_profile
    assert kept.durability is DurabilityPolicy.TRANSIENT_LOCAL
    assert talker.end() == 0
    spin_until(lambda: not node.count_publishers('/robot/lossy'), node)
    assert ('ear', '/robot') not in node.get_node_names_and_namespaces()


def test_incompatible_qos_is_told(make_node, start, spin_until, capfd):
    talker = start(TALKER)
    talker.expect('^ready')
    node, events = make_node('watcher'), []
    node.create_subscription(String, 'lossy', print, 10)
    node.create_subscription(
        String, 'lossy', print, 10,
        event_callbacks=SubscriptionEventCallbacks(incompatible_qos=events.append),
    )  # fmt: skip
    spin_until(lambda: events and 'incompatible QoS' in talker.text, node)
    assert events[0].last_policy_kind is QoSPolicyKind.RELIABILITY
    assert events[0].total_count == 1
    # Both sides say so by themselves.
    assert 'RELIABILITY' in talker.expect(r"WARN.*\[talker\].*'/lossy'.*incompatible QoS.*$")[0]
    error = capfd.readouterr().err
    assert '[watcher]' in error and "'/lossy'" in error and 'RELIABILITY' in error


def test_discovery_carries_what_ros2_reads(make_node):
    """Enclave, type hash and names on the wire, read back through DDS itself."""
    from cyclonedds.builtin import (
        BuiltinDataReader,
        BuiltinTopicDcpsParticipant,
        BuiltinTopicDcpsPublication,
    )
    from cyclonedds.qos import Policy

    node = make_node('ear')
    node.create_publisher(String, 'words', 10)
    participant = node.context.participant.entity
    seen = BuiltinDataReader(participant, BuiltinTopicDcpsParticipant).take(N=10)
    assert b'enclave=/;' in [sample.qos[Policy.Userdata].data for sample in seen]
    endpoints = {
        sample.topic_name: sample
        for sample in BuiltinDataReader(participant, BuiltinTopicDcpsPublication).take(N=100)
    }
    words = endpoints['rt/words']
    assert words.type_name == 'std_msgs::msg::dds_::String_'
    assert words.qos[Policy.Userdata].data.decode() == (
        f'typehash={definitions().type_hash("std_msgs/msg/String")};'
    )
    assert words.qos[Policy.DataRepresentation] == Policy.DataRepresentation(
        use_cdrv0_representation=True
    )
    # Without it every ROS 2 command warns of each of our processes.
    hashed = definitions().type_hash('rmw_dds_common/msg/ParticipantEntitiesInfo')
    graph = endpoints['ros_discovery_info']
    assert graph.qos[Policy.Userdata].data.decode() == f'typehash={hashed};'
    reply = endpoints['rr/ear/get_parametersReply']
    assert reply.type_name == 'rcl_interfaces::srv::dds_::GetParameters_Response_'
    said = reply.qos[Policy.Userdata].data.decode()
    hashed = definitions().type_hash('rcl_interfaces/srv/GetParameters_Response')
    assert said.startswith('serviceid=') and said.endswith(f';typehash={hashed};')


def test_log_and_parameter_events_are_topics(make_node, start, spin_until):
    from rcl_interfaces.msg import Log, ParameterEvent
    from rclpy.qos import qos_profile_parameter_events

    node, logs, events = make_node('watcher'), [], []
    kept = QoSProfile(depth=50, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_subscription(Log, '/rosout', logs.append, kept)
    node.create_subscription(
        ParameterEvent, '/parameter_events', events.append, qos_profile_parameter_events
    )
    start("""
from rclpy.parameter import Parameter
rclpy.init()
node = Node('talker')
node.get_logger().get_child('mouth').warning('open')
node.declare_parameter('gain', 1.5)
def change():
    node.set_parameters([Parameter('gain', value=2.5)])
node.create_timer(0.05, change)
rclpy.spin(node)
""")
    spin_until(lambda: any(e.changed_parameters for e in events) and any(
        log.name == 'talker.mouth' for log in logs), node)  # fmt: skip
    log = next(log for log in logs if log.name == 'talker.mouth')
    assert (log.msg, log.level) == ('open', 30)
    event = next(event for event in events if event.changed_parameters)
    assert event.node == '/talker'
    assert event.changed_parameters[0].value.double_value == 2.5


def test_domains_are_apart(make_node, start, spin_until, monkeypatch, ros_domain):
    node = make_node('watcher')
    monkeypatch.setenv('ROS_DOMAIN_ID', str(ros_domain + 100))
    start(TALKER).expect('^ready')
    monkeypatch.setenv('ROS_DOMAIN_ID', str(ros_domain))
    start(TALKER, '--ros-args', '-r', '__node:=near').expect('^ready')
    spin_until(lambda: ('near', '/') in node.get_node_names_and_namespaces(), node)
    assert ('talker', '/') not in node.get_node_names_and_namespaces()
