# SPDX-License-Identifier: Apache-2.0
"""The pip build of the messages, loaded from its file.

Its folder does not join the search path: Python would take the definitions of tf2_msgs in it for
a package without names, and a test of the real messages would find nothing in it.
"""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / 'robot_face_gen_msgs'
_spec = spec_from_file_location('message_build', PACKAGE / 'message_build.py')
message_build = module_from_spec(_spec)
_spec.loader.exec_module(message_build)
MessageBuild, MessageBuildError = message_build.MessageBuild, message_build.MessageBuildError
