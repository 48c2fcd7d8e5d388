"""Services: parameters as others see and set them, from a process of its own."""

import pytest
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.parameter import Parameter, parameter_value_to_python
from std_srvs.srv import SetBool

from robot_face_gen.ros_runtime.exceptions import RCLError

pytestmark = pytest.mark.graph

SERVER = """
from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from std_srvs.srv import SetBool
rclpy.init()
node = Node('server', namespace='robot')
node.declare_parameter('gain', 1.5, ParameterDescriptor(
    description='how much',
    floating_point_range=[FloatingPointRange(from_value=0.0, to_value=5.0)]))
node.declare_parameter('deep.er.words', ['a', 'b'])
node.declare_parameter('deep.count', 3)

def answer(request, response):
    response.success, response.message = not request.data, 'turned'
    return response

async def answer_later(request, response):
    return answer(request, response)

node.create_service(SetBool, 'turn', answer)
node.create_service(SetBool, 'turn_later', answer_later)
print('ready')
try:
    rclpy.spin(node)
except (KeyboardInterrupt, ExternalShutdownException):
    pass
print('gain is', node.get_parameter('gain').value)
"""


@pytest.fixture
def server(start):
    server = start(SERVER)
    server.expect('^ready$')
    return server


@pytest.fixture
def call(make_node, spin_until):
    node = make_node('caller')

    def call(kind, name, **request):
        client = node.create_client(kind, name)
        assert client.wait_for_service(timeout_sec=10.0)
        future = client.call_async(kind.Request(**request))
        spin_until(future.done, node)
        node.destroy_client(client)
        return future.result()

    return call


def test_parameters_are_seen_and_set_from_another_process(server, call):
    base = '/robot/server'
    listed = call(ListParameters, f'{base}/list_parameters').result
    assert set(listed.names) == {'use_sim_time', 'gain', 'deep.er.words', 'deep.count'}
    assert set(listed.prefixes) == {'deep', 'deep.er'}
    deep = call(ListParameters, f'{base}/list_parameters', prefixes=['deep'], depth=2).result
    assert deep.names == ['deep.count']

    values = call(GetParameters, f'{base}/get_parameters', names=['gain', 'deep.er.words']).values
    assert [parameter_value_to_python(value) for value in values] == [1.5, ['a', 'b']]
    assert not call(GetParameters, f'{base}/get_parameters', names=['none']).values
    types = call(GetParameterTypes, f'{base}/get_parameter_types', names=['gain', 'deep.count'])
    assert list(types.types) == [3, 2]
    told = call(DescribeParameters, f'{base}/describe_parameters', names=['gain']).descriptors[0]
    assert (told.name, told.description, told.type) == ('gain', 'how much', 3)
    assert told.floating_point_range[0].to_value == 5.0

    wanted = [
        Parameter(*item).to_parameter_msg()
        for item in (
            ('gain', Parameter.Type.DOUBLE, 2.5),
            ('gain', Parameter.Type.DOUBLE, 7.5),
            ('gain', Parameter.Type.INTEGER, 2),
            ('none', Parameter.Type.INTEGER, 2),
        )
    ]
    results = call(SetParameters, f'{base}/set_parameters', parameters=wanted).results
    assert [result.successful for result in results] == [True, False, False, False]
    for result, words in zip(results[1:], ('out of range', 'INTEGER', 'none'), strict=True):
        assert words in result.reason
    both = call(
        SetParametersAtomically, f'{base}/set_parameters_atomically', parameters=wanted[:2]
    ).result
    assert not both.successful
    server.end()
    server.expect(r'^gain is 2\.5$')


@pytest.mark.parametrize('name', ['turn', 'turn_later'])
def test_service_of_our_own(server, call, name):
    answer = call(SetBool, f'/robot/{name}', data=True)
    assert (answer.success, answer.message) == (False, 'turned')


def test_answers_go_to_whoever_asked(server, make_node, spin_until):
    nodes = [make_node('first'), make_node('second')]
    clients = [node.create_client(SetBool, '/robot/turn') for node in nodes]
    assert all(client.wait_for_service(10.0) for client in clients)
    futures = [
        client.call_async(SetBool.Request(data=bool((number + which) % 2)))
        for number in range(4)
        for which, client in enumerate(clients)
    ]
    spin_until(lambda: all(future.done() for future in futures), *nodes)
    # Both count their calls from one: the number alone does not tell whose an answer is.
    assert [future.result().success for future in futures] == [True, False, False, True] * 2


def test_missing_service_is_waited_for_that_long_only(make_node):
    client = make_node().create_client(SetBool, '/nowhere')
    assert not client.service_is_ready()
    assert not client.wait_for_service(timeout_sec=0.1)
    with pytest.raises(TypeError, match='SetBool'):
        client.call_async(SetBool.Response())


def test_other_middleware_is_not_called(make_node, context):
    """A server without Cyclone DDS' mark must not get a call in its form."""
    from rclpy.qos import qos_profile_services_default

    from robot_face_gen.ros_runtime.dds import Reader
    from robot_face_gen.ros_runtime.idl import service_idl
    from robot_face_gen.ros_runtime.qos_dds import to_dds

    qos = to_dds(qos_profile_services_default, b'', writer=False)
    stranger = Reader(
        context.participant, 'rq/turnRequest', service_idl('std_srvs/srv/SetBool_Request'), qos
    )
    client = make_node().create_client(SetBool, '/turn')
    assert not client.service_is_ready()
    with pytest.raises(RCLError, match='middleware'):
        client.call_async(SetBool.Request())
    assert stranger.take() is None
    stranger.close()
