# SPDX-License-Identifier: Apache-2.0
"""`make fuzz`: coverage-guided fuzzing (needs the extra [fuzz]; Linux).

    python test/fuzz/run_atheris.py [TARGET ...] [--seconds N] [--runs N] [--report FILE]

An input that fails is written to test/corpus/TARGET; the tests use it from then on. Without
names, all targets run. A report replaces the section `## Bad input` of a Markdown file.
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEST = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TEST))

LONGEST_S = 20  # of one input
MOST_MB = 1024  # of memory: much more than any target needs at the start
_INNER = 'FUZZ_INNER'  # set in the process of a target, which libFuzzer ends
_REPORT = """\
Written by `make fuzz REPORT=docs/reliability.md`: {total:,} inputs in {minutes:.0f} minutes,
beside other programs. [Atheris](https://github.com/google/atheris) makes them from small valid
files and from those in `test/corpus/`, guided by the coverage of the package. An input fails if it
causes any error but one of the project's own types with a message, a value out of range, more than
{seconds} s of work or more than {memory} MB of memory. The last column counts the files in
`test/corpus/`: inputs that failed once. What they found has been corrected.

| target | inputs | seconds | inputs/s | memory | failed once |
|---|---|---|---|---|---|
{rows}

`make test` tries these files, 170 mutated inputs of each target and as many damaged requests on
sockets of the screen's server.
"""


def fuzz(target):
    """Run libFuzzer in this process; does not return."""
    import atheris

    with atheris.instrument_imports(include=['robot_face_gen']):
        import fuzz_targets

        import robot_face_gen.camera.sources
        import robot_face_gen.features.sound_file  # imported late by the targets

        with contextlib.suppress(ImportError):  # no ROS 2
            import robot_face_gen.nodes.messages  # noqa: F401
    run = {target.__name__: target for target in fuzz_targets.TARGETS}[target]
    corpus = TEST / 'corpus' / target
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as seeds:
        for number, data in enumerate(fuzz_targets.samples(run)):
            (Path(seeds) / str(number)).write_bytes(data)
        options = [
            f'-timeout={LONGEST_S}', f'-rss_limit_mb={MOST_MB}', '-max_len=16384',
            f'-artifact_prefix={corpus}/', '-print_final_stats=1',
        ]  # fmt: skip
        atheris.Setup(
            [sys.argv[0], seeds, *options, *sys.argv[2:]],
            lambda data: fuzz_targets.run(run, data),
        )
        atheris.Fuzz()


def run_target(target, seconds, runs):
    """Fuzz a target in a process of its own; its exit code, and its row of the table."""
    command = [sys.executable, __file__, target, f'-max_total_time={seconds}', f'-runs={runs}']
    begin, count, memory_mb = time.monotonic(), 0, 0
    with subprocess.Popen(
        command, env={**os.environ, _INNER: '1'}, stderr=subprocess.PIPE, errors='replace'
    ) as process:
        for line in process.stderr:
            if line.startswith('INFO: Instrumenting'):
                continue
            print(f'{target}: {line}', end='', flush=True)
            if found := re.match(r'(?:#|stat::number_of_executed_units: +)(\d+)', line):
                count = int(found[1])
            if found := re.search(r'(?:rss: |stat::peak_rss_mb: +)(\d+)', line):
                memory_mb = int(found[1])
    taken_s = time.monotonic() - begin
    found = len(list((TEST / 'corpus' / target).glob('*')))
    cells = (
        target,
        f'{count:,}',
        round(taken_s),
        round(count / taken_s),
        f'{memory_mb} MB',
        found,
    )
    return process.returncode, count, f'| {" | ".join(map(str, cells))} |'


def put_section(path, heading, body):
    """Replace a section of a Markdown file, or append it."""
    text = path.read_text(encoding='utf-8') if path.exists() else ''
    section = f'{heading}\n\n{body}'
    before, found, after = text.partition(f'{heading}\n')
    rest = after.partition('\n## ')
    whole = f'{before}{section}\n## {rest[2]}' if found and rest[1] else f'{before}{section}'
    path.write_text(whole if found else f'{text}\n{section}', encoding='utf-8')


def main():
    if os.environ.get(_INNER):
        fuzz(sys.argv[1])
    import fuzz_targets

    targets = [target.__name__ for target in fuzz_targets.TARGETS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('targets', nargs='*', metavar='TARGET', help=', '.join(targets))
    parser.add_argument('--seconds', type=int, default=60, help='for each target')
    parser.add_argument('--runs', type=int, default=-1, help='at most so many inputs for each')
    parser.add_argument('--report', type=Path, help='a Markdown file')
    options = parser.parse_args()
    if unknown := set(options.targets) - set(targets):
        parser.error(f'{unknown.pop()}: expected one of {", ".join(targets)}')
    begin, codes, rows, total = time.monotonic(), [], [], 0
    for target in options.targets or targets:
        code, count, row = run_target(target, options.seconds, options.runs)
        codes.append(code)
        rows.append(row)
        total += count
    text = _REPORT.format(
        seconds=LONGEST_S, memory=MOST_MB, total=total, rows='\n'.join(rows),
        minutes=(time.monotonic() - begin) / 60,
    )  # fmt: skip
    print(text)
    if options.report:
        put_section(options.report, '## Bad input', text)
    return int(any(codes))


if __name__ == '__main__':
    sys.exit(main())
