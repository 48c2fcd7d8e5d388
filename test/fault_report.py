# SPDX-License-Identifier: Apache-2.0
"""The report of `make test-faults`, written anew after each test.

Results stay in pytest's cache: a run of some tests replaces their rows and keeps the others.
"""

import hashlib
import os
import platform
from pathlib import Path
from statistics import median

from robot_face_gen.resources import default_checkpoint

_KEY = 'robot_face_gen/faults'
_HEADER = """\
# Behaviour under faults

Written by `make test-faults REPORT=docs/reliability.md`: real nodes over real DDS, each fault
several times; the rows are those of the newest run of each test. {machine};
weights with SHA-256 {weights}.
Other programs shared the processor: an undisturbed output was up to {busy:.1f} times as uneven as
on an idle machine, and limits of time were as much wider.

## The output of the robot

- Rate: reactions a second, while the fault lasts and after it.
- Gap: the longest time between two reactions of a try; the median of all tries, and the longest.
- Jump: the largest change from one reaction to the next, in units of the largest change in 40 ms
  that an ordinary face makes (head 1 rad/s, gaze 5 rad/s, a blink closes the lids in two frames).
- Recovery: from the end of the fault to the beginning of one second of even output; the median
  and the longest. A node that was killed must also have published its status.
- Late: tries that were slower than the limits of time and were repeated.

Without `reaction_node` there are no reactions. Its jump is the difference between the last
reaction before and the first one after. The motors and the screen do not follow it: they ease to
a neutral face and from there to the new reactions, which the same tests check.

| fault | tries | late | lowest rate | gap | largest jump | recovery |
|---|---|---|---|---|---|---|
{reactions}

## Other checks

Figures are the largest of all tries.

| fault | tries | what was seen |
|---|---|---|
{others}
"""
_NEXT = '\n## Bad input\n'
_UNITS = {'s': 's', 'ms': 'ms', 'hz': 'Hz', 'percent': '%'}


class Report:
    """A pytest plugin: collects what tests `note` and writes a Markdown file."""

    def __init__(self, config, path):
        self._cache, self._path = config.cache, Path(path)
        self._results = self._cache.get(_KEY, {})

    def pytest_runtest_logreport(self, report):
        if 'faults/' not in report.nodeid or (report.when != 'call' and report.passed):
            return
        tried = [value for key, value in report.user_properties if key == 'fault']
        state = 'failed' if report.failed else 'skipped' if report.skipped else ''
        self._results[report.nodeid] = {'tried': tried, 'state': state}
        self._cache.set(_KEY, self._results)
        self._write()

    def _write(self):
        reactions, others, failed, busy = [], [], [], 1.0
        rows = {}  # some tests are run once for each try
        for nodeid, result in sorted(self._results.items()):
            for tried in result['tried']:
                rows.setdefault(tried['name'], []).append(tried)
            if result['state']:
                test = nodeid.rpartition('faults/')[2].replace('|', ' ')
                failed.append(f'| `{test}` | | **{result["state"]}** |')
        for name, tries in rows.items():
            figures = [tried['figures'] for tried in tries]
            if 'jump' in figures[0]:
                busy = max(busy, *(f['busy'] for f in figures))
                reactions.append(_reaction_row(name, figures))
            else:
                others.append(f'| {name} | {len(tries)} | {_largest(tries)} |')
        whole = _HEADER.format(
            machine=_machine(), weights=_weights(), busy=busy,
            reactions='\n'.join(reactions), others='\n'.join(others + failed),
        )  # fmt: skip
        before = self._path.read_text(encoding='utf-8') if self._path.exists() else ''
        _, found, rest = before.partition(_NEXT)  # of `make fuzz`, and what follows
        self._path.write_text(f'{whole}{found}{rest}', encoding='utf-8')


def _reaction_row(name, figures):
    gaps_ms, recoveries_s = ([f[key] for f in figures] for key in ('gap_ms', 'recovery_s'))
    return (
        f'| {name} | {len(figures)} | {sum(f["late"] for f in figures)} '
        f'| {min(f["rate_hz"] for f in figures):.1f} Hz '
        f'| {median(gaps_ms):.0f}, {max(gaps_ms):.0f} ms | {max(f["jump"] for f in figures):.1f} '
        f'| {median(recoveries_s):.1f}, {max(recoveries_s):.1f} s |'
    )


def _largest(tries):
    """The text of the last try, and the largest of each figure."""
    texts = [tries[-1]['what']] if tries[-1]['what'] else []
    for key in tries[-1]['figures']:
        words, unit = key.rsplit('_', 1)
        most = max(tried['figures'][key] for tried in tries)
        texts.append(f'{words.replace("_", " ")} {most:.3g} {_UNITS[unit]}')
    return '; '.join(texts)


def _machine():
    memory_gb = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9
    return (
        f'{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory_gb:.0f} GB, '
        f'Python {platform.python_version()}'
    )


def _weights():
    return hashlib.sha256(default_checkpoint().read_bytes()).hexdigest()[:12]
