# SPDX-License-Identifier: Apache-2.0
"""What makes a reaction visible: drawing faces and pages about them."""
