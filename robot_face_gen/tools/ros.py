# SPDX-License-Identifier: Apache-2.0
"""Placeholder."""


def require_ros() -> None:
    """Check that rclpy and the messages can be imported."""
    import rclpy  # noqa
    import robot_face_gen_msgs.msg  # noqa
