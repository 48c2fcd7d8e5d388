"""A node's parameters: declared, described, checked and set as rclpy does it."""

import pytest
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import (
    InvalidParameterException,
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterAlreadyDeclaredException,
    ParameterImmutableException,
    ParameterNotDeclaredException,
    ParameterUninitializedException,
)
from rclpy.parameter import Parameter, parameter_value_to_python

from robot_face_gen.ros_runtime.parameters import ParametersMixin


class Store(ParametersMixin):
    """Parameters without a node around them."""

    def __init__(self, allow_undeclared=False, **overrides):
        self.events = []
        self._init_parameters(
            {name: Parameter(name, value=value) for name, value in overrides.items()},
            allow_undeclared,
            self.events.append,
        )


def set_one(store, name, value):
    return store.set_parameters([Parameter(name, value=value)])[0]


@pytest.mark.parametrize(
    ('value', 'kind'),
    [
        (None, 'NOT_SET'),
        (True, 'BOOL'),
        (1, 'INTEGER'),
        (1.0, 'DOUBLE'),
        ('a', 'STRING'),
        ([b'a'], 'BYTE_ARRAY'),
        ([True], 'BOOL_ARRAY'),
        ([1], 'INTEGER_ARRAY'),
        ([1.0], 'DOUBLE_ARRAY'),
        (('a', 'b'), 'STRING_ARRAY'),
    ],
)
def test_type_follows_from_the_value_and_survives_a_message(value, kind):
    parameter = Parameter('p', value=value)
    assert parameter.type_ is Parameter.Type[kind]
    message = parameter.to_parameter_msg()
    again = Parameter.from_parameter_msg(message)
    assert (again.name, again.type_) == ('p', parameter.type_)
    wanted = list(value) if isinstance(value, (list, tuple)) else value
    assert parameter_value_to_python(message.value) == wanted


def test_value_of_another_type_is_refused():
    with pytest.raises(TypeError, match='allowed types'):
        Parameter('p', value={'a': 1})
    with pytest.raises(ValueError, match='do not agree'):
        Parameter('p', Parameter.Type.DOUBLE, 1)


def test_override_wins_unless_ignored():
    store = Store(a=3, b=3)
    assert store.declare_parameter('a', 1).value == 3
    assert store.declare_parameter('b', 1, ignore_override=True).value == 1
    assert store.get_parameter('a').value == 3


def test_override_of_another_type_is_named():
    with pytest.raises(InvalidParameterTypeException, match=r"'gain'.*'3'.*INTEGER.*DOUBLE"):
        Store(gain=3).declare_parameter('gain', 1.0)


def test_empty_list_takes_the_declared_type():
    parameter = Store(words=[]).declare_parameter('words', ['a'])
    assert parameter.type_ is Parameter.Type.STRING_ARRAY and list(parameter.value) == []


def test_declaring_twice_and_bad_names_are_refused():
    store = Store()
    store.declare_parameter('a', 1)
    with pytest.raises(ParameterAlreadyDeclaredException, match='a'):
        store.declare_parameter('a', 1)
    with pytest.raises(InvalidParameterException):
        store.declare_parameter('', 1)
    with pytest.raises(TypeError, match='ParameterDescriptor'):
        store.declare_parameters('', [('b', 1, 'text')])


def test_namespace_stands_before_every_name():
    store = Store()
    store.declare_parameters('arm', [('gain', 1.0), ('name', 'left')])
    assert {name: p.value for name, p in store.get_parameters_by_prefix('arm').items()} == {
        'gain': 1.0,
        'name': 'left',
    }


def test_parameter_with_a_type_alone_has_to_be_set():
    store = Store()
    store.declare_parameter('a', Parameter.Type.INTEGER)
    with pytest.raises(ParameterUninitializedException, match='a'):
        store.get_parameter('a')
    assert set_one(store, 'a', 3).successful
    assert store.get_parameter('a').value == 3


def test_unknown_parameters_are_refused_unless_allowed():
    for store in (Store(), Store(allow_undeclared=True)):
        if not store._allow_undeclared_parameters:
            for action in (store.get_parameter, store.describe_parameter):
                with pytest.raises(ParameterNotDeclaredException, match='a'):
                    action('a')
            with pytest.raises(ParameterNotDeclaredException, match='a'):
                set_one(store, 'a', 1)
        else:
            assert store.get_parameter('a').type_ is Parameter.Type.NOT_SET
            assert set_one(store, 'a', 1).successful
            assert store.get_parameter('a').value == 1


def test_type_is_kept_unless_it_may_change():
    store = Store()
    store.declare_parameter('fixed', 1.0)
    store.declare_parameter('free', 1.0, ParameterDescriptor(dynamic_typing=True))
    outcome = set_one(store, 'fixed', 1)
    assert not outcome.successful and 'DOUBLE' in outcome.reason and 'INTEGER' in outcome.reason
    assert set_one(store, 'free', 'word').successful
    assert store.describe_parameter('fixed').type == Parameter.Type.DOUBLE.value


def test_ranges_are_kept():
    store = Store()
    store.declare_parameter(
        'n',
        4,
        ParameterDescriptor(integer_range=[IntegerRange(from_value=0, to_value=10, step=2)]),
    )
    store.declare_parameter(
        'x',
        0.5,
        ParameterDescriptor(
            floating_point_range=[FloatingPointRange(from_value=0.0, to_value=1.0)]
        ),
    )
    assert [set_one(store, 'n', n).successful for n in (-1, 0, 3, 6, 10, 11)] == [
        False, True, False, True, True, False,
    ]  # fmt: skip
    assert [set_one(store, 'x', x).successful for x in (-0.1, 0.0, 0.3, 1.0, 1.1)] == [
        False, True, True, True, False,
    ]  # fmt: skip
    assert 'Min: 0' in set_one(store, 'n', 99).reason
    with pytest.raises(InvalidParameterValueException, match='out of range'):
        Store(y=5).declare_parameter(
            'y', 1, ParameterDescriptor(integer_range=[IntegerRange(from_value=0, to_value=2)])
        )


def test_read_only_parameter_stays():
    store = Store()
    store.declare_parameter('a', 1, ParameterDescriptor(read_only=True))
    outcome = set_one(store, 'a', 2)
    assert not outcome.successful and 'read-only' in outcome.reason
    with pytest.raises(ParameterImmutableException):
        store.undeclare_parameter('a')
    assert store.get_parameter('a').value == 1


def test_callbacks_may_refuse_and_are_told_afterwards():
    store, told = Store(), []
    store.declare_parameter('a', 1)

    def ask(parameters):
        return SetParametersResult(successful=parameters[0].value < 5, reason='too much')

    store.add_on_set_parameters_callback(ask)
    store.add_post_set_parameters_callback(lambda parameters: told.append(parameters[0].value))
    assert set_one(store, 'a', 4).successful
    outcome = set_one(store, 'a', 5)
    assert (outcome.successful, outcome.reason) == (False, 'too much')
    assert (store.get_parameter('a').value, told) == (4, [4])
    store.remove_on_set_parameters_callback(ask)
    assert set_one(store, 'a', 6).successful


def test_all_are_set_or_none():
    store = Store()
    store.declare_parameters('', [('a', 1), ('b', 1)])
    outcome = store.set_parameters_atomically([Parameter('a', value=2), Parameter('b', value='x')])
    assert not outcome.successful
    assert [p.value for p in store.get_parameters(['a', 'b'])] == [1, 1]
    assert store.set_parameters_atomically(
        [Parameter('a', value=2), Parameter('b', value=3)]
    ).successful
    assert [p.value for p in store.get_parameters(['a', 'b'])] == [2, 3]


def test_events_tell_new_changed_and_deleted():
    store = Store()
    store.declare_parameter('a', 1, ParameterDescriptor(dynamic_typing=True))
    set_one(store, 'a', 2)
    store.set_parameters([Parameter('a', Parameter.Type.NOT_SET)])
    kinds = [
        [
            [p.name for p in getattr(event, f'{kind}_parameters')]
            for kind in ('new', 'changed', 'deleted')
        ]
        for event in store.events
    ]
    assert kinds == [[['a'], [], []], [[], ['a'], []], [[], [], ['a']]]
    assert not store.has_parameter('a')


def test_new_descriptor_needs_a_value_that_fits():
    store = Store()
    store.declare_parameter('a', 8)
    narrow = ParameterDescriptor(
        type=2, integer_range=[IntegerRange(from_value=0, to_value=5)]
    )  # fmt: skip
    with pytest.raises(InvalidParameterValueException):
        store.set_descriptor('a', narrow)
    alternative = Parameter('a', value=5).get_parameter_value()
    assert store.set_descriptor('a', narrow, alternative).integer_value == 5
    assert not set_one(store, 'a', 6).successful
