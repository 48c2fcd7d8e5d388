# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium for tests of the pages; skipped where it or playwright is not installed."""

import contextlib
import io
import os
import shutil

import numpy as np
import pytest

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
PATIENCE_MS = 120_000  # as `live_graph.PATIENCE_S`, for a machine without processor time


@contextlib.contextmanager
def chromium():
    """A running browser."""
    sync_api = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f'no Chromium is installed ({", ".join(NAMES)})')
    # A child of another virtual environment's Python must not take our ROS wheels for its own.
    os.environ.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=['--no-sandbox', '--force-color-profile=srgb']
        )
        yield browser
        browser.close()


@contextlib.contextmanager
def open_page(browser, address, **options):
    """A page; errors in it, console messages and requests elsewhere fail the test.

    `page.problems` holds them, and may be emptied by the test.
    """
    page = browser.new_page(**{'viewport': {'width': 480, 'height': 480}, **options})
    page.set_default_timeout(PATIENCE_MS)
    page.problems = []
    page.on('console', lambda message: page.problems.append(message.text))
    page.on('pageerror', lambda error: page.problems.append(str(error)))
    page.on(
        'request',
        lambda request: (
            request.url.startswith((address.partition('?')[0][:20], 'data:'))
            or page.problems.append(f'request to {request.url}')
        ),
    )
    page.goto(address)
    yield page
    problems = page.problems
    page.close()
    assert not problems


def picture(page):
    """What the page shows, (height, width, 3) int16."""
    from PIL import Image

    image = Image.open(io.BytesIO(page.screenshot())).convert('RGB')
    return np.asarray(image, np.int16)
