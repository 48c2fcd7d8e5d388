# SPDX-License-Identifier: Apache-2.0
"""`make fuzz`: coverage-guided fuzzing of one target (needs the extra [fuzz]; Linux).

    python test/fuzz/run_atheris.py TARGET [options of libFuzzer, such as -runs=100000]

An input that fails is written to test/corpus/TARGET; the tests use it from then on.
"""

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

TEST = Path(__file__).resolve().parents[1]
LONGEST_S = 20


def main():
    sys.path.insert(0, str(TEST))
    with atheris.instrument_imports(include=['robot_face_gen']):
        import fuzz_targets

        import robot_face_gen.camera.sources
        import robot_face_gen.features.sound_file  # imported late by the targets

        with contextlib.suppress(ImportError):  # no ROS 2
            import robot_face_gen.nodes.messages  # noqa: F401
    targets = {target.__name__: target for target in fuzz_targets.TARGETS}
    if len(sys.argv) < 2 or sys.argv[1] not in targets:
        sys.exit(f'usage: {sys.argv[0]} {"|".join(targets)} [options of libFuzzer]')
    target = targets[sys.argv[1]]
    corpus = TEST / 'corpus' / target.__name__
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as seeds:
        for number, data in enumerate(fuzz_targets.samples(target)):
            (Path(seeds) / str(number)).write_bytes(data)
        options = [
            f'-timeout={LONGEST_S}', '-rss_limit_mb=4096', '-max_len=65536',
            f'-artifact_prefix={corpus}/', '-print_final_stats=1',
        ]  # fmt: skip
        atheris.Setup(
            [sys.argv[0], seeds, *options, *sys.argv[2:]],
            lambda data: fuzz_targets.run(target, data),
        )
        atheris.Fuzz()


if __name__ == '__main__':
    main()
