// SPDX-License-Identifier: Apache-2.0
// The page for inspection: what the robot sees and answers, and the state of its nodes.

import { Link } from './link.js';
import { Motion } from './motion.js';
import { fixed, Plot } from './plots.js';
import { UNITS } from './shape.js';
import { FacePainter, fitCanvas } from './skins.js';

const find = (selector) => document.querySelector(selector);
const make = (tag, text = '', className = '') => {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
};

const NAMES = {
  1: 'inner brow raise', 2: 'outer brow raise', 4: 'brow lower', 5: 'upper lid raise', 6: 'cheek raise', 7: 'lid tighten',
  9: 'nose wrinkle', 10: 'upper lip raise', 12: 'lip corner pull', 14: 'dimple', 15: 'lip corner depress', 17: 'chin raise',
  20: 'lip stretch', 23: 'lip tighten', 25: 'lips part', 26: 'jaw drop', 45: 'blink', 28: 'lip suck',
};
const DEGREES = 180 / Math.PI;
// Parts of the 68 landmarks (iBUG); true: closed.
const PARTS = [[0, 17], [17, 22], [22, 27], [27, 31], [31, 36], [36, 42, true], [42, 48, true], [48, 60, true], [60, 68, true]];
const STALE_S = 3;
const TEXT_EVERY_S = 0.2;
const calm = matchMedia('(prefers-reduced-motion: reduce)');

const state = { speaker: null, listener: null, statuses: new Map(), arrivals: { speaker: [], listener: [] }, controls: false };
const motion = new Motion();
const painter = new FacePainter(find('#listener'));
const rows = [];
let paused = false;

// Table of values: AU intensities 0..5 (AU28: 0 or 1), angles in degrees, distance in m.
function addRow(label, low, high, digits, read) {
  const row = make('tr');
  const head = make('th', label);
  head.scope = 'row';
  row.append(head);
  const cells = {};
  for (const who of ['speaker', 'listener']) {
    const cell = make('td');
    const bar = make('div', '', `bar ${who}`);
    const track = make('span', '', 'track');
    const fill = make('span', '', 'fill');
    track.append(fill);
    const number = make('span', '–', 'number');
    bar.append(track, number);
    cell.append(bar);
    row.append(cell);
    cells[who] = { bar, fill, number };
  }
  find('#units tbody').append(row);
  rows.push({ low, high, digits, read, cells });
}
UNITS.forEach((unit, i) =>
  addRow(`AU${String(unit).padStart(2, '0')} ${NAMES[unit]}`, 0, unit === 28 ? 1 : 5, 1, (face) => face.au[i]));
['pitch', 'yaw', 'roll'].forEach((name, i) => addRow(`head ${name}, °`, -45, 45, 0, (face) => face.pose[i] * DEGREES));
addRow('distance, m', 0, 1.5, 2, (face) => face.pose[3]);
['x', 'y'].forEach((name, i) => addRow(`gaze ${name}, °`, -45, 45, 0, (face) => face.gaze[i] * DEGREES));

const both = ['listener', 'speaker'];
const unitPlot = (unit) => ({
  plot: new Plot(find('#plots'), { title: `AU${String(unit).padStart(2, '0')} ${NAMES[unit]}`, low: 0, high: 5, series: both }),
  read: (face) => face.au[UNITS.indexOf(unit)],
});
const facePlots = [12, 6, 4, 1, 25, 45].map(unitPlot);
facePlots.push(
  { plot: new Plot(find('#plots'), { title: 'head pitch', unit: '°', low: -30, high: 30, series: both }), read: (face) => face.pose[0] * DEGREES },
  { plot: new Plot(find('#plots'), { title: 'gaze x', unit: '°', low: -40, high: 40, series: both }), read: (face) => face.gaze[0] * DEGREES },
);
const soundPlot = new Plot(find('#plots'), { title: 'sound level', unit: 'dB', low: -70, high: 0, digits: 0, series: ['speaker'] });

const link = new Link('inspect', {
  face(face, now) {
    state[face.kind] = { ...face, at: now };
    const arrivals = state.arrivals[face.kind];
    arrivals.push(now);
    while (arrivals[0] < now - 5) arrivals.shift();
    if (face.kind === 'listener') motion.push(face, now);
    if (!paused) {
      const isMissing = face.kind === 'speaker' && !face.flag;
      for (const { plot, read } of facePlots) plot.add(face.kind, now, isMissing ? NaN : read(face));
    }
  },
  text(data) {
    const now = performance.now() / 1000;
    if (data.type === 'hello') {
      painter.wear(data.skin, data.colour);
      state.controls = data.controls;
      find('#control').textContent = data.controls ? '' : 'Changes are not accepted from this device (parameter control of face_screen_node).';
    } else if (data.type === 'level') {
      if (!paused) soundPlot.add('speaker', now, 20 * Math.log10(Math.max(data.rms, 1e-5)));
    } else if (data.type === 'diagnostics') {
      for (const status of data.statuses) state.statuses.set(status.name, { ...status, at: now });
      showDiagnostics(now);
    } else if (data.type === 'note') {
      find('#recording').textContent = data.text;
      find('#recording').hidden = !data.text;
    } else if (data.type === 'parameters') showSettings(data);
    else if (data.type === 'result') showResult(data);
  },
  open: () => showLink(true),
  close: () => showLink(false),
});

function showLink(isOpen) {
  find('#link').textContent = isOpen ? 'connected' : 'connection lost, trying again';
  find('#link').className = `badge ${isOpen ? 'ok' : 'error'}`;
}

function drawSpeaker(now) {
  const canvas = find('#speaker');
  const scale = fitCanvas(canvas);
  const { width, height } = canvas;
  const context = canvas.getContext('2d');
  context.clearRect(0, 0, width, height);
  const face = state.speaker;
  const isOld = !face || now - face.at > 1;
  const landmarks = face?.landmarks;
  if (isOld || !landmarks || !Number.isFinite(landmarks[0])) {
    context.fillStyle = '#8d97a5';
    context.font = `${14 * scale}px sans-serif`;
    context.textAlign = 'center';
    context.fillText(isOld ? 'no data' : 'no landmarks from this source', width / 2, height / 2);
    return;
  }
  // Pixels of the camera; the view follows the face slowly, so that movements are seen.
  const [xs, ys] = [landmarks.subarray(0, 68), landmarks.subarray(68)];
  const box = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const aim = [(box[0] + box[1]) / 2, (box[2] + box[3]) / 2, Math.max(box[1] - box[0], box[3] - box[2], 1)];
  view = view && Math.abs(view[0] - aim[0]) < 2 * aim[2] ? view.map((v, i) => v + (aim[i] - v) * 0.03) : aim;
  const zoom = (0.72 * Math.min(width, height)) / view[2];
  const point = (i) => [width / 2 + (xs[i] - view[0]) * zoom, height / 2 + (ys[i] - view[1]) * zoom];
  context.globalAlpha = face.flag ? 1 : 0.35;
  context.strokeStyle = '#ffb168';
  context.fillStyle = '#ffe3c4';
  context.lineWidth = 1.6 * scale;
  context.lineJoin = 'round';
  for (const [begin, end, closed] of PARTS) {
    context.beginPath();
    for (let i = begin; i < end; i += 1) context.lineTo(...point(i));
    if (closed) context.closePath();
    context.stroke();
  }
  for (let i = 0; i < 68; i += 1) {
    context.beginPath();
    context.arc(...point(i), 1.9 * scale, 0, 2 * Math.PI);
    context.fill();
  }
  context.globalAlpha = 1;
}
let view = null;

function trackerText(now) {
  const face = state.speaker;
  if (!face || now - face.at > 1) return 'no data';
  if (!face.flag) return `no face (confidence ${face.confidence.toFixed(2)})`;
  const missing = [...face.au, ...face.pose, ...face.gaze].filter((value) => !Number.isFinite(value)).length;
  const parts = [`face found, confidence ${face.confidence.toFixed(2)}`];
  if (!Number.isFinite(face.landmarks?.[0])) parts.push('no landmarks');
  if (missing) parts.push(`${missing} of 24 values missing`);
  return parts.join(', ');
}

function showValues(now) {
  for (const { low, high, digits, read, cells } of rows) {
    for (const who of both) {
      const face = state[who];
      const value = face && now - face.at < 1 && (who === 'listener' || face.flag) ? read(face) : NaN;
      const { bar, fill, number } = cells[who];
      const isMissing = !Number.isFinite(value);
      bar.classList.toggle('missing', isMissing);
      number.textContent = isMissing ? 'none' : fixed(value, digits);
      const share = (v) => 100 * Math.min(Math.max((v - low) / (high - low), 0), 1);
      const [a, b] = isMissing ? [0, 0] : [share(Math.min(value, Math.max(low, 0))), share(Math.max(value, Math.max(low, 0)))];
      fill.style.left = `${a}%`;
      fill.style.width = `${b - a}%`;
    }
  }
  find('#tracker').textContent = trackerText(now);
  const listener = state.listener;
  find('#answer').textContent = !listener || now - listener.at > 1 ? 'no data' : listener.flag ? 'answering' : 'no reactions: neutral face';
  for (const who of both) {
    const times = state.arrivals[who].filter((time) => time > now - 5);
    const hz = times.length > 1 ? (times.length - 1) / Math.max(times.at(-1) - times[0], now - times[0] - 1) : 0;
    find(`#${who}-hz`).textContent = hz.toFixed(1);
  }
  find('#delay').textContent = (1000 * motion.delay).toFixed(0);
}

const LEVELS = [['ok', 'OK'], ['warn', 'warning'], ['error', 'error'], ['error', 'stale']];
const openDetails = new Set();

function showDiagnostics(now) {
  const box = find('#diagnostics');
  const body = find('#streams tbody');
  const names = [...state.statuses.keys()].sort();
  if (box.children.length !== names.length || !box.querySelector('details')) {
    box.replaceChildren(...names.map((name) => {
      const details = make('details');
      details.dataset.name = name;
      details.open = openDetails.has(name);
      details.addEventListener('toggle', () => (details.open ? openDetails.add(name) : openDetails.delete(name)));
      const summary = make('summary');
      summary.append(make('span', '', 'level'), ' ', make('b', name), ' ', make('span', '', 'message'));
      details.append(summary, make('dl'));
      return details;
    }));
    body.replaceChildren(...names.map((name) => {
      const row = make('tr');
      const head = make('th', name);
      head.scope = 'row';
      row.append(head, make('td', '', 'level'), make('td'), make('td'), make('td'));
      return row;
    }));
  }
  names.forEach((name, i) => {
    const status = state.statuses.get(name);
    const silent = now - status.at;
    const [level, word] = silent > STALE_S ? LEVELS[3] : LEVELS[Math.min(status.level, 3)];
    const message = silent > STALE_S ? `no report for ${silent.toFixed(0)} s` : status.message;
    const details = box.children[i];
    const label = details.querySelector('.level');
    label.textContent = word;
    label.className = `level ${level}`;
    details.querySelector('.message').textContent = message;
    const list = details.querySelector('dl');
    if (list.children.length !== 2 * status.values.length) {
      list.replaceChildren(...status.values.flatMap(() => [make('dt'), make('dd')]));
    }
    status.values.forEach(([key, value], at) => {
      list.children[2 * at].textContent = key;
      list.children[2 * at + 1].textContent = value;
    });
    const values = new Map(status.values);
    const pick = (pattern, show) => status.values.filter(([key]) => pattern.test(key)).map(([key, value]) => show(key, value)).join(', ') || '–';
    const cells = body.children[i].children;
    cells[1].textContent = word;
    cells[1].className = `level ${level}`;
    cells[2].textContent = pick(/_hz$/, (key, value) => `${key.slice(0, -3)} ${Number(value).toFixed(1)}`);
    cells[3].textContent = pick(/_p50_ms$/, (key, value) => {
      const stage = key.slice(0, -7);
      return `${stage} ${Number(value).toFixed(0)} / ${Number(values.get(`${stage}_p99_ms`)).toFixed(0)}`;
    });
    cells[4].textContent = pick(/^(dropped|invalid|skipped|refused|lost)/, (key, value) => `${key} ${value}`);
  });
  for (const { name, values } of state.statuses.values()) {
    const enabled = values.find(([key]) => key === 'enabled');
    if (enabled && name.endsWith('face_actuator_node')) find('#enable').setAttribute('aria-checked', String(enabled[1] === 'True'));
  }
}

const sliders = new Map(); // 'node name': {input, output, settled}

function showSettings({ nodes, enable }) {
  find('#switches').hidden = !enable;
  find('#enable').disabled = !state.controls;
  const wanted = nodes.flatMap(({ node, rows: list }) => list.map(({ name }) => `${node} ${name}`));
  if (wanted.join() !== [...sliders.keys()].join()) {
    sliders.clear();
    find('#settings').replaceChildren(...nodes.flatMap(({ node, rows: list }) => [make('h3', node), ...list.map((row) => settingOf(node, row))]));
    if (!nodes.length) find('#settings').append(make('p', 'No node with settable parameters was found yet.', 'hint'));
  }
  for (const { node, rows: list } of nodes) {
    for (const { name, value } of list) {
      const slider = sliders.get(`${node} ${name}`);
      slider.settled = value;
      slider.input.disabled = !state.controls;
      if (!slider.held) slider.show(value);
    }
  }
}

function settingOf(node, { name, low, high, whole, unit, text }) {
  const box = make('div', '', 'setting');
  const id = `set${sliders.size}`;
  const label = make('label', name);
  label.htmlFor = id;
  const output = make('output');
  output.htmlFor = id;
  const input = make('input');
  Object.assign(input, { type: 'range', id, min: low, max: high, step: whole ? 1 : Number(((high - low) / 100).toPrecision(1)) });
  input.setAttribute('aria-describedby', `${id}text`);
  const hint = make('p', `${text}.`, 'hint');
  hint.id = `${id}text`;
  const measure = (value) => (Number(value) === 1 ? unit.replace(/^frames\b/, 'frame') : unit);
  const shown = (value) => `${whole ? value : Number(value).toFixed(2)}${unit ? ` ${measure(value)}` : ''}`;
  const slider = {
    input, settled: null, held: false,
    show(value) {
      input.value = value;
      output.textContent = shown(value);
    },
  };
  input.addEventListener('input', () => {
    slider.held = true;
    output.textContent = shown(Number(input.value));
  });
  input.addEventListener('change', () => {
    link.send({ type: 'set', node, name, value: Number(input.value) });
    setTimeout(() => (slider.held = false), 1500);
  });
  sliders.set(`${node} ${name}`, slider);
  box.append(label, output, input, hint);
  return box;
}

function showResult({ ok, text, node, name }) {
  const about = name ? `${node} ${name}: ` : '';
  const result = find('#result');
  result.textContent = `${about}${ok ? text || 'done' : `refused: ${text}`}`;
  result.className = ok ? 'ok' : 'error';
  const slider = sliders.get(`${node} ${name}`);
  if (slider && !ok) {
    slider.held = false;
    slider.show(slider.settled);
  }
}

find('#enable').addEventListener('click', ({ currentTarget }) =>
  link.send({ type: 'enable', value: currentTarget.getAttribute('aria-checked') !== 'true' }));
find('#pause').addEventListener('click', ({ currentTarget }) => {
  paused = !paused;
  currentTarget.setAttribute('aria-pressed', String(paused));
  pausedAt = performance.now() / 1000;
});
let pausedAt = 0;

let textAt = 0;
let plotAt = 0;
let colours = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ['speaker', 'listener', 'line']) colours[name] = style.getPropertyValue(`--${name}`).trim();
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', readColours);
readColours();

function frame(milliseconds) {
  requestAnimationFrame(frame);
  const now = milliseconds / 1000;
  painter.fit();
  painter.draw(motion.at(now));
  drawSpeaker(now);
  if (now - plotAt > (calm.matches ? 1 : 1 / 20)) {
    plotAt = now;
    for (const plot of [...facePlots.map((each) => each.plot), soundPlot]) plot.draw(paused ? pausedAt : now, colours);
  }
  if (now - textAt > TEXT_EVERY_S * (calm.matches ? 5 : 1)) {
    textAt = now;
    showValues(now);
    showDiagnostics(now);
  }
}
window.robotFace = { state, motion, link };
requestAnimationFrame(frame);
