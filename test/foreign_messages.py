# SPDX-License-Identifier: Apache-2.0
"""Message packages of other people, built for tests from the fields of their definitions.

Comments and constants are left out; they have no effect on the type.

- hri_msgs 2: https://github.com/ros4hri/hri_msgs, BSD
- audio_common_msgs of ros-drivers: https://github.com/ros-drivers/audio_common, BSD
- audio_common_msgs of mgonzs13: https://github.com/mgonzs13/audio_common, MIT
"""

import sysconfig

import pytest
from message_builder import MessageBuild, MessageBuildError

HEADER = 'std_msgs/Header header\n'
PACKAGES = {
    'hri_msgs': {
        'Expression': f'{HEADER}string expression\nfloat32 valence\nfloat32 arousal\n'
        'float32 confidence\n',
        'FacialActionUnits': f'{HEADER}float32[99] intensity\nfloat32[99] confidence\n',
        'FacialLandmarks': f'{HEADER}NormalizedPointOfInterest2D[70] landmarks\nuint32 height\n'
        'uint32 width\n',
        'IdsList': f'{HEADER}string[] ids\n',
        'NormalizedPointOfInterest2D': 'float32 x\nfloat32 y\nfloat32 c\n',
    },
    'audio_common_msgs of ros-drivers': {
        'AudioData': 'uint8[] data\n',
        'AudioDataStamped': f'{HEADER}audio_common_msgs/AudioData audio\n',
        'AudioInfo': 'uint8 channels\nuint32 sample_rate\nstring sample_format\nuint32 bitrate\n'
        'string coding_format\n',
    },
    'audio_common_msgs of mgonzs13': {
        'Audio': 'audio_common_msgs/AudioData audio_data\naudio_common_msgs/AudioInfo info\n',
        'AudioData': 'float32[] float32_data\nint32[] int32_data\nint16[] int16_data\n'
        'int8[] int8_data\nuint8[] uint8_data\n',
        'AudioInfo': 'int32 format\nint32 channels\nint32 rate\nint32 chunk\n',
        'AudioStamped': f'{HEADER}audio_common_msgs/Audio audio\n',
    },
}
MANIFEST = """<?xml version="1.0"?>
<package format="3"><name>{name}</name><version>2.0.0</version><description/>
<depend>builtin_interfaces</depend><depend>std_msgs</depend></package>
"""


def build(title, folder):
    """Build a package of PACKAGES, or skip the test; the folder for the path of Python."""
    name = title.partition(' ')[0]
    source, installed = folder / 'source', folder / 'installed'
    (source / 'msg').mkdir(parents=True)
    installed.mkdir()
    (source / 'package.xml').write_text(MANIFEST.format(name=name))
    for message, text in PACKAGES[title].items():
        (source / 'msg' / f'{message}.msg').write_text(text)
    extension = f'{name}_s__rosidl_typesupport_c' + sysconfig.get_config_var('EXT_SUFFIX')
    try:
        MessageBuild(source, folder / 'work').build(installed / name, installed / name / extension)
    except (MessageBuildError, ImportError) as error:
        pytest.skip(f'{name} cannot be built here: {error}')
    return installed
