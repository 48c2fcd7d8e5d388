// SPDX-License-Identifier: Apache-2.0
// The full-screen face. ?skin=robot|person|glow &colour=teal|... choose its appearance.

import { Link } from './link.js';
import { Life, Motion } from './motion.js';
import { FacePainter } from './skins.js';

const chosen = new URLSearchParams(location.search);
const canvas = document.querySelector('canvas');
const note = document.querySelector('#note');
const painter = new FacePainter(canvas, { skin: chosen.get('skin'), colour: chosen.get('colour') });
const motion = new Motion();
const life = new Life();
const stillFace = chosen.get('still') === '1'; // without breathing and tiny eye movements

const link = new Link('face', {
  face: (face, now) => face.kind === 'listener' && motion.push(face, now),
  text: (data) => {
    if (data.type === 'hello') painter.wear(chosen.get('skin') ?? data.skin, chosen.get('colour') ?? data.colour);
    if (data.type === 'note') note.textContent = data.text;
  },
  close: () => (document.body.dataset.link = 'closed'),
  open: () => (document.body.dataset.link = 'open'),
});

function frame(milliseconds) {
  const now = milliseconds / 1000;
  const face = motion.at(now);
  painter.draw(stillFace ? face : life.add(face, now));
  shown.face = face;
  shown.frames += 1;
  requestAnimationFrame(frame);
}

// For tests and other scripts on the page: what is drawn now.
const shown = { face: null, frames: 0, motion, link };
window.robotFace = shown;
new ResizeObserver(() => painter.fit()).observe(canvas);
canvas.addEventListener('dblclick', () =>
  document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen?.().catch(() => {}));
// Keep the display on where browsers allow it (over https or on this machine).
const keepAwake = () => navigator.wakeLock?.request('screen').catch(() => {});
document.addEventListener('visibilitychange', () => document.hidden || keepAwake());
keepAwake();
requestAnimationFrame(frame);
