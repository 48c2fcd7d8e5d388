"""Names: what is valid, expansion, remapping, and names on the wire."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_face_gen.ros_runtime import names
from robot_face_gen.ros_runtime.exceptions import (
    InvalidNamespaceException,
    InvalidNodeNameException,
    InvalidServiceNameException,
    InvalidTopicNameException,
)

TOKEN = st.from_regex(r'[A-Za-z_][A-Za-z0-9_]{0,8}', fullmatch=True)


@pytest.mark.parametrize(
    ('topic', 'wanted'),
    [
        ('a', '/robot/a'),
        ('a/b', '/robot/a/b'),
        ('/a', '/a'),
        ('~', '/robot/ear'),
        ('~/a', '/robot/ear/a'),
        ('{node}/a', '/robot/ear/a'),
        ('{ns}/a', '/robot/a'),
    ],
)
def test_names_are_expanded_as_seen_from_the_node(topic, wanted):
    assert names.expand_topic_name(topic, 'ear', '/robot') == wanted


def test_root_namespace_adds_no_second_slash():
    assert names.expand_topic_name('a', 'ear', '/') == '/a'
    assert names.expand_topic_name('~/a', 'ear', '/') == '/ear/a'


@pytest.mark.parametrize('topic', ['', 'a b', 'a/', '/a//b', '9a', 'a/9b', '~a', 'a-b', '{x}/a'])
def test_bad_topic_names_are_refused(topic):
    with pytest.raises(InvalidTopicNameException, match='Invalid topic name'):
        names.validate_topic_name(topic)
    with pytest.raises(InvalidServiceNameException):
        names.validate_topic_name(topic, is_service=True)


@pytest.mark.parametrize('name', ['', '1a', 'a/b', 'a b', 'x' * 256])
def test_bad_node_names_are_refused(name):
    with pytest.raises(InvalidNodeNameException):
        names.validate_node_name(name)


@pytest.mark.parametrize('namespace', ['', 'a', '/a/', '/1', '/a b'])
def test_bad_namespaces_are_refused(namespace):
    with pytest.raises(InvalidNamespaceException):
        names.validate_namespace(namespace)


@settings(deadline=None, max_examples=30)
@given(st.lists(TOKEN, min_size=1, max_size=3))
def test_names_on_the_wire_lead_back(tokens):
    topic = '/' + '/'.join(tokens)
    assert names.validate_full_topic_name(topic)
    assert names.ros_topic(names.dds_topic(topic)) == topic
    assert names.ros_service(names.dds_request(topic)) == topic
    assert names.ros_service(names.dds_reply(topic)) == topic
    assert names.ros_topic(names.dds_request(topic)) is None


def test_types_on_the_wire():
    assert names.dds_type('std_msgs/msg/String') == 'std_msgs::msg::dds_::String_'
    assert names.ros_type('std_msgs::msg::dds_::String_') == 'std_msgs/msg/String'
    assert names.ros_type('something::Else') == 'something::Else'
