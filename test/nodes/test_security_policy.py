# SPDX-License-Identifier: Apache-2.0
"""The SROS2 policy: what config/ has is what the tables say, for every node."""

from pathlib import Path
from xml.etree import ElementTree

from robot_face_gen.graph import NODES
from robot_face_gen.nodes import tables
from robot_face_gen.nodes.security_policy import ENCLAVE, sros2_policy

POLICY = Path(__file__).parents[2] / 'config' / 'sros2_policy.xml'


def test_the_policy_is_what_the_tables_say():
    assert POLICY.read_text(encoding='utf-8') == sros2_policy(tables.TABLES), (
        'python -m robot_face_gen.nodes.tables sros2 > config/sros2_policy.xml'
    )


def test_every_node_may_use_its_topics_and_services():
    root = ElementTree.parse(POLICY).getroot()
    assert root.get('version') == '0.2.0'
    profiles = {p.get('node'): p for p in root.iterfind(f".//enclave[@path='{ENCLAVE}']//profile")}
    assert set(profiles) == set(NODES)
    for table in tables.TABLES:
        rules = {
            what: {t.text for t in profiles[table.node].iterfind(f"topics[@{what}='ALLOW']/topic")}
            for what in ('publish', 'subscribe')
        }
        assert {'/rosout', '/diagnostics'} < rules['publish']
        assert '/clock' in rules['subscribe']
        if table is not tables.SERVER and table is not tables.CAMERA_FACE:
            assert {name for name, _ in table.publishes} <= rules['publish']
            assert {name for name, _ in table.listens} <= rules['subscribe']
    words = POLICY.read_text(encoding='utf-8')
    assert 'NAMESPACE' not in words and 'IMAGE_TOPIC' not in words
    enable = profiles['face_actuator_node'].find("services[@reply='ALLOW']")
    assert enable is not None and '~/enable' in {s.text for s in enable}
