# SPDX-License-Identifier: Apache-2.0
"""From the speaker's two streams to a listener's reaction; no ROS."""
