#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the pictures of the README: the page of face_screen_node, drawn in Chromium.

    robot-face-gen react --openface FILE --audio FILE --out OUT --no-video
    tools/make_pictures.py OUT/reaction.csv docs

The reaction is played on a clock of its own, so that no frame is lost. Needs the extras `dev` and
Chromium.
"""

from __future__ import annotations

import argparse
import base64
import csv
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from robot_face_gen.layout import AU_COLUMNS, GAZE_COLUMNS, POSE_COLUMNS
from robot_face_gen.screen.server import ScreenServer
from robot_face_gen.screen.settings import SKINS, ServerSettings

RATE_HZ = 25
EVERY = 2  # frames of the reaction for one of the animation
COLOURS = ('teal', 'amber', 'blue')
PREPARE = """async ([skin, colour, width, height]) => {
  const { FacePainter } = await import('/static/skins.js');
  const { Life, Motion } = await import('/static/motion.js');
  const canvas = document.createElement('canvas');
  canvas.style.cssText = `width:${width}px;height:${height}px`;
  document.querySelector('main').replaceChildren(canvas);
  const painter = new FacePainter(canvas, { skin, colour });
  const [motion, life] = [new Motion(), new Life()];
  window.play = (faces, now) => {
    for (const { time, au, pose, gaze } of faces) {
      const array = (values) => Float32Array.from(values);
      motion.push({ time, au: array(au), pose: array(pose), gaze: array(gaze), flag: true }, time);
    }
    painter.draw(life.add(motion.at(now), now));
    return canvas.toDataURL('image/png');
  };
}"""


def read_faces(path: Path) -> list[dict[str, object]]:
    """The reaction's frames as the page wants them."""
    with path.open(encoding='utf-8') as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    faces = []
    for number, row in enumerate(rows):
        pose = [float(row[name]) for name in POSE_COLUMNS]
        faces.append(
            {
                'time': number / RATE_HZ,
                'au': [float(row[name]) for name in AU_COLUMNS],
                'pose': [*pose[:3], pose[3] / 1000.0],
                'gaze': [float(row[name]) for name in GAZE_COLUMNS],
            }
        )
    return faces


def draw(
    page: Page, faces: list, skin: str, colour: str, size: tuple[int, int]
) -> list[Image.Image]:
    """Pictures of the reaction, 12.5 a second."""
    page.evaluate(PREPARE, [skin, colour, *size])
    pictures = []
    for end in range(EVERY, len(faces) + 1, EVERY):
        new = faces[end - EVERY : end]
        # The page shows a frame a little after it has come.
        data = page.evaluate('([faces, now]) => play(faces, now)', [new, new[-1]['time'] + 0.01])
        raw = base64.b64decode(data.partition(',')[2])
        pictures.append(Image.open(io.BytesIO(raw)).convert('RGB'))
    return pictures


def main() -> None:
    """Write face.webp (all skins) and face_animated.webp."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('reaction', type=Path, help='reaction.csv')
    parser.add_argument('out', type=Path, help='folder')
    parser.add_argument('--begin', type=float, default=0.0, help='of the animation, s')
    parser.add_argument('--length', type=float, default=10.0, help='of the animation, s')
    parser.add_argument('--still', type=float, default=2.0, help='moment of the picture, s')
    args = parser.parse_args()
    faces = read_faces(args.reaction)
    server = ScreenServer(ServerSettings(port=0), print, lambda command, answer: None)
    server.start()
    chromium = shutil.which('chromium') or shutil.which('google-chrome')
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=['--no-sandbox'])
        page = browser.new_page(viewport={'width': 1000, 'height': 800})
        while not server.address:
            page.wait_for_timeout(50)
        page.goto(server.address)
        begin, end = (round(t * RATE_HZ) for t in (args.begin, args.begin + args.length))
        film = draw(page, faces[begin:end], SKINS[0], COLOURS[0], (480, 380))
        film[0].save(
            args.out / 'face_animated.webp', save_all=True, append_images=film[1:], loop=0,
            duration=1000 * EVERY // RATE_HZ, quality=60, method=6,
        )  # fmt: skip
        around = faces[max(0, round((args.still - 1) * RATE_HZ)) : round(args.still * RATE_HZ) + 1]
        row = Image.new('RGB', (1200, 400))
        for place, (skin, colour) in enumerate(zip(SKINS, COLOURS, strict=True)):
            row.paste(draw(page, around, skin, colour, (400, 400))[-1], (400 * place, 0))
        row.save(args.out / 'face.webp', quality=85, method=6)
        browser.close()
    server.stop()


if __name__ == '__main__':
    main()
