"""Loggers of the launch, and what processes say on the screen."""

from __future__ import annotations

import logging
import sys


class _Screen(logging.Handler):
    """Writes lines to whatever standard output is when the line comes."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stdout.write(self.format(record) + '\n')
            sys.stdout.flush()
        except (OSError, ValueError):
            pass  # a reader that went away (a closed pipe) must not end the launch


def get_logger(name: str | None = None) -> logging.Logger:
    """Logger of that name; it writes `[LEVEL] [name]: text` to standard output."""
    logger = logging.getLogger(f'launch.process.{name}' if name else 'launch')
    if not logger.handlers:
        handler = _Screen()
        shown = (name or 'launch').replace('{', '{{').replace('}', '}}')
        handler.setFormatter(
            logging.Formatter(f'[{{levelname}}] [{shown}]: {{message}}', style='{')
        )
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(logging.INFO)
    return logger


def get_screen() -> logging.Logger:
    """Logger of what processes say: lines as they are."""
    logger = logging.getLogger('launch.screen')
    if not logger.handlers:
        logger.addHandler(_Screen())
        logger.propagate = False
        logger.setLevel(logging.INFO)
    return logger
