# SPDX-License-Identifier: Apache-2.0
"""The table of licences in docs/security.md: all packages of the demo, as they say themselves."""

import importlib.metadata
import re
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What packages write, and what the table calls it.
LICENCES = {
    'MPL': 'MPL-2.0', 'Mozilla': 'MPL-2.0', 'Apache': 'Apache-2.0', 'MIT': 'MIT', 'BSD': 'BSD',
    'PSF': 'PSF-2.0', 'Python Software': 'PSF-2.0', 'GPL': 'GPL', 'NVIDIA': 'NVIDIA',
    'CNRI': 'CNRI-Python',
}  # fmt: skip


def licence_table():
    """Names (with wildcards) and their cell of licences."""
    found = {}
    for line in (ROOT / 'docs' / 'security.md').read_text(encoding='utf-8').splitlines():
        cells = line.split(' | ')
        if line.startswith('| ') and len(cells) == 3:
            found.update((name, cells[1]) for name in re.findall(r'`([^`]+)`', cells[0]))
    return found


def packages():
    lines = (ROOT / 'requirements-demo.txt').read_text(encoding='utf-8').splitlines()
    return sorted({found[1] for line in lines if (found := re.match(r'([\w.-]+)==', line))})


def mistake(package):
    """What is wrong in the table; '' where nothing is."""
    cells = [cell for name, cell in licence_table().items() if fnmatch(package, name)]
    if len(cells) != 1:
        return f'{package}: named {len(cells)} times'
    try:
        about = importlib.metadata.metadata(package)
    except importlib.metadata.PackageNotFoundError:  # for another platform
        return ''
    classifiers = [text for text in about.get_all('Classifier') or () if 'License' in text]
    said = about['License-Expression'] or ' '.join(classifiers) or (about['License'] or '')[:80]
    missing = {name for word, name in LICENCES.items() if word in said and name not in cells[0]}
    return f'{package}: {said}, but the table has {cells[0]}' if missing else ''


def test_the_licence_of_each_package_is_in_the_table():
    assert len(packages()) > 100
    assert not (mistakes := list(filter(None, map(mistake, packages())))), '\n'.join(mistakes)
