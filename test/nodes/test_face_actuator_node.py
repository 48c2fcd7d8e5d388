# SPDX-License-Identifier: Apache-2.0
"""`face_actuator_node` as a process; the test sends reactions and receives the commands."""

import contextlib
import signal
import threading
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64MultiArray
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory

from robot_face_gen.face.actuator_file import read_actuators
from robot_face_gen.face.easing import NEUTRAL
from robot_face_gen.layout import AU, BRANCH_SLICES
from robot_face_gen.nodes.messages import from_reaction, to_ns, to_time
from robot_face_gen.timing import SECOND_NS
from robot_face_gen_msgs.msg import FaceReaction

pytestmark = [pytest.mark.graph, pytest.mark.real_time]
NODE = 'face_actuator_node'
CONFIG = Path(__file__).resolve().parents[2] / 'config'
HEAD = read_actuators(CONFIG / 'actuators.yaml')
STATES = '/robot_face/joint_states'
PERIOD_S = 0.02
ATTEMPTS = 5
LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
COLUMN = {name: index for index, name in enumerate(HEAD.names)}


def smile():
    face = {name: NEUTRAL[columns].copy() for name, columns in BRANCH_SLICES.items()}
    face['au'][[AU['AU12'], AU['AU01']]] = 4.0, 3.0
    face['pose'][:2] = 0.3, 0.4
    return face


class Source:
    """Publishes a face 25 times a second while `running`."""

    def __init__(self, peer):
        self._peer, self._end = peer, threading.Event()
        self._publisher = peer.node.create_publisher(FaceReaction, '/robot_face/reaction', 5)
        self.running, self.face, self.last_ns = threading.Event(), smile(), 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        frame = 0
        while not self._end.wait(0.04):
            if self.running.is_set():
                frame += 1
                self.last_ns = self._peer.node.get_clock().now().nanoseconds
                self._publisher.publish(
                    from_reaction(self.face, frame, self.last_ns, self.last_ns, 'robot_face')
                )

    def close(self):
        self._end.set()
        self._thread.join()
        self._peer.destroy(self._publisher)


@pytest.fixture(scope='module')
def source(peer):
    source = Source(peer)
    peer.listen(JointState, STATES)
    yield source
    source.close()


@pytest.fixture(scope='module')
def shared():
    """The node that several tests share, if it runs."""
    return []


@pytest.fixture
def head(peer, source, shared, start_shared):
    """The node with the shipped file, following a smile."""
    if not shared:
        peer.statuses.pop(NODE, None)
        shared.append(start_shared(NODE))
    source.face = smile()
    source.running.set()
    wait_for_state(peer, 'fresh')
    return shared[0]


@pytest.fixture
def start(shared, start):
    """For tests with a node of their own."""
    while shared:
        shared.pop().kill()
    return start


def wait_for_state(peer, state):
    peer.wait_for(lambda: peer.values(NODE).get('state') == state, f'state {state}')


def commands(peer, seen=0):
    """Stamps in s, positions and velocities of the commands after the first `seen`."""
    messages = [message for _, message in peer.heard[STATES][seen:]]
    stamps = np.array([to_ns(message.header.stamp) for message in messages]) / 1e9
    return (
        stamps,
        np.array([message.position for message in messages]),
        np.array([message.velocity for message in messages]),
    )


def more(peer, count):
    """Wait for this many commands more; those commands."""
    seen = peer.count(STATES)
    peer.wait_for(lambda: peer.count(STATES) >= seen + count, f'{count} commands')
    return commands(peer, seen)


def wait_at(peer, name, position):
    column = COLUMN[name]
    peer.wait_for(
        lambda: (
            peer.heard[STATES]
            and abs(peer.heard[STATES][-1][1].position[column] - position) < 0.01
        ),
        f'{name} at {position}',
    )


def call_enable(peer, enabled):
    client = peer.node.create_client(SetBool, f'/{NODE}/enable')
    assert client.wait_for_service(timeout_sec=40.0)
    future = client.call_async(SetBool.Request(data=enabled))
    peer.wait_for(future.done, 'the answer of the service')
    assert future.result().success
    peer.destroy(client)


def wait_for_silence(peer):
    """No command for a hundred periods."""
    while True:
        seen = peer.count(STATES)
        with contextlib.suppress(AssertionError):
            peer.wait_for(lambda seen=seen: peer.count(STATES) > seen, 'a command', 2.0)
            continue
        return


def test_it_follows_reactions_at_50_hz_within_the_limits(peer, head):
    wait_at(peer, 'neck_tilt', 0.3)
    wait_at(peer, 'neck_pan', -0.4)
    wait_at(peer, 'lip_corner_left', 0.48)
    message = peer.heard[STATES][-1][1]
    assert tuple(message.name) == HEAD.names
    for _ in range(ATTEMPTS):  # a busy machine may disturb some
        stamps, positions, velocities = more(peer, 100)
        # Not faster than the period, or the limits would not hold in time.
        if (shortest_s := np.diff(stamps).min()) > 0.9 * PERIOD_S:
            break
    assert shortest_s > 0.9 * PERIOD_S
    assert (np.abs(velocities) <= HEAD.limits.max_speed).all()
    assert (positions >= HEAD.limits.low).all() and (positions <= HEAD.limits.high).all()


def neutral_after_s(peer, source):
    """Time from the last reaction until all but the lids are neutral and stay so."""
    wait_at(peer, 'neck_tilt', 0.3)
    seen = peer.count(STATES)
    source.running.clear()
    wait_at(peer, 'neck_tilt', 0.0)
    more(peer, 50)
    stamps, positions, _ = commands(peer, seen)
    others = [index for name, index in COLUMN.items() if not name.startswith('lid_')]
    away = np.abs(positions[:, others] - positions[-1, others]).max(axis=1) > 0.02
    settled_s = stamps[np.flatnonzero(away)[-1] + 1]
    return settled_s - source.last_ns / 1e9


def test_without_reactions_it_eases_to_neutral_and_goes_on_blinking(peer, head, source):
    found = []
    for _ in range(ATTEMPTS):  # a busy machine may disturb some
        source.running.set()
        found.append(neutral_after_s(peer, source))
        if found[-1] <= 1.3:
            break
    assert found[-1] <= 1.3, found
    wait_for_state(peer, 'eased')
    lid = COLUMN['lid_upper_left']
    for _ in range(2):
        seen = peer.count(STATES)
        peer.wait_for(lambda seen=seen: (commands(peer, seen)[1] < 0.1)[:, lid].any()
                      if peer.count(STATES) > seen else False, 'a blink')  # fmt: skip
        wait_at(peer, 'lid_upper_left', 0.516)
    source.running.set()
    wait_at(peer, 'neck_tilt', 0.3)


def test_a_stopped_process_goes_on_from_where_the_motors_are(peer, head, source):
    """SIGSTOP while it moves; the face has changed when it is continued."""
    wait_at(peer, 'neck_pan', -0.4)
    source.face = {**smile(), 'pose': np.array([-0.3, -0.4, 0.0, 0.65])}
    peer.wait_for(lambda: abs(peer.heard[STATES][-1][1].velocity[0]) > 0.5, 'a movement')
    head.process.send_signal(signal.SIGSTOP)
    wait_for_silence(peer)
    _, held, _ = commands(peer, peer.count(STATES) - 1)
    source.face = smile()
    seen = peer.count(STATES)
    head.process.send_signal(signal.SIGCONT)
    wait_at(peer, 'neck_pan', -0.4)
    _, positions, velocities = commands(peer, seen)
    # From rest: the first steps are as small as the acceleration allows.
    step = HEAD.limits.max_acceleration * PERIOD_S * PERIOD_S
    late = 2  # commands that were made before it stopped and received after
    changes = np.abs(np.diff(np.concatenate((held, positions)), axis=0))
    assert (changes <= HEAD.limits.max_speed * PERIOD_S + 1e-9).all()
    assert (changes[:late + 1] <= step + 1e-9).all(axis=1).any()  # fmt: skip
    jumps = np.abs(np.diff(velocities[late:], axis=0))
    assert (jumps <= HEAD.limits.max_acceleration * PERIOD_S + 1e-9).all()
    peer.wait_for(lambda: int(peer.values(NODE)['gaps']) >= 1, 'a gap in the diagnostics')


@pytest.mark.parametrize('qos', [LATCHED, BEST_EFFORT, QoSProfile(depth=10)])
def test_the_stop_topic_has_priority(peer, head, source, qos):
    wait_at(peer, 'neck_tilt', 0.3)
    publisher = peer.node.create_publisher(Bool, '/robot_face/stop', qos)
    try:
        peer.wait_for(lambda: publisher.get_subscription_count() >= 1, 'the subscription')
        wanted_state(peer, publisher, True, 'stopped')
        call_enable(peer, True)  # does not release it
        source.face = {**smile(), 'pose': np.array([-0.3, 0.0, 0.0, 0.65])}
        _, positions, velocities = more(peer, 60)
        assert not velocities.any() and not np.ptp(positions, axis=0).any()
        status = peer.statuses[NODE]
        assert status.level == b'\x02' and 'stopped by /robot_face/stop' in status.message
        wanted_state(peer, publisher, False, 'fresh')
        wait_at(peer, 'neck_tilt', -0.3)
    finally:
        peer.destroy(publisher)


def wanted_state(peer, publisher, stopped, state):
    """Publish until it is heard: a match that one side sees, the other may see later."""
    for _ in range(10):
        publisher.publish(Bool(data=stopped))
        with contextlib.suppress(AssertionError):
            peer.wait_for(lambda: peer.values(NODE).get('state') == state, f'state {state}', 2.0)
            return
    raise AssertionError(f'never {state}')


def test_disabled_it_sends_nothing(peer, head):
    wait_at(peer, 'neck_tilt', 0.3)
    call_enable(peer, False)
    wait_for_silence(peer)
    wait_for_state(peer, 'disabled')
    assert peer.values(NODE)['enabled'] == 'False'
    call_enable(peer, True)
    more(peer, 10)
    wait_for_state(peer, 'fresh')
    assert peer.values(NODE)['enabled'] == 'True'


def test_bad_reactions_are_counted_and_eased_over(peer, head, source):
    wait_at(peer, 'neck_tilt', 0.3)
    source.face = {**smile(), 'pose': np.array([np.nan, np.inf, 0.0, 0.65])}
    wait_for_state(peer, 'eased')
    wait_at(peer, 'neck_tilt', 0.0)
    assert int(peer.values(NODE)['invalid']) > 0
    assert np.isfinite(commands(peer)[1]).all()
    assert 'pose[0] = nan' in head.text


def test_a_stop_published_before_it_started_is_heard(peer, source, start):
    publisher = peer.node.create_publisher(Bool, '/robot_face/stop', LATCHED)
    try:
        publisher.publish(Bool(data=True))
        peer.statuses.pop(NODE, None)
        source.face = smile()
        source.running.set()
        start(NODE)
        wait_for_state(peer, 'stopped')
    finally:
        peer.destroy(publisher)


def test_it_starts_from_the_measured_positions(peer, source, start):
    measured = HEAD.limits.low + 0.25 * (HEAD.limits.high - HEAD.limits.low)
    publisher = peer.node.create_publisher(JointState, '/measured', 10)
    peer.statuses.pop(NODE, None)
    source.face = smile()
    source.running.set()
    seen = peer.count(STATES)
    start(NODE, joint_states='/measured')
    wait_for_state(peer, 'waiting')

    def send(names):
        values = [float(measured[COLUMN[name]]) for name in names]
        publisher.publish(JointState(name=[*names, 'wheel'], position=[*values, 7.0]))

    def missing():
        send(HEAD.names[:-1])
        return 'no position of jaw' in peer.statuses[NODE].message

    peer.wait_for(missing, 'what is missing')
    assert peer.count(STATES) == seen

    def moving():
        send(HEAD.names)
        return peer.count(STATES) > seen

    peer.wait_for(moving, 'the first command')
    _, positions, _ = commands(peer, seen)
    assert (np.abs(positions[0] - measured) <= HEAD.limits.max_speed * PERIOD_S).all()
    wait_for_state(peer, 'fresh')
    peer.destroy(publisher)


def test_simulated_time_paces_the_motion(peer, source, start):
    """The clock runs at half speed, and then jumps back as when a simulation restarts."""
    publisher = peer.node.create_publisher(Clock, '/clock', 10)
    time_ns, end = [100 * SECOND_NS], threading.Event()

    def run():
        while not end.wait(0.01):
            time_ns[0] += 5_000_000
            publisher.publish(Clock(clock=to_time(time_ns[0])))

    clock = threading.Thread(target=run, daemon=True)
    peer.statuses.pop(NODE, None)
    source.face = smile()
    source.running.set()
    seen = peer.count(STATES)
    start(NODE, use_sim_time='true')
    try:
        peer.wait_for(lambda: NODE in peer.statuses, 'a status')
        assert peer.count(STATES) == seen  # simulated time has not started
        clock.start()
        more(peer, 1)  # the last ones before were another node's
        wait_at(peer, 'neck_tilt', 0.3)
        wait_at(peer, 'neck_pan', -0.4)
        stamps, positions, _ = more(peer, 20)
        assert 100.0 < stamps[0] < 200.0
        assert np.diff(stamps).min() >= 0.9 * PERIOD_S
        time_ns[0] = 50 * SECOND_NS
        peer.wait_for(lambda: commands(peer, peer.count(STATES) - 1)[0][0] < 60.0, 'the new time')
        stamps, after, _ = more(peer, 20)
        assert stamps[-1] < 60.0
        np.testing.assert_allclose(after[:, 0], positions[-1, 0], atol=0.01)
    finally:
        end.set()
        clock.join()
        peer.destroy(publisher)


ALL_OUTPUTS = """
outputs:
  - {type: joint_state, topic: robot_face/joint_states}
  - {type: joint_trajectory, topic: neck/joint_trajectory, actuators: [neck_tilt, neck_pan]}
  - {type: positions, topic: face/commands, actuators: [jaw, brow_inner]}
  - {type: positions, topic: silent/commands, enabled: false}
  - {type: hri_expression, topic: robot_face/expression}
"""


def test_all_outputs_carry_the_same_motion(peer, source, start, tmp_path):
    file = tmp_path / 'actuators.yaml'
    file.write_text(
        (CONFIG / 'actuators.yaml').read_text().partition('\noutputs:')[0] + ALL_OUTPUTS
    )
    peer.listen(JointTrajectory, '/neck/joint_trajectory')
    peer.listen(Float64MultiArray, '/face/commands')
    peer.listen(Float64MultiArray, '/silent/commands')
    peer.statuses.pop(NODE, None)
    source.face = smile()
    source.running.clear()
    seen = peer.count(STATES)
    node = start(NODE, actuators=file)
    outputs = '/neck/joint_trajectory', '/face/commands'
    peer.wait_for(lambda: all(map(peer.count, outputs)), 'both outputs')  # before it moves
    source.running.set()
    wait_for_state(peer, 'fresh')
    wait_at(peer, 'neck_tilt', 0.3)
    peer.wait_for(lambda: peer.count(outputs[0]) >= 60, '60 trajectories')
    more(peer, 20)
    if find_spec('hri_msgs') is None:  # the others are published nevertheless
        assert 'robot_face/expression (hri_expression) is not published' in node.text
        assert peer.statuses[NODE].level == b'\x02'
    states = {
        to_ns(m.header.stamp): {
            name: (m.position[column], m.velocity[column]) for name, column in COLUMN.items()
        }
        for _, m in peer.heard[STATES][seen:]
    }
    trajectories = [message for _, message in peer.heard['/neck/joint_trajectory']]
    assert len(trajectories) > 50
    common = 0
    for message in trajectories:
        assert message.joint_names == ['neck_tilt', 'neck_pan']
        times = [p.time_from_start.sec + p.time_from_start.nanosec / 1e9 for p in message.points]
        assert times[0] == pytest.approx(PERIOD_S) and (np.diff(times) > 0.0).all()
        assert times[-1] >= 0.2
        positions = np.array([point.positions for point in message.points])
        velocities = np.array([point.velocities for point in message.points])
        assert not velocities[-1].any()  # controllers refuse another end
        limits = HEAD.limits
        columns = [COLUMN[name] for name in message.joint_names]
        assert (positions >= limits.low[columns] - 1e-9).all()
        assert (positions <= limits.high[columns] + 1e-9).all()
        if state := states.get(to_ns(message.header.stamp)):
            common += 1
            found = [(positions[0, i], velocities[0, i]) for i in range(2)]
            assert found == [state[name] for name in message.joint_names]
    assert common > 50
    arrays = {tuple(message.data) for _, message in peer.heard['/face/commands']}
    assert len(arrays) > 10
    wanted = {(state['jaw'][0], state['brow_inner'][0]) for state in states.values()}
    assert len(arrays & wanted) > 10
    assert not peer.heard['/silent/commands']


def test_mistakes_in_the_file_end_it_with_their_lines(fails, tmp_path):
    file = tmp_path / 'actuators.yaml'
    text = (CONFIG / 'actuators.yaml').read_text()
    file.write_text(text.replace('AU12: 0.12', 'AU12_r: 0.12').replace('max: 1.0', 'max: -2.0'))
    text_of_node = fails(NODE, actuators=file)
    line = text[: text.index('max: 1.0')].count('\n') + 1
    assert f'{file}:{line}: max: -2: expected more than min (-1)' in text_of_node
    assert "'AU12_r' is unknown in inputs: expected 'AU12'" in text_of_node
