# SPDX-License-Identifier: Apache-2.0
"""Runs one measurement: `python -m robot_face_gen.bench.run_case NAME JSON`.

Each is started in a process of its own, so that thread counts hold and memory is its own.
"""

from __future__ import annotations

import json
import sys
import time

STEP = 'reaction_step'


def main() -> int:
    """Run one case and print its figures as one line of JSON."""
    name, case = sys.argv[1], json.loads(sys.argv[2])
    begin = time.perf_counter()
    if name == STEP:
        from . import step_case

        figures = step_case.reaction_step(case)
    else:
        import torch

        from . import cases

        with torch.set_grad_enabled(name == 'train_step'):
            figures = getattr(cases, name)(case)
    print(json.dumps({'figures': figures, 'measured_s': time.perf_counter() - begin}))
    return 0


if __name__ == '__main__':
    sys.exit(main())
