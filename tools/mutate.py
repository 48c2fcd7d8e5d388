# SPDX-License-Identifier: Apache-2.0
"""Mutation testing: change one place of the code at a time, and see whether a test fails.

    python tools/mutate.py [FOLDER or FILE ...] [--count N] [--seed N] [--report FILE]

The changes are a sample, spread over the files by their length. Each is tried in a copy of the
repository, with those files of tests in the folder of the same name that mention the module, its
own file first. Nothing here is changed. Tests of the graph are left out.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = 'robot_face_gen'
FOLDERS = ('pipeline', 'features', 'face', 'facial_reaction_model')
#: Imported before the forks, because they take seconds.
SLOW_IMPORTS = ('numpy', 'torch', 'onnxruntime', 'rclpy')
COMPARISONS = {
    ast.Lt: ('<=', '>='), ast.LtE: ('<', '>'), ast.Gt: ('>=', '<='), ast.GtE: ('>', '<'),
    ast.Eq: ('!=',), ast.NotEq: ('==',), ast.Is: ('is not',), ast.IsNot: ('is',),
    ast.In: ('not in',), ast.NotIn: ('in',),
}  # fmt: skip
OPERATORS = {
    ast.Add: '-', ast.Sub: '+', ast.Mult: '/', ast.Div: '*', ast.FloorDiv: '/', ast.Mod: '*',
    ast.Pow: '*', ast.BitAnd: '|', ast.BitOr: '&', ast.LShift: '>>', ast.RShift: '<<',
}  # fmt: skip
#: The order of their arguments does not matter.
SYMMETRIC = ('max', 'min', 'maximum', 'minimum')
MARKS = 'not graph and not faults and not real_time and not linter'
LOGGING = ('log', 'logger', 'logging', 'warnings')


class Mutant(NamedTuple):
    """One change: characters `start` to `end` of a file become `new`."""

    path: str  # relative to the repository
    line: int
    start: int
    end: int
    old: str
    new: str


def mutants_of(path: Path) -> Iterator[Mutant]:
    """All changes that are known for a file."""
    source = path.read_text()
    offsets = [0]
    for line in source.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    # The columns of ast count bytes.
    lines = [line.encode() for line in source.splitlines()]

    def at(line: int, column: int) -> int:
        return offsets[line - 1] + len(lines[line - 1][:column].decode())

    def visit(node: ast.AST) -> Iterator[Mutant]:
        for new in changes(node):
            start, end = at(node.lineno, node.col_offset), at(node.end_lineno, node.end_col_offset)
            place = (str(path.relative_to(ROOT)), node.lineno, start, end)
            yield Mutant(*place, source[start:end], new)
        for field, value in ast.iter_fields(node):
            if field in ('annotation', 'returns', 'decorator_list'):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not is_text(child):
                    yield from visit(child)

    yield from visit(ast.parse(source))


def is_text(node: ast.AST) -> bool:
    """Messages, and what only type checkers read."""
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Assert):
        return True
    if isinstance(node, ast.FunctionDef):
        return node.name == '__repr__'
    if isinstance(node, ast.If):
        return 'TYPE_CHECKING' in ast.unparse(node.test)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return any(word in ast.unparse(node.value.func).split('.') for word in LOGGING)
    return False


def changes(node: ast.AST) -> Iterator[str]:
    """The texts that may replace a node."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
        for operator in COMPARISONS[type(node.ops[0])]:
            yield f'(({left}) {operator} ({right}))'
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        left, right = ast.unparse(node.left), ast.unparse(node.right)
        if not isinstance(node.left, ast.Constant) or not isinstance(node.left.value, str):
            yield f'(({left}) {OPERATORS[type(node.op)]} ({right}))'
    elif isinstance(node, ast.AugAssign) and type(node.op) in OPERATORS:
        target, value = ast.unparse(node.target), ast.unparse(node.value)
        yield f'{target} {OPERATORS[type(node.op)]}= {value}'
        yield 'pass'
    elif isinstance(node, ast.BoolOp):
        word = ' or ' if isinstance(node.op, ast.And) else ' and '
        yield '(' + word.join(f'({ast.unparse(value)})' for value in node.values) + ')'
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield f'({ast.unparse(node.operand)})'
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield str(not node.value)
        elif isinstance(node.value, int):
            yield f'({node.value + 1})'
        elif isinstance(node.value, float):
            yield f'({node.value * 1.5 + (node.value == 0)})'
    elif isinstance(node, ast.Call) and len(node.args) > 1:
        function = ast.unparse(node.func)
        first, second, *rest = (ast.unparse(each) for each in node.args)
        starred = any(isinstance(each, ast.Starred) for each in node.args[:2])
        if first != second and not starred and function.split('.')[-1] not in SYMMETRIC:
            words = [second, first, *rest, *(ast.unparse(each) for each in node.keywords)]
            yield f'{function}({", ".join(words)})'
    elif (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)) or (
        isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute | ast.Subscript)
    ):
        yield 'pass'
    elif isinstance(node, ast.IfExp):
        body, test, other = (ast.unparse(each) for each in (node.body, node.test, node.orelse))
        yield f'({other} if {test} else {body})'
    elif isinstance(node, ast.Break | ast.Continue):
        yield 'continue' if isinstance(node, ast.Break) else 'break'


class FastFirst:
    """A pytest plugin: measure the tests, and run those first that were fast."""

    def __init__(self, times: Path) -> None:
        self._times = times
        self._seconds = json.loads(times.read_text()) if times.exists() else {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:  # noqa: D102
        items.sort(key=lambda item: self._seconds.get(item.nodeid, 0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:  # noqa: D102
        if report.when == 'call':
            self._seconds.setdefault(report.nodeid, report.duration)

    def pytest_sessionfinish(self) -> None:  # noqa: D102
        self._times.write_text(json.dumps(self._seconds))


class Copy:
    """A copy of the repository, in which changes are tried."""

    def __init__(self, root: Path, own_only: bool) -> None:
        self.root = root
        self.own_only = own_only
        hidden = shutil.ignore_patterns('.*', 'build', 'install', 'log', 'demo_output', 'runs')
        shutil.copytree(ROOT, root, symlinks=True, ignore=hidden)
        self._passed: dict[Path, float] = {}  # file of tests: seconds without a change

    def tests_of(self, module: Path) -> Iterator[Path]:
        """The files of tests that name a module, or else its importers; its own file first."""
        tests = self.root / 'test' / module.parent.name
        texts = {path: path.read_text() for path in sorted(tests.glob('test_*.py'))}
        names = {module.stem}
        if not any(re.search(rf'\b{module.stem}\b', text) for text in texts.values()):
            word = re.compile(rf'\b{module.stem}\b')
            names = {
                path.stem for path in module.parent.glob('*.py') if word.search(path.read_text())
            }
        own = {tests / f'test_{name}.py' for name in names} & set(texts)
        word = re.compile(rf'\b({"|".join(names)})\b')
        yield from sorted(own)
        if not (own and self.own_only):
            yield from (path for path in texts if path not in own and word.search(texts[path]))

    def survives(self, mutant: Mutant) -> bool:
        """Whether all tests pass that may see a change."""
        target = self.root / mutant.path
        source, stat = target.read_text(), target.stat()
        for path in self.tests_of(target):
            if path not in self._passed:
                begin = time.monotonic()
                code = self._run(path, 1800)
                if code not in (0, 5):
                    what = 'takes too long' if code == -1 else 'fails'
                    output = (self.root / 'output.txt').read_text()
                    raise SystemExit(f'{path} {what} without a change:\n{output}')
                self._passed[path] = time.monotonic() - begin
            target.write_text(source[: mutant.start] + mutant.new + source[mutant.end :])
            code = self._run(path, 20 + 3 * self._passed[path])
            target.write_text(source)
            os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            if code not in (0, 5):
                return False
        return True

    def _run(self, tests: Path, limit_s: float) -> int:
        """The exit code of pytest in a forked process (5: no tests); -1 at the time limit."""
        child = os.fork()
        if child == 0:
            try:
                os._exit(self._run_here(tests))
            finally:
                os._exit(99)
        end, done = time.monotonic() + limit_s, 0
        while not done and time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            time.sleep(0.02)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        if not done:
            os.waitpid(child, 0)
            return -1
        return os.waitstatus_to_exitcode(status)

    def _run_here(self, tests: Path) -> int:
        os.setsid()
        os.chdir(self.root)
        os.environ['PYTHONPATH'] = str(self.root)
        sys.path.insert(0, str(self.root))
        # Bytecode of a changed file would stay; that of all others saves time.
        sys.dont_write_bytecode = tests in self._passed
        os.environ['PYTHONDONTWRITEBYTECODE'] = '1' if tests in self._passed else ''
        with open('output.txt', 'wb') as output:
            for descriptor in (1, 2):
                os.dup2(output.fileno(), descriptor)
        # No time to make a failing example small.
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile(
            'mutate', phases=phases, derandomize=True, deadline=None
        )
        hypothesis.settings.load_profile('mutate')
        words = ['-x', '-q', '-p', 'no:cacheprovider', '-p', 'no:rerunfailures', '-m', MARKS]
        times = self.root / f'{tests.stem}.json'
        return int(pytest.main([*words, str(tests)], plugins=[FastFirst(times)]))


def sample(files: list[Path], count: int, seed: int) -> list[Mutant]:
    """About `count` changes, spread over the files by their length."""
    lengths = {file: len(file.read_text().splitlines()) for file in files}
    chosen: list[Mutant] = []
    for file, length in lengths.items():
        rng = random.Random(f'{seed} {file.relative_to(ROOT)}')
        wanted = count * length / sum(lengths.values())
        number = int(wanted) + (rng.random() < wanted % 1)
        known = list(mutants_of(file))
        chosen += rng.sample(known, min(number, len(known)))
    return chosen


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('paths', nargs='*', default=FOLDERS, help='in the package')
    parser.add_argument('--count', type=int, default=240, help='about how many changes')
    parser.add_argument(
        '--own', action='store_true', help='only test_MODULE.py, where there is one'
    )
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--least', type=float, default=0, help='percent killed; fewer: an error')
    parser.add_argument('--report', type=Path, help='a file for the list')
    options = parser.parse_args()
    files: list[Path] = []
    for path in (ROOT / PACKAGE / name for name in options.paths):
        files += [path] if path.is_file() else sorted(path.glob('*.py'))
    mutants = sample(files, options.count, options.seed)
    for name in SLOW_IMPORTS:
        with suppress(ImportError):
            importlib.import_module(name)
    lines: list[str] = []
    killed = 0
    with tempfile.TemporaryDirectory() as temporary:
        copy = Copy(Path(temporary) / ROOT.name, options.own)
        for mutant in mutants:
            survives = copy.survives(mutant)
            killed += not survives
            old, new = (' '.join(text.split()) for text in (mutant.old, mutant.new))
            outcome = 'survived' if survives else 'killed'
            lines.append(f'{outcome}: {mutant.path}:{mutant.line}: {old} -> {new}')
            print(lines[-1], flush=True)
    rate = 100 * killed / max(len(lines), 1)
    lines.append(f'{len(lines)} changes, {killed} killed ({rate:.0f} %)')
    print(lines[-1])
    if options.report:
        options.report.write_text('\n'.join(lines) + '\n')
    return int(rate < options.least)


if __name__ == '__main__':
    sys.exit(main())
