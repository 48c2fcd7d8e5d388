"""What ROS 2's environment variables ask for."""

import os
import socket
from collections.abc import Mapping

import psutil

#: Distributions whose interfaces rosbags knows and whose wire rules are served.
DISTROS = ('humble', 'jazzy', 'kilted', 'lyrical')
DEFAULT_DISTRO = 'jazzy'
#: At the end, wait no longer than that for others to confirm the last messages: they end as well.
_INTERNAL = '<WriterLingerDuration>200 ms</WriterLingerDuration>'

RANGES = ('SUBNET', 'LOCALHOST', 'OFF', 'SYSTEM_DEFAULT')


def distro(environ: Mapping[str, str] = os.environ) -> str:
    """Distribution whose interfaces and wire rules to follow: ROS_DISTRO, else jazzy."""
    name = environ.get('ROS_DISTRO', '')
    return name if name in DISTROS else DEFAULT_DISTRO


def domain_id(environ: Mapping[str, str] = os.environ) -> int:
    """Domain of the graph: ROS_DOMAIN_ID, else 0.

    Raises:
        ValueError: It is not a number from 0 to 232.
    """
    text = environ.get('ROS_DOMAIN_ID', '') or '0'
    if not text.isdecimal() or int(text) > 232:
        raise ValueError(f'ROS_DOMAIN_ID is {text!r}, expected a number from 0 to 232')
    return int(text)


def discovery_range(environ: Mapping[str, str] = os.environ) -> str:
    """How far to look for others: one of RANGES; LOCALHOST unless asked for more.

    Raises:
        ValueError: ROS_AUTOMATIC_DISCOVERY_RANGE is none of them.
    """
    if environ.get('ROS_LOCALHOST_ONLY', '0') == '1':
        return 'LOCALHOST'
    value = environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE', '') or 'LOCALHOST'
    if value not in RANGES:
        raise ValueError(f'ROS_AUTOMATIC_DISCOVERY_RANGE is {value!r}, expected one of '
                         f'{", ".join(RANGES)}')
    return value


def _has_network() -> bool:
    """Whether an interface other than the loopback one is up and has an IPv4 address."""
    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    return any(address.family == socket.AF_INET and not address.address.startswith('127.')
               for name in up for address in psutil.net_if_addrs().get(name, []))


def cyclone_config(environ: Mapping[str, str] = os.environ) -> str:
    """Configuration of Cyclone DDS for that range; what CYCLONEDDS_URI says comes on top."""
    wanted = discovery_range(environ)
    peers = [peer for peer in environ.get('ROS_STATIC_PEERS', '').split(';') if peer]
    general = discovery = ''
    if wanted == 'LOCALHOST':
        # Beside the loopback address the network's is announced, as ROS 2's own middleware does:
        # there are some that never send to a loopback address. Only this machine is told of it.
        network = '<NetworkInterface autodetermine="true"/>' if _has_network() else ''
        general = ('<Interfaces><NetworkInterface address="127.0.0.1" priority="10"/>'
                   f'{network}</Interfaces><AllowMulticast>false</AllowMulticast>')
        peers.insert(0, '127.0.0.1')
    if wanted == 'OFF':
        # The tag keeps all others away.
        general = '<AllowMulticast>false</AllowMulticast>'
        discovery = ('<ParticipantIndex>none</ParticipantIndex>'
                     f'<Tag>ros_discovery_off_{os.getpid()}</Tag>')
    elif wanted != 'SYSTEM_DEFAULT':
        # Well-known ports, one for each process: others find them without multicast.
        listed = ''.join(f'<Peer Address="{peer}"/>' for peer in peers)
        discovery = ('<ParticipantIndex>auto</ParticipantIndex>'
                     '<MaxAutoParticipantIndex>64</MaxAutoParticipantIndex>'
                     f'<Peers>{listed}</Peers>')
    parts = [f'<{name}>{text}</{name}>' for name, text in
             (('General', general), ('Discovery', discovery), ('Internal', _INTERNAL)) if text]
    ours = f'<CycloneDDS><Domain Id="any">{"".join(parts)}</Domain></CycloneDDS>'
    return ','.join(part for part in (ours, environ.get('CYCLONEDDS_URI', '')) if part)
