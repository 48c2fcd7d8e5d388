"""What of a process' output is shown."""

from __future__ import annotations

from typing import Any

from ..launch_context import LaunchContext
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions

_WORDS = ('screen', 'log', 'both', 'own_log', 'full')


def shown_streams(context: LaunchContext, output: Any) -> dict[str, bool]:
    """Whether 'stdout' and 'stderr' are shown, from an action's `output`.

    Raises:
        ValueError: It is none of the words for it.
    """
    wanted = output
    if not isinstance(wanted, dict):
        parts = normalize_to_list_of_substitutions(wanted)
        wanted = {'both': perform_substitutions(context, parts)}
    shown = {'stdout': False, 'stderr': False}
    for stream, words in wanted.items():
        for word in [words] if isinstance(words, str) else words:
            if word not in _WORDS or stream not in ('stdout', 'stderr', 'both'):
                raise ValueError(
                    f'output {output!r}: expected one of {", ".join(_WORDS)}, or a dict of '
                    "'stdout', 'stderr' and 'both' with them"
                )
            for one in ('stdout', 'stderr') if stream == 'both' else (stream,):
                shown[one] |= word != 'log' or one == 'stderr'
    return shown
