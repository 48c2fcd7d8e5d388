# SPDX-License-Identifier: Apache-2.0
"""Thin ROS 2 adapters: parameters, messages to arrays and back, diagnostics.

Importing this package changes nothing; `__main__` starts the programs.
"""
