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
_HEADING = '## Bad input\n'
_ROW = re.compile(r'^\| (\w+) \| ([\d,]+) \| (\d+) \| \d+ \| (\d+) MB', re.MULTILINE)
_SECTION = """
Written by `make fuzz REPORT=docs/reliability.md`: {total:,} inputs in {minutes:.0f} minutes,
beside other programs; the rows are those of the newest run of each target.
[Atheris](https://github.com/google/atheris) makes the inputs from small valid files and from those
in `test/corpus/`, guided by the coverage of the package. An input fails if it causes any error but
one of the project's own types with a message, a value out of range, more than {longest_s} s of
work or more than {most_mb} MB of memory. The last column counts the files in `test/corpus/`:
inputs that failed once. What they found has been corrected. Memory is that of the process; a part
of it grows because atheris keeps what the package compares.

| target | inputs | seconds | inputs/s | memory | failed once |
|---|---|---|---|---|---|
{rows}

`make test` tries these files, and 170 mutated inputs of each target.
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
            f'-report_slow_units={LONGEST_S}',
        ]  # fmt: skip
        atheris.Setup(
            [sys.argv[0], seeds, *options, *sys.argv[2:]], lambda data: fuzz_targets.run(run, data)
        )
        atheris.Fuzz()


def run_target(target, seconds, runs):
    """Fuzz a target in a process of its own; its exit code, and inputs, seconds and MB."""
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
    return process.returncode, (count, round(time.monotonic() - begin), memory_mb)


def write_report(path, results):
    """Put the table into a Markdown file; rows of targets that did not run stay.

    Args:
        path: of the file; None: only print the table.
        results: name of a target: inputs, seconds, MB.
    """
    text = path.read_text(encoding='utf-8') if path and path.exists() else ''
    before, _, after = text.partition(_HEADING)
    section, _, rest = after.partition('\n## ')
    rows = {
        name: tuple(int(x.replace(',', '')) for x in row) for name, *row in _ROW.findall(section)
    }
    rows.update(results)
    cells = [
        (name, f'{count:,}', seconds, f'{count / max(seconds, 1):.0f}', f'{memory_mb} MB',
         len(list((TEST / 'corpus' / name).glob('*'))))
        for name, (count, seconds, memory_mb) in rows.items()
    ]  # fmt: skip
    section = _SECTION.format(
        longest_s=LONGEST_S, most_mb=MOST_MB, total=sum(row[0] for row in rows.values()),
        minutes=sum(row[1] for row in rows.values()) / 60,
        rows='\n'.join(f'| {" | ".join(map(str, row))} |' for row in cells),
    )  # fmt: skip
    print(section)
    if path:
        rest = f'\n## {rest}' if rest else ''
        path.write_text(f'{before.rstrip()}\n\n{_HEADING}{section}{rest}', encoding='utf-8')


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
    codes, results = [], {}
    for target in options.targets or targets:
        code, results[target] = run_target(target, options.seconds, options.runs)
        codes.append(code)
    write_report(options.report, results)
    return int(any(codes))


if __name__ == '__main__':
    sys.exit(main())
