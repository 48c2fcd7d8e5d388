// SPDX-License-Identifier: Apache-2.0
// How the face is painted: skins and colours.

import { shapeOf } from './shape.js';

// Hue of each colour, degrees.
export const COLOURS = { teal: 186, blue: 216, violet: 262, rose: 338, amber: 36, green: 150 };
export const SKINS = ['robot', 'person', 'glow'];

const hsl = (h, s, l, a = 1) => `hsla(${((h % 360) + 360) % 360},${s}%,${l}%,${a})`;

// A gradient with colours, each at a share of its length.
function shaded(gradient, ...stops) {
  for (const [share, colour] of stops) gradient.addColorStop(share, colour);
  return gradient;
}

function paint(context, fill) {
  context.fillStyle = fill;
  context.fill();
}

function stroke(context, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}

function faded(context, alpha, draw) {
  context.globalAlpha = alpha;
  draw();
  context.globalAlpha = 1;
}

function palette(skin, hue) {
  const shared = {
    iris: hsl(hue, 62, 45), irisDark: hsl(hue, 70, 21), irisLight: hsl(hue, 72, 66),
    accent: hsl(hue, 62, 55), accentLight: hsl(hue, 80, 78), accentDark: hsl(hue, 55, 32),
  };
  if (skin === 'person') {
    return {
      ...shared,
      iris: hsl(26, 48, 36), irisDark: hsl(22, 55, 15), irisLight: hsl(32, 58, 56),
      back: [hsl(hue, 38, 86), hsl(hue, 34, 64)],
      face: ['#ffdcc0', '#f3bd98', '#d99670'], edge: '#b87350', lid: '#eab08a', fold: '#a85f40', brow: '#4a2f22',
      lip: ['#d9756c', '#c35f5c', '#e2867c'], mouth: '#57181e', tongue: '#d8686b', blush: '255,120,100', shine: 0.5,
      sclera: ['#ffffff', '#e9e6e6'], lash: '#3a241c', hair: ['#6b4634', '#3f281e'], nose: '#c98560',
    };
  }
  return {
    ...shared,
    back: [hsl(hue, 40, 40), hsl(hue, 52, 13)],
    face: ['#ffffff', '#f1f4f8', '#c3cddb'], edge: '#8d9db1', lid: '#e3e9f1', fold: '#8493a8', brow: '#3b4a5c',
    lip: ['#e9a9a4', '#dc918f', '#f0b8b1'], mouth: '#4a2032', tongue: '#e0828a', blush: '255,132,132', shine: 1,
    sclera: ['#ffffff', '#e6edf3'], lash: '#33435a', nose: '#b3c0cf',
  };
}

// A smooth curve through points.
function trace(context, points, closed = false, go = false) {
  const count = points.length;
  const pick = (i) => (closed ? points[(i + count) % count] : points[Math.min(Math.max(i, 0), count - 1)]);
  if (go) context.lineTo(...points[0]);
  else context.moveTo(...points[0]);
  for (let i = 0; i < (closed ? count : count - 1); i += 1) {
    const [a, b, c, d] = [pick(i - 1), pick(i), pick(i + 1), pick(i + 2)];
    context.bezierCurveTo(
      b[0] + (c[0] - a[0]) / 6, b[1] + (c[1] - a[1]) / 6, c[0] - (d[0] - b[0]) / 6, c[1] - (d[1] - b[1]) / 6, c[0], c[1]);
  }
  if (closed) context.closePath();
}

function band(context, upper, lower) {
  context.beginPath();
  trace(context, upper);
  trace(context, [...lower].reverse(), false, true);
  context.closePath();
}

function disc(context, [x, y], radius, fill, squash = [1, 1], angle = 0) {
  context.beginPath();
  context.ellipse(x, y, Math.max(radius * squash[0], 0.1), Math.max(radius * squash[1], 0.1), angle, 0, 2 * Math.PI);
  paint(context, fill);
}

function glowAt(context, [x, y], radius, colour, alpha) {
  const fill = shaded(context.createRadialGradient(x, y, 0, x, y, radius),
    [0, `rgba(${colour},${alpha})`], [1, `rgba(${colour},0)`]);
  disc(context, [x, y], radius, fill);
}

function line(context, points, colour, width) {
  context.beginPath();
  trace(context, points);
  stroke(context, colour, width);
}

// A stroke of varying width with round ends.
function taper(context, points, widths, colour) {
  const last = points.length - 1;
  const edge = (sign) =>
    points.map(([x, y], i) => {
      const [[ax, ay], [bx, by]] = [points[Math.max(i - 1, 0)], points[Math.min(i + 1, last)]];
      const reach = (sign * widths[i]) / (2 * (Math.hypot(bx - ax, by - ay) || 1));
      return [x - (by - ay) * reach, y + (bx - ax) * reach];
    });
  band(context, edge(-1), edge(1));
  paint(context, colour);
  for (const i of [0, last]) disc(context, points[i], widths[i] / 2, colour);
}

// Give a canvas as many pixels as the display has, within reason; returns pixels of the canvas in one of the page.
export function fitCanvas(canvas) {
  const { clientWidth, clientHeight } = canvas;
  const scale = Math.min(window.devicePixelRatio || 1, 2, 2200 / Math.max(clientWidth, clientHeight, 1));
  const [width, height] = [Math.round(clientWidth * scale), Math.round(clientHeight * scale)];
  if (width && height && (canvas.width !== width || canvas.height !== height)) [canvas.width, canvas.height] = [width, height];
  return scale;
}

export class FacePainter {
  constructor(canvas, { skin = 'robot', colour = 'teal' } = {}) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d');
    this.wear(skin, colour);
    this.fit();
  }

  wear(skin, colour) {
    this.skin = SKINS.includes(skin) ? skin : SKINS[0];
    this.colours = palette(this.skin, Object.hasOwn(COLOURS, colour) ? COLOURS[colour] : COLOURS.teal);
  }

  fit() {
    fitCanvas(this.canvas);
  }

  draw(face) {
    const { context, canvas } = this;
    const shape = shapeOf(canvas.width, canvas.height, face);
    context.lineCap = 'round';
    context.lineJoin = 'round';
    this.drawBackground();
    if (this.skin === 'glow') drawGlow(context, shape, this.colours);
    else drawSolid(context, shape, this.colours, this.skin, face.live);
  }

  drawBackground() {
    const { context, canvas, colours } = this;
    const [w, h] = [canvas.width, canvas.height];
    const fill = context.createRadialGradient(w / 2, 0.42 * h, 0, w / 2, 0.5 * h, 0.75 * Math.hypot(w, h));
    const [near, far] = this.skin === 'glow' ? ['#0b1118', '#020305'] : colours.back;
    fill.addColorStop(0, near);
    fill.addColorStop(1, far);
    context.fillStyle = fill;
    context.fillRect(0, 0, w, h);
  }
}

function drawSolid(context, shape, colours, skin, isLive) {
  const { at } = shape;
  const u = at.size;
  drawBody(context, at, colours, skin);
  if (skin === 'robot') drawEars(context, at, colours, isLive);
  else drawHairBehind(context, at, colours);

  // The head: light from above left.
  const [hx, hy] = at.place(-0.3, -0.55, 0.8);
  const skinFill = shaded(context.createRadialGradient(hx, hy, 0.1 * u, hx + 0.2 * u, hy + 0.5 * u, 2.15 * u),
    [0, colours.face[0]], [0.55, colours.face[1]], [1, colours.face[2]]);
  context.beginPath();
  trace(context, shape.head, true);
  paint(context, skinFill);
  context.save();
  context.clip();
  drawSockets(context, shape);
  drawCheeks(context, shape, colours);
  drawChin(context, shape, colours);
  drawNose(context, shape, colours);
  for (const fold of shape.wrinkles) {
    context.globalAlpha = 0.6 * fold.strength;
    line(context, fold.points, colours.fold, (0.011 + 0.01 * fold.strength) * fold.width * u);
  }
  context.globalAlpha = 1;
  shape.eyes.forEach((eye) => drawEye(context, eye, colours, u));
  drawMouth(context, shape.mouth, colours, u);
  for (const brow of shape.brows) taper(context, brow.middle, brow.widths, colours.brow);
  context.restore();
  context.beginPath();
  trace(context, shape.head, true);
  context.strokeStyle = colours.edge;
  context.globalAlpha = 0.55;
  context.lineWidth = 0.014 * u;
  context.stroke();
  context.globalAlpha = 1;
  context.save();
  context.beginPath();
  trace(context, shape.head.map(([x, y]) => [hx + (x - hx) * 1.012, hy + (y - hy) * 1.012]), true);
  context.clip();
  if (skin === 'person') drawHairFront(context, at, colours);
  else drawCap(context, at, colours);
  context.restore();
}

function drawBody(context, at, colours, skin) {
  const u = at.unit;
  const [x, y] = [at.centre[0], at.centre[1]];
  const bottom = Math.max(y + 3 * u, context.canvas.height + 1);
  const [nx, ny] = at.flat(0, 1.0, -0.4);
  const neck = [[nx - 0.42 * u, ny], [x - 0.44 * u, y + 1.8 * u], [x + 0.44 * u, y + 1.8 * u], [nx + 0.42 * u, ny]];
  const fill = context.createLinearGradient(0, ny, 0, y + 1.7 * u);
  if (skin === 'robot') {
    fill.addColorStop(0, '#3b4858');
    fill.addColorStop(1, '#66788c');
  } else {
    fill.addColorStop(0, colours.face[2]);
    fill.addColorStop(1, colours.face[1]);
  }
  context.beginPath();
  context.moveTo(...neck[0]);
  context.bezierCurveTo(nx - 0.4 * u, ny + 0.3 * u, x - 0.4 * u, y + 1.3 * u, ...neck[1]);
  context.lineTo(...neck[2]);
  context.bezierCurveTo(x + 0.4 * u, y + 1.3 * u, nx + 0.4 * u, ny + 0.3 * u, ...neck[3]);
  context.closePath();
  paint(context, fill);
  if (skin === 'robot') {
    for (const t of [0.42, 0.62, 0.82]) {
      const [cx, cy] = [nx + (x - nx) * t, ny + (y + 1.62 * u - ny) * t];
      context.beginPath();
      context.moveTo(cx - 0.4 * u, cy);
      context.quadraticCurveTo(cx, cy + 0.09 * u, cx + 0.4 * u, cy);
      stroke(context, 'rgba(20,28,38,.45)', 0.025 * u);
    }
  }
  const body = shaded(context.createLinearGradient(0, y + 1.4 * u, 0, bottom),
    [0, skin === 'robot' ? '#f4f7fa' : colours.accent], [1, skin === 'robot' ? '#a9b7c6' : colours.accentDark]);
  context.beginPath();
  context.moveTo(x - 1.75 * u, bottom);
  context.bezierCurveTo(x - 1.7 * u, y + 1.75 * u, x - 1.1 * u, y + 1.68 * u, x - 0.5 * u, y + 1.56 * u);
  context.quadraticCurveTo(x, y + 1.78 * u, x + 0.5 * u, y + 1.56 * u);
  context.bezierCurveTo(x + 1.1 * u, y + 1.68 * u, x + 1.7 * u, y + 1.75 * u, x + 1.75 * u, bottom);
  context.closePath();
  paint(context, body);
  context.beginPath();
  context.moveTo(x - 0.5 * u, y + 1.56 * u);
  context.quadraticCurveTo(x, y + 1.78 * u, x + 0.5 * u, y + 1.56 * u);
  stroke(context, skin === 'robot' ? colours.accent : colours.accentLight, 0.06 * u);
}

function drawEars(context, at, colours, isLive) {
  const u = at.size;
  const top = at.place(0, -1.2, -0.15);
  const lamp = at.place(0, -1.47, -0.15);
  context.beginPath();
  context.moveTo(...top);
  context.lineTo(...lamp);
  stroke(context, colours.edge, 0.05 * u);
  if (isLive) {
    const glow = shaded(context.createRadialGradient(...lamp, 0, ...lamp, 0.26 * u),
      [0, colours.accentLight], [1, 'rgba(255,255,255,0)']);
    faded(context, 0.6, () => disc(context, lamp, 0.26 * u, glow));
  }
  disc(context, lamp, 0.085 * u, colours.edge);
  disc(context, lamp, 0.065 * u, isLive ? colours.accentLight : colours.accentDark);
  for (const side of [-1, 1]) {
    const [x, y] = at.place(side * 1.17, 0.0, -0.12);
    const thin = 0.52 + 0.35 * Math.max(-side * at.sy, 0) - 0.3 * Math.max(side * at.sy, 0);
    const squash = [Math.max(thin, 0.2), 1];
    disc(context, [x, y], 0.27 * u, '#7e90a4', squash, at.roll);
    disc(context, [x + side * 0.03 * u, y], 0.235 * u, '#dfe6ee', squash, at.roll);
    disc(context, [x + side * 0.045 * u, y], 0.15 * u, colours.accent, squash, at.roll);
    disc(context, [x + side * 0.05 * u, y - 0.01 * u], 0.085 * u, colours.accentLight, squash, at.roll);
  }
}

function drawHairBehind(context, at, colours) {
  const points = [[0, -1.4], [0.55, -1.34], [0.98, -1.06], [1.2, -0.55], [1.21, -0.1], [1.08, 0.2], [0.7, 0.3]];
  const all = [...points.map(([x, y]) => at.rim(x, y, -0.35)), ...points.slice(1).reverse().map(([x, y]) => at.rim(-x, y, -0.35))];
  context.beginPath();
  trace(context, all, true);
  const [, y] = at.rim(0, -1.4, 0);
  const fill = shaded(context.createLinearGradient(0, y, 0, y + 2 * at.size), [0, colours.hair[0]], [1, colours.hair[1]]);
  paint(context, fill);
  for (const side of [-1, 1]) {
    const [x, yy] = at.place(side * 1.15, 0.08, -0.1);
    disc(context, [x, yy], 0.2 * at.size, colours.face[2], [0.62, 1], at.roll);
    disc(context, [x + side * 0.01 * at.size, yy], 0.12 * at.size, colours.fold, [0.5, 1], at.roll);
    disc(context, [x - side * 0.012 * at.size, yy + 0.01 * at.size], 0.12 * at.size, colours.face[2], [0.55, 1], at.roll);
  }
}

function drawHairFront(context, at, colours) {
  const u = at.size;
  const low = [[-1.2, 0.12], [-1.12, -0.12], [-1.06, -0.42], [-0.9, -0.72], [-0.45, -0.9], [0.05, -1.0], [0.5, -1.0], [0.88, -0.8], [1.05, -0.45], [1.12, -0.12], [1.2, 0.12]];
  const edge = low.map(([x, y]) => at.front(x, y, 0.05));
  context.beginPath();
  trace(context, edge);
  for (const [x, y] of [[1.8, 0], [1.8, -2.2], [-1.8, -2.2], [-1.8, 0]]) context.lineTo(...at.flat(x, y, 0));
  context.closePath();
  const [, y] = at.flat(0, -1.4, 0);
  const fill = shaded(context.createLinearGradient(0, y, 0, y + u), [0, colours.hair[0]], [1, colours.hair[1]]);
  paint(context, fill);
  context.globalAlpha = 0.13;
  line(context, [[-0.72, -0.93], [-0.2, -1.1], [0.5, -1.1]].map(([x, yy]) => at.front(x, yy, 0.06)), '#ffffff', 0.07 * u);
  context.globalAlpha = 1;
}

// The robot's cap: the upper part of its shell.
function drawCap(context, at, colours) {
  const u = at.size;
  const low = [[-1.22, -0.3], [-1.1, -0.56], [-0.9, -0.79], [-0.52, -0.95], [0, -1.0], [0.52, -0.95], [0.9, -0.79], [1.1, -0.56], [1.22, -0.3]];
  const edge = low.map(([x, y]) => at.front(x, y, 0.04));
  context.beginPath();
  trace(context, edge);
  for (const [x, y] of [[1.8, -0.3], [1.8, -2.2], [-1.8, -2.2], [-1.8, -0.3]]) context.lineTo(...at.flat(x, y, 0));
  context.closePath();
  const [x, y] = at.place(-0.25, -1.2, 0.4);
  const fill = shaded(context.createRadialGradient(x, y, 0, x, y, 1.5 * u),
    [0, colours.accentLight], [0.4, colours.accent], [1, colours.accentDark]);
  paint(context, fill);
  line(context, edge, 'rgba(255,255,255,.75)', 0.022 * u);
  faded(context, 0.35, () => line(context, low.map(([a, b]) => at.front(a, b + 0.03, 0.04)), colours.fold, 0.02 * u));
}

function drawSockets(context, shape) {
  const u = shape.at.size;
  for (const eye of shape.eyes) {
    const [x, y] = eye.socket[Math.round(eye.socket.length / 2)];
    glowAt(context, [x, y + 0.16 * u], 0.42 * u, '90,70,80', 0.1);
  }
}

function drawCheeks(context, shape, colours) {
  for (const cheek of shape.cheeks) {
    glowAt(context, cheek.middle, 1.25 * cheek.radius, colours.blush, 0.16 + 0.3 * cheek.colour);
    if (cheek.bulge > 0.05) {
      const [x, y] = cheek.middle;
      glowAt(context, [x, y - 0.25 * cheek.radius], 0.8 * cheek.radius, '255,255,255', 0.3 * Math.min(cheek.bulge, 1));
      faded(context, 0.5 * Math.min(cheek.bulge, 1), () => line(context, cheek.arc, colours.fold, 0.016 * shape.at.size));
    }
  }
}

function drawChin(context, shape, colours) {
  const { chin } = shape;
  const [x, y] = chin.middle;
  glowAt(context, [x, y - 0.02 * chin.size], (0.2 + 0.05 * chin.raise) * chin.size, '255,255,255', (0.22 + 0.2 * chin.raise) * colours.shine);
  glowAt(context, shape.mouth.shadow, 0.2 * chin.size, '70,60,80', 0.08);
  if (chin.raise > 0.3) {
    for (const point of chin.dimples) glowAt(context, point, 0.03 * chin.size, '80,50,50', 0.55 * (chin.raise - 0.3));
  }
}

function drawNose(context, shape, colours) {
  const { nose } = shape;
  const u = nose.size;
  const [tx, ty] = nose.tip;
  glowAt(context, [tx + 0.07 * u, ty + 0.05 * u], 0.26 * u, '70,50,60', 0.16);
  for (const point of nose.bridge) glowAt(context, point, 0.13 * u, '255,255,255', 0.26 * colours.shine);
  glowAt(context, [tx - 0.03 * u, ty - 0.03 * u], 0.13 * u, '255,255,255', 0.6 * colours.shine);
  nose.nostrils.forEach((point) => disc(context, point, 0.022 * u, colours.fold, [1.25, 0.75], shape.at.roll));
  line(context, nose.arc, colours.nose, 0.024 * u);
  faded(context, nose.flare, () => nose.wings.forEach((wing) => line(context, wing, colours.fold, 0.02 * u)));
}

function drawEye(context, eye, colours, u) {
  // The upper lid, from the fold to its edge.
  band(context, eye.socket, eye.upper);
  paint(context, colours.lid);
  faded(context, 0.3, () => line(context, eye.socket, colours.fold, 0.012 * u));
  if (eye.opening > 0.02) {
    context.save();
    band(context, eye.upper, eye.lower);
    context.clip();
    const middle = eye.upper[Math.round(eye.upper.length / 2)];
    const [x, y] = eye.iris;
    context.fillStyle = colours.sclera[0];
    context.fillRect(x - u, y - u, 2 * u, 2 * u);
    const r = eye.radius;
    const fill = shaded(context.createRadialGradient(x, y + 0.35 * r, 0.1 * r, x, y, r),
      [0, colours.irisLight], [0.62, colours.iris], [0.92, colours.irisDark], [1, colours.irisDark]);
    disc(context, [x, y], r, fill, eye.squash);
    disc(context, [x, y], 0.52 * r, '#0c1116', eye.squash);
    // The lid's shadow on the eyeball.
    const shade = shaded(context.createLinearGradient(0, middle[1], 0, middle[1] + 0.17 * u),
      [0, 'rgba(30,30,50,.34)'], [1, 'rgba(30,30,50,0)']);
    context.fillStyle = shade;
    context.fillRect(x - u, y - u, 2 * u, 2 * u);
    disc(context, [x - 0.34 * r, y - 0.36 * r], 0.27 * r, 'rgba(255,255,255,.96)');
    disc(context, [x + 0.34 * r, y + 0.38 * r], 0.13 * r, 'rgba(255,255,255,.65)');
    context.restore();
  }
  faded(context, 0.75, () => line(context, eye.lower, colours.fold, 0.014 * u));
  line(context, eye.upper, colours.lash, 0.036 * u);
}

function drawMouth(context, mouth, colours, u) {
  if (mouth.gap > 0.006) {
    context.save();
    band(context, mouth.upperIn, mouth.lowerIn);
    paint(context, colours.mouth);
    context.clip();
    disc(context, mouth.tongue, 0.2 * u, colours.tongue, [1.15, 0.62]);
    band(context, mouth.upperIn.map(([x, y]) => [x, y - 0.02 * u]), mouth.teeth);
    paint(context, '#fdfdfb');
    context.restore();
  }
  const fillLip = (upper, lower, from, to) => {
    const [a, b] = [upper[Math.round(upper.length / 2)], lower[Math.round(lower.length / 2)]];
    const fill = shaded(context.createLinearGradient(a[0], a[1], a[0], b[1] + 0.01), [0, from], [1, to]);
    band(context, upper, lower);
    paint(context, fill);
  };
  context.globalAlpha = 1 - 0.7 * mouth.sucked;
  fillLip(mouth.upperOut, mouth.upperIn, colours.lip[0], colours.lip[1]);
  fillLip(mouth.lowerIn, mouth.lowerOut, colours.lip[2], colours.lip[0]);
  context.globalAlpha = 1;
  if (!mouth.sucked) {
    const low = mouth.lowerOut[Math.round(mouth.lowerOut.length / 2)];
    const high = mouth.lowerIn[Math.round(mouth.lowerIn.length / 2)];
    glowAt(context, [low[0] - 0.04 * u, (low[1] + high[1]) / 2], 0.09 * u, '255,255,255', 0.35 * colours.shine);
  }
  context.globalAlpha = mouth.gap > 0.02 ? 0.4 : 0.9;
  line(context, mouth.upperIn, colours.mouth, (0.02 + 0.012 * mouth.sucked + 0.006 * mouth.tight) * u);
  faded(context, 0.8, () => mouth.corners.forEach((corner) => glowAt(context, corner, 0.04 * u, '90,50,60', 0.2)));
}

// Luminous lines on a dark screen.
function drawGlow(context, shape, colours) {
  const u = shape.at.size;
  const beam = (points, width, alpha = 1, closed = false) => {
    for (const [wide, share] of [[4.5, 0.1], [2.4, 0.18], [1, 1]]) {
      context.beginPath();
      trace(context, points, closed);
      context.globalAlpha = alpha * share;
      stroke(context, wide === 1 ? colours.accentLight : colours.accent, width * wide * u);
    }
    context.globalAlpha = 1;
  };
  beam(shape.head, 0.012, 0.35, true);
  for (const cheek of shape.cheeks) {
    glowAt(context, cheek.middle, 1.1 * cheek.radius, '255,120,140', 0.1 + 0.32 * cheek.colour);
    if (cheek.bulge > 0.05) beam(cheek.arc, 0.014, 0.7 * Math.min(cheek.bulge, 1));
  }
  for (const fold of shape.wrinkles) beam(fold.points, 0.012 * fold.width, 0.55 * fold.strength);
  beam(shape.nose.arc, 0.018, 0.7);
  for (const wing of shape.nose.wings) beam(wing, 0.012, 0.5);
  for (const brow of shape.brows) beam(brow.middle, 0.055);
  for (const eye of shape.eyes) {
    if (eye.opening > 0.05) {
      context.save();
      band(context, eye.upper, eye.lower);
      paint(context, '#10222c');
      context.clip();
      const [x, y] = eye.iris;
      const fill = shaded(context.createRadialGradient(x, y, 0.3 * eye.radius, x, y, 1.6 * eye.radius),
        [0, colours.accentLight], [0.5, colours.accent], [0.68, colours.accentDark], [1, 'rgba(0,0,0,0)']);
      disc(context, [x, y], 1.6 * eye.radius, fill, eye.squash);
      disc(context, [x, y], 0.56 * eye.radius, '#041016', eye.squash);
      disc(context, [x - 0.34 * eye.radius, y - 0.36 * eye.radius], 0.22 * eye.radius, '#ffffff');
      context.restore();
    }
    beam(eye.upper, 0.03);
    beam(eye.lower, 0.016, 0.75);
  }
  const { mouth } = shape;
  if (mouth.gap > 0.006) {
    band(context, mouth.upperIn, mouth.lowerIn);
    paint(context, '#12070d');
    band(context, mouth.upperIn, mouth.teeth);
    paint(context, 'rgba(235,250,255,.85)');
  }
  const lips = 1 - 0.85 * mouth.sucked;
  beam(mouth.upperOut, 0.018, 0.75 * lips);
  beam(mouth.lowerOut, 0.018, 0.75 * lips);
  beam(mouth.upperIn, 0.026);
  if (mouth.gap > 0.006) beam(mouth.lowerIn, 0.022);
  if (shape.chin.raise > 0.3) for (const point of shape.chin.dimples) glowAt(context, point, 0.04 * u, '160,220,240', 0.4 * shape.chin.raise);
}
