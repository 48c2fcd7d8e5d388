# SPDX-License-Identifier: Apache-2.0
"""The process that ends ours if we cannot."""

from launching import run_python

PROGRAM = """
import os, signal
from robot_face_gen.tools.process_guard import ProcessGuard

class Slow(ProcessGuard):
    def close(self):
        os.kill(os.getpid(), signal.SIGINT)  # the user's Ctrl-C comes just now
        super().close()

signal.signal(signal.SIGINT, signal.default_int_handler)
guard = Slow()
guard.watch(2**22 + 1)  # nobody's
guard.forget(2**22 + 1)
print(guard._process.pid)
"""


def test_ctrl_c_while_the_program_is_ending_says_nothing():
    told = run_python(PROGRAM)
    assert (told.returncode, told.stderr) == (0, '')
    assert int(told.stdout) > 0
