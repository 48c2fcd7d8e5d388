# SPDX-License-Identifier: Apache-2.0
"""A process that publishes each of the project's messages again on echo/NAME."""

import rclpy
from message_values import MESSAGES
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

#: Late subscribers get what was published before they were discovered.
RETAINED = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def main() -> None:
    """Run until interrupted."""
    rclpy.init()
    node = Node('echo')
    for kind in MESSAGES:
        echo = node.create_publisher(kind, f'echo/{kind.__name__}', RETAINED)
        node.create_subscription(kind, kind.__name__, echo.publish, RETAINED)
    rclpy.spin(node)


if __name__ == '__main__':
    main()
