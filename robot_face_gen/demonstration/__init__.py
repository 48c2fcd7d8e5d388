# SPDX-License-Identifier: Apache-2.0
"""The demo: runs the real graph on a recording, and shows what it did."""
