# SPDX-License-Identifier: Apache-2.0
"""What a user tries first: the live graph on a recording, and the same without ROS."""
