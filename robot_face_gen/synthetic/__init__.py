# SPDX-License-Identifier: Apache-2.0
"""Generator of conversations: a speaker's voice and face, and listeners who react to them.

`generate` is the command; `conversation` joins the parts: `script` (what is said), `voice` (its
sound), `motion` (the speaker's face), `listener` (the listener's face), `face_shape` and `tracker`
(what a camera and OpenFace report). `config` has every parameter.
"""

from robot_face_gen.extras import require

require('scipy', 'training')
