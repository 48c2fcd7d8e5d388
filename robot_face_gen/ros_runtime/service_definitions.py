"""Fields of the services that nodes offer; rosbags carries messages only.

Each text is a request, a line of dashes and a response, in the notation of `.srv` files.
"""

SERVICES = {
    'rcl_interfaces/srv/DescribeParameters': (
        'string[] names\n---\nrcl_interfaces/ParameterDescriptor[] descriptors\n'),
    'rcl_interfaces/srv/GetParameters': (
        'string[] names\n---\nrcl_interfaces/ParameterValue[] values\n'),
    'rcl_interfaces/srv/GetParameterTypes': 'string[] names\n---\nuint8[] types\n',
    'rcl_interfaces/srv/ListParameters': (
        'uint64 DEPTH_RECURSIVE=0\nstring[] prefixes\nuint64 depth\n---\n'
        'rcl_interfaces/ListParametersResult result\n'),
    'rcl_interfaces/srv/SetParameters': (
        'rcl_interfaces/Parameter[] parameters\n---\n'
        'rcl_interfaces/SetParametersResult[] results\n'),
    'rcl_interfaces/srv/SetParametersAtomically': (
        'rcl_interfaces/Parameter[] parameters\n---\n'
        'rcl_interfaces/SetParametersResult result\n'),
    'std_srvs/srv/Empty': '---\n',
    'std_srvs/srv/SetBool': 'bool data\n---\nbool success\nstring message\n',
    'std_srvs/srv/Trigger': '---\nbool success\nstring message\n',
}
