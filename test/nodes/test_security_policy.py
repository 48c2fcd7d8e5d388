# SPDX-License-Identifier: Apache-2.0
"""The SROS2 policy in config/ allows every node what the tables say."""

from pathlib import Path
from xml.etree import ElementTree

from robot_face_gen.graph import NODES
from robot_face_gen.nodes import tables

POLICY = Path(__file__).parents[2] / 'config' / 'sros2_policy.xml'
SERVICES = {
    f'{verb}_{what}'
    for verb, what in (
        ('describe', 'parameters'), ('get', 'parameter_types'), ('get', 'parameters'),
        ('list', 'parameters'), ('set', 'parameters'), ('set', 'parameters_atomically'),
    )
}  # fmt: skip


def names(topics):
    """As in the policy: names that a parameter chooses are replaced by an example."""
    return {
        name.replace('NAMESPACE', 'robot1').replace('IMAGE_TOPIC', 'image') for name, _ in topics
    }


def rules_of(profile):
    """Allowed names by kind and direction, such as 'topics publish'."""
    return {
        f'{rules.tag} {direction}': {rule.text for rule in rules}
        for rules in profile
        for direction in rules.attrib
    }


def test_every_node_may_use_its_topics_and_services():
    root = ElementTree.parse(POLICY).getroot()
    assert root.get('version') == '0.2.0'
    profiles = {
        p.get('node'): rules_of(p)
        for p in root.iterfind(".//enclave[@path='/robot_face_gen']/profiles/profile")
    }
    assert set(profiles) == set(NODES)
    for table in tables.TABLES:
        rules = profiles[table.node]
        common = {'/rosout', '/parameter_events', '/diagnostics'}
        assert common | names(table.publishes) <= rules['topics publish']
        assert {'/parameter_events', '/clock'} | names(table.listens) <= rules['topics subscribe']
        assert {f'~/{name}' for name in SERVICES} <= rules['services reply']
    assert '~/enable' in profiles['face_actuator_node']['services reply']
    called = {f'{node}/{verb}_parameters' for node in NODES for verb in ('get', 'set')}
    assert profiles['face_screen_node']['services request'] == {
        *called, 'face_actuator_node/enable'
    }  # fmt: skip
