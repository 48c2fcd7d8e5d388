# SPDX-License-Identifier: Apache-2.0
"""What a file of parameters says about nodes that are not there."""

from __future__ import annotations

import difflib

from robot_face_gen.ros_runtime.parameter_files import read_parameter_file

from .tables import TABLES


def misspelt_nodes(path: str) -> list[str]:
    """Warnings about entries whose node is spelt nearly as one of ours: nobody would read them.

    Other names may be nodes of somebody else, and stay unmentioned; what is wrong with the file
    itself, the nodes tell.
    """
    try:
        patterns = dict.fromkeys(pattern for pattern, _, _ in read_parameter_file(path))
    except (OSError, ValueError):
        return []
    own = [table.node for table in TABLES]
    found = []
    for pattern in patterns:
        name = pattern.rpartition('/')[2]
        like = difflib.get_close_matches(name, own, 1, cutoff=0.7)
        if name not in own and like:
            found.append(
                f'params_file:={path}: no node reads {pattern!r}; did you mean {like[0]!r}?'
            )
    return found
