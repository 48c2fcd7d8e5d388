# SPDX-License-Identifier: Apache-2.0
"""What surrounds the nodes: the supervisor of their processes, and tools for topics and so on."""
