# SPDX-License-Identifier: Apache-2.0
"""The robot's face in a web browser, and a page for inspection; no ROS."""
