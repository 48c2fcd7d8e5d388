// SPDX-License-Identifier: Apache-2.0
// The geometry of the face: action units, pose and gaze to curves on the screen.
//
// Head units: half the head's width is 1; x to the right of the screen, y down, z to the viewer.
// Each action unit moves what FACS says it moves (Ekman, Friesen, Hager: FACS, 2002).

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const mix = (a, b, share) => a + (b - a) * share;
const bell = (x, middle, width) => Math.exp(-(((x - middle) / width) ** 2));

// Numbers of the action units, in the order of the messages.
export const UNITS = [1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45, 28];
const STEPS = 16; // of a curve
const TURN = 1.1; // a screen is flat: turns are drawn a little larger

// Units that look unfriendly; a tracker or a model at rest often shows a little of them.
const STERN = [4, 9, 10, 15, 17, 23];

// Strength 0..1 of each unit by its number. Low intensities of the others are raised: they shall be
// seen from afar.
export function strengths(au) {
  const found = {};
  UNITS.forEach((unit, i) => {
    const value = clamp(au[i] || 0, 0, 5) / 5;
    found[unit] = STERN.includes(unit) ? value ** 1.15 : 1 - (1 - value) ** 1.7;
  });
  const closing = clamp((au[16] || 0) / 2.4, 0, 1);
  found[45] = closing * closing * (3 - 2 * closing);
  const sucking = clamp(au[17] || 0, 0, 1);
  found[28] = sucking * sucking * (3 - 2 * sucking);
  return found;
}

// The face's surface: depth of a point of the front.
function depth(x, y) {
  return 0.84 * Math.sqrt(Math.max(0.04, 1 - (x / 1.24) ** 2 - ((y - 0.05) / 1.5) ** 2));
}

// Turns points of the head and places them on the screen.
export class Projection {
  constructor(width, height, face) {
    const [pitch, yaw, roll] = [face.pose[0], -face.pose[1], face.pose[2]];
    const turn = (angle, most) => most * Math.tanh((TURN * (angle || 0)) / most);
    this.pitch = turn(pitch, 0.65);
    this.yaw = turn(yaw, 0.75);
    this.roll = 0.75 * Math.tanh((roll || 0) / 0.75);
    this.unit = Math.min(height / 3.6, width / 2.95);
    this.size = this.unit * clamp(face.lean || 1, 0.8, 1.25);
    this.centre = [width / 2, height * 0.485 + 0.012 * this.unit * (face.breath || 0)];
    [this.sy, this.cy] = [Math.sin(this.yaw), Math.cos(this.yaw)];
    [this.sp, this.cp] = [Math.sin(this.pitch), Math.cos(this.pitch)];
    [this.sr, this.cr] = [Math.sin(this.roll), Math.cos(this.roll)];
  }

  // A point (x, y, z) on the screen, pixels. The head turns about the neck.
  place(x, y, z) {
    const x1 = x * this.cy + z * this.sy;
    const z1 = z * this.cy - x * this.sy;
    const y0 = y - 0.35;
    const y1 = y0 * this.cp + z1 * this.sp;
    const z2 = z1 * this.cp - y0 * this.sp;
    return this.flat(x1, y1 + 0.35, z2);
  }

  // A point of an outline: what turns away there is replaced by what comes into view.
  rim(x, y, z) {
    return this.flat(x + z * this.sy, y + z * this.sp * 0.8, 0);
  }

  flat(x, y, z) {
    const near = this.size * (6 / (6 - z));
    const pivot = 1.05;
    const x1 = x * this.cr - (y - pivot) * this.sr;
    const y1 = x * this.sr + (y - pivot) * this.cr + pivot;
    return [this.centre[0] + x1 * near, this.centre[1] + y1 * near];
  }

  // A point of the front with its depth from the surface.
  front(x, y, lift = 0) {
    return this.place(x, y, depth(x, y) + lift);
  }
}

const OUTLINE = [
  [0, -1.24, -0.15], [0.46, -1.2, -0.15], [0.84, -1.02, -0.12], [1.07, -0.68, -0.06], [1.15, -0.22, 0],
  [1.13, 0.24, 0.06], [1.03, 0.64, 0.16], [0.8, 0.98, 0.28], [0.44, 1.19, 0.38], [0, 1.25, 0.42],
];

export function shapeOf(width, height, face) {
  const at = new Projection(width, height, face);
  const s = strengths(face.au);
  const jaw = s[26] + 0.12 * s[25];
  // The jaw takes all that is below the mouth with it.
  const drop = (y) => 0.27 * jaw * clamp((y - 0.45) / 0.75, 0, 1.1);
  const half = OUTLINE.map(([x, y, z]) => [x * (1 - 0.05 * jaw * clamp(y - 0.4, 0, 1)), y + drop(y), z]);
  const head = [...half.map((p) => at.rim(...p)), ...half.slice(1, -1).reverse().map(([x, y, z]) => at.rim(-x, y, z))];
  return {
    at, head,
    brows: [-1, 1].map((side) => browOf(at, s, side)),
    eyes: [-1, 1].map((side) => eyeOf(at, s, side, face)),
    nose: noseOf(at, s),
    mouth: mouthOf(at, s, drop),
    cheeks: [-1, 1].map((side) => cheekOf(at, s, side)),
    chin: chinOf(at, s, drop),
    wrinkles: wrinklesOf(at, s, drop),
  };
}

function browOf(at, s, side) {
  const middle = [];
  for (let i = 0; i <= STEPS; i += 1) {
    const t = i / STEPS; // 0: inner end
    const inner = (1 - t) ** 1.4;
    const outer = t ** 1.3 * (1 - 0.25 * t ** 2);
    let x = 0.2 + 0.49 * t;
    let y = -0.555 - 0.07 * Math.sin(Math.PI * (0.12 + 0.72 * t)) + 0.02 * t;
    y += -0.19 * s[1] * inner - 0.22 * s[2] * outer + 0.15 * s[4] * (0.62 + 0.38 * (1 - t));
    y += 0.06 * s[9] * (1 - t) + 0.03 * s[6] * t - 0.02 * s[5];
    x -= 0.085 * s[4] * (1 - 0.6 * t) + 0.02 * s[9] * (1 - t);
    middle.push([x, y, 0.05 * (0.8 + 0.2 * Math.min(5 * t, 1)) * (1 - 0.68 * t ** 1.6)]);
  }
  return {
    middle: middle.map(([x, y]) => at.front(side * x, y, 0.06)),
    widths: middle.map((point) => 2 * point[2] * at.size),
  };
}

function eyeOf(at, s, side, face) {
  const [x0, y0] = [0.43, -0.1];
  const wide = 0.285 + 0.006 * s[5] - 0.012 * s[6];
  // The gaze is given in the camera's frame; the eyes turn by what the head has not turned yet.
  const toX = 0.6 * Math.tanh(((face.gaze[0] || 0) - at.yaw / TURN) / 0.6);
  const toY = 0.45 * Math.tanh(((face.gaze[1] || 0) - at.pitch / TURN) / 0.45);
  const closed = s[45];
  let up = 0.232 + 0.085 * s[5] - 0.085 * s[7] - 0.045 * s[4] - 0.03 * s[9] - 0.025 * s[6] - 0.18 * clamp(toY, -0.25, 0.5);
  let low = 0.168 - 0.1 * s[7] - 0.1 * s[6] - 0.07 * s[9] - 0.05 * s[12] + 0.05 * clamp(toY, 0, 0.5);
  up = Math.max(up, 0.02);
  low = Math.max(low, 0.02);
  const meet = 0.09 - 0.04 * s[6]; // where closed lids meet, below the middle of the eye
  const upper = mix(-up, meet, closed);
  const lower = mix(low, meet, closed ** 2);
  const curve = (height, flat) => {
    const points = [];
    for (let i = 0; i <= STEPS; i += 1) {
      const t = -Math.cos((Math.PI * i) / STEPS); // -1: inner corner; dense where the curve is round
      const round = (1 - Math.abs(t) ** flat) ** 0.6;
      const tilt = -0.02 * t;
      points.push([side * (x0 + wide * t), y0 + tilt + height * round]);
    }
    return points;
  };
  const flat = 2.1 + 0.8 * s[7];
  const put = (points, lift) => points.map(([x, y]) => at.front(x, y, lift));
  const rest = curve(Math.min(-0.262 - 0.03 * s[5], upper - 0.02), 2.1);
  const reach = 0.38;
  const iris = at.front(side * x0 * 0.985 + reach * Math.sin(toX), y0 + 0.005 + reach * Math.sin(toY), 0.02);
  return {
    opening: (lower - upper) / 0.4,
    upper: put(curve(upper, flat), 0.05),
    lower: put(curve(lower, flat), 0.05),
    socket: put(rest, 0.05),
    iris,
    radius: 0.182 * at.size,
    squash: [Math.cos(toX + at.yaw * 0.6), Math.cos(toY + at.pitch * 0.4)],
  };
}

function noseOf(at, s) {
  const up = 0.07 * s[9] + 0.035 * s[10];
  const wing = 0.112 + 0.022 * s[9] + 0.012 * s[10] + 0.008 * s[12];
  const y = 0.33 - up;
  const arc = [];
  for (let i = 0; i <= STEPS; i += 1) {
    const t = (2 * i) / STEPS - 1;
    arc.push(at.front(wing * t, y + 0.06 * (1 - t * t) ** 0.8 - 0.03 * Math.abs(t) ** 6, 0.12 + 0.16 * (1 - t * t)));
  }
  return {
    arc,
    tip: at.front(0, 0.27 - 0.8 * up, 0.28),
    bridge: [at.front(0, -0.18, 0.09), at.front(0, 0.02, 0.16), at.front(0, 0.2 - 0.5 * up, 0.26)],
    wings: [-1, 1].map((side) => [
      at.front(side * (wing - 0.015), y - 0.11, 0.14),
      at.front(side * (wing + 0.03), y - 0.045, 0.12),
      at.front(side * (wing + 0.012), y + 0.02, 0.12),
      at.front(side * (wing - 0.035), y + 0.03, 0.16),
    ]),
    nostrils: [-1, 1].map((side) => at.front(side * 0.055, y + 0.026, 0.2)),
    flare: clamp(0.15 + 0.9 * s[9] + 0.6 * s[10], 0, 1),
    size: at.size,
  };
}

function mouthOf(at, s, drop) {
  const y0 = 0.72;
  const tight = clamp(s[23] + 0.25 * s[14], 0, 1);
  const wide = 0.36 + 0.16 * s[12] + 0.15 * s[20] + 0.035 * s[14] - 0.12 * s[23] - 0.05 * s[28] - 0.04 * s[17] - 0.06 * s[26];
  const corner = y0 - 0.045 - 0.2 * s[12] + 0.19 * s[15] + 0.035 * s[20] - 0.03 * s[14] + 0.4 * drop(0.85);
  const raise = 0.06 * s[10] + 0.02 * s[9] + 0.03 * s[25] * (1 - s[26]) + 0.025 * s[12] * (s[25] + s[26]);
  const fall = 0.105 * s[25] + 0.33 * s[26] - 0.05 * s[17];
  const press = clamp(1 - s[28], 0, 1);
  const up = Math.max(raise * press, 0);
  const down = Math.max(fall * mix(0.45, 1, press), -0.5 * up);
  const middle = y0 - 0.045 * s[17] + 0.02 * s[12] - 0.012 * s[15];
  const thin = (1 - 0.62 * s[23]) * (1 - 0.96 * s[28]) * (1 - 0.25 * s[20]) * (1 - 0.3 * s[14]);
  const upperThick = 0.054 * thin * (1 - 0.22 * s[12]) + 0.012 * s[10];
  const lowerThick = 0.07 * thin * (1 - 0.12 * s[12]) + 0.035 * s[17];
  const lines = { upperOut: [], upperIn: [], lowerIn: [], lowerOut: [] };
  for (let i = 0; i <= 2 * STEPS; i += 1) {
    const t = -Math.cos((Math.PI * i) / (2 * STEPS));
    const edge = Math.abs(t);
    const x = wide * t;
    const bend = edge ** (1.9 + 0.5 * s[15]);
    // A relaxed mouth has a slight wave: the middle of the upper lip hangs down.
    const calm = (1 - 0.8 * s[12]) * (1 - s[26]);
    const wave = (0.014 * bell(t, 0, 0.3) - 0.006 * bell(edge, 0.5, 0.25)) * calm;
    const line = mix(middle, corner, bend) + wave;
    const open = (1 - edge ** 2.2) ** 0.75;
    const round = (1 - edge ** 2) ** 0.8;
    const bow = 1 + (0.16 * bell(edge, 0.3, 0.22) - 0.26 * bell(t, 0, 0.13)) * (0.25 + 0.75 * calm);
    const square = mix(open, (1 - edge ** 6) ** 0.5, s[20] * 0.6);
    const upperIn = line - up * open;
    const lowerIn = Math.max(line + down * square, upperIn);
    const lift = 0.1;
    lines.upperIn.push(at.front(x, upperIn, lift));
    lines.lowerIn.push(at.front(x, lowerIn, lift));
    lines.upperOut.push(at.front(x * 1.04, upperIn - upperThick * bow * round - 0.004, lift + 0.02));
    lines.lowerOut.push(at.front(x * 1.03, lowerIn + lowerThick * round ** 0.85 + 0.004, lift + 0.02));
  }
  const gap = up + down;
  const teethDown = Math.min(0.62 * gap, 0.12);
  const teeth = lines.upperIn.map((point, i) => {
    const share = gap > 0 ? teethDown / gap : 0;
    const low = lines.lowerIn[i];
    return [mix(point[0], low[0], share), mix(point[1], low[1], share)];
  });
  return {
    ...lines, gap, teeth, tight,
    tongue: at.front(0, middle + down + 0.05, 0.05),
    size: at.size,
    corners: [-1, 1].map((side) => at.front(side * wide * 1.03, corner, 0.08)),
    cornerAt: [wide, corner],
    shadow: at.front(0, middle + Math.max(down, 0) + lowerThick + 0.075, 0.1),
    sucked: s[28],
  };
}

function cheekOf(at, s, side) {
  const up = 0.12 * s[6] + 0.08 * s[12];
  const x = side * (0.7 + 0.02 * s[12]);
  return {
    middle: at.front(x, 0.38 - up, 0.02),
    radius: at.size * (0.26 + 0.03 * s[6]),
    colour: clamp(0.25 + 0.6 * s[12] + 0.4 * s[6], 0, 1),
    bulge: clamp(1.2 * (s[6] + 0.35 * s[12]) - 0.3, 0, 1),
    arc: [0, 0.25, 0.5, 0.75, 1].map((t) =>
      at.front(side * mix(0.26, 0.8, t), 0.22 - 0.7 * up + 0.06 * Math.sin(Math.PI * t) - 0.1 * t, 0.05)),
  };
}

function chinOf(at, s, drop) {
  const y = 1.08 + drop(1.08) - 0.07 * s[17];
  return { middle: at.front(0, y, 0.06), raise: s[17], size: at.size, dimples: [-1, 0, 1].flatMap((i) =>
    [[i * 0.075, y - 0.05], [i * 0.075 + 0.037, y + 0.01], [i * 0.06, y + 0.06]].map(([x, yy]) => at.front(x, yy, 0.07))) };
}

// Folds of the skin: lines and how strong they are.
function wrinklesOf(at, s, drop) {
  const found = [];
  const add = (strength, points, width = 1) => {
    // A slight movement makes no fold: the face must not look old.
    const visible = clamp((strength - 0.3) / 0.7, 0, 1);
    if (visible > 0.02) found.push({ strength: visible, width, points });
  };
  const row = (f) => [0, 0.2, 0.4, 0.6, 0.8, 1].map(f);
  // Forehead: across the middle for the inner brow, above each outer brow for the outer.
  for (const [i, y] of [-0.8, -0.9, -0.99].entries()) {
    add(1.15 * s[1] - 0.18 * i, row((t) => at.front(mix(-0.3, 0.3, t), y - 0.05 * s[1] - 0.035 * Math.sin(Math.PI * t), 0.02)));
    for (const side of [-1, 1]) {
      add(1.1 * s[2] - 0.2 * i, row((t) => at.front(side * mix(0.34, 0.68 - 0.06 * i, t), y + 0.05 - 0.05 * s[2] - 0.03 * Math.sin(Math.PI * t) + 0.06 * t, 0.02)));
    }
  }
  for (const side of [-1, 1]) {
    // Between the brows.
    add(s[4], row((t) => at.front(side * (0.075 - 0.012 * s[4] + 0.025 * Math.sin(Math.PI * t)), mix(-0.58, -0.4, t), 0.1)), 1.3);
    // Bridge of the nose.
    for (const i of [0, 1, 2]) {
      add(1.2 * s[9] - 0.1 * i, row((t) => at.front(side * mix(0.03, 0.15 - 0.012 * i, t), -0.16 + 0.085 * i + 0.045 * t * (1 + i * 0.4), 0.13)));
    }
    // Beside the eye.
    for (const i of [-1, 0, 1]) {
      add(1.05 * s[6], row((t) => at.front(side * mix(0.77, 0.92 - 0.02 * Math.abs(i), t), -0.08 + 0.06 * i + 0.075 * i * t, 0.03)));
    }
    // Under the eye.
    add(0.9 * Math.max(s[7], 0.8 * s[6]), row((t) => at.front(side * mix(0.22, 0.66, t), 0.12 - 0.075 * s[7] - 0.06 * s[6] + 0.04 * Math.sin(Math.PI * t), 0.05)));
    // From the wing of the nose around the corner of the mouth.
    const out = 0.14 * s[12] + 0.04 * s[20];
    const nasal = Math.max(0.85 * s[12], 0.75 * s[10], 0.7 * s[9], 0.3 * s[20]);
    add(nasal, row((t) => at.front(
      side * (0.17 + (0.31 + out) * Math.sin(1.25 * t) - 0.03 * s[10] * t),
      0.3 - 0.06 * s[9] - 0.05 * s[10] + (0.4 - 0.1 * s[12]) * t ** 1.2, 0.06)), 1.3);
    // Dimple beside the corner of the mouth.
    const wide = 0.36 + 0.16 * s[12] + 0.15 * s[20] + 0.035 * s[14] - 0.12 * s[23];
    add(1.2 * s[14], row((t) => at.front(side * (wide + 0.07 + 0.035 * Math.sin(Math.PI * t)), 0.7 - 0.18 * s[12] + mix(-0.12, 0.1, t), 0.08)), 1.7);
    // Below the corner of the mouth.
    add(s[15], row((t) => at.front(side * (wide + 0.045 + 0.02 * t), 0.87 + 0.13 * t + drop(0.9), 0.07)), 1.3);
    // Stretched skin beside the mouth.
    add(0.9 * s[20], row((t) => at.front(side * (wide + 0.1 + 0.03 * Math.sin(Math.PI * t)), mix(0.62, 0.9, t) + 0.4 * drop(0.9), 0.06)), 1.2);
    // Tight lips: short lines above and below them.
    for (const i of [0.35, 1]) {
      add(0.85 * s[23], row((t) => at.front(side * i * 0.12, mix(0.585, 0.635, t), 0.1)), 0.9);
      add(0.85 * s[23], row((t) => at.front(side * i * 0.12, mix(0.85, 0.9, t), 0.1)), 0.9);
    }
  }
  // Above the chin.
  add(1.1 * s[17], row((t) => at.front(mix(-0.2, 0.2, t), 0.95 - 0.03 * s[17] - 0.045 * Math.sin(Math.PI * t) + drop(0.95), 0.08)), 1.4);
  return found;
}
