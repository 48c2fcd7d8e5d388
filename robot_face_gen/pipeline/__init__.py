# SPDX-License-Identifier: Apache-2.0
"""The processing from face and sound of a speaker to a listener's reaction, without ROS."""
