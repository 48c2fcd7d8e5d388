// SPDX-License-Identifier: Apache-2.0
// Rolling plots of two series.

import { fitCanvas } from './skins.js';

const WINDOW_S = 30;

// A number as text, without the sign of a zero ('-0.0').
export const fixed = (value, digits) => value.toFixed(digits).replace(/^-(?=[0.]+$)/, '');

export class Plot {
  // low, high: range of the vertical axis; digits: of the number shown.
  constructor(parent, { title, unit = '', low, high, digits = 1, series }) {
    Object.assign(this, { title, unit, low, high, digits, series });
    this.points = Object.fromEntries(series.map((name) => [name, []]));
    const box = document.createElement('div');
    box.className = 'plot';
    const head = document.createElement('p');
    const name = document.createElement('b');
    name.textContent = title;
    this.number = document.createElement('span');
    head.append(name, this.number);
    this.canvas = document.createElement('canvas');
    this.canvas.setAttribute('role', 'img');
    this.canvas.setAttribute('aria-label', `${title}, the last ${WINDOW_S} s`);
    box.append(head, this.canvas);
    parent.append(box);
  }

  add(series, now, value) {
    const points = this.points[series];
    points.push([now, Number.isFinite(value) ? value : NaN]);
    while (points.length && points[0][0] < now - WINDOW_S - 1) points.shift();
  }

  draw(now, colours) {
    const { canvas } = this;
    const scale = fitCanvas(canvas);
    const { width, height } = canvas;
    const context = canvas.getContext('2d');
    context.clearRect(0, 0, width, height);
    const x = (time) => width * (1 - (now - time) / WINDOW_S);
    const y = (value) => height - 3 - (height - 6) * Math.min(Math.max((value - this.low) / (this.high - this.low), 0), 1);
    context.strokeStyle = colours.line;
    context.lineWidth = 1;
    context.beginPath();
    for (const value of this.low < 0 ? [0] : [(this.low + this.high) / 2]) {
      context.moveTo(0, y(value));
      context.lineTo(width, y(value));
    }
    for (let back = 5; back < WINDOW_S; back += 5) {
      context.moveTo(x(now - back), 0);
      context.lineTo(x(now - back), height);
    }
    context.stroke();
    for (const series of this.series) {
      context.strokeStyle = colours[series];
      context.lineWidth = 1.6 * scale;
      context.beginPath();
      let pen = false;
      for (const [time, value] of this.points[series]) {
        if (Number.isNaN(value)) pen = false;
        else if (pen) context.lineTo(x(time), y(value));
        else {
          context.moveTo(x(time), y(value));
          pen = true;
        }
      }
      context.stroke();
    }
    const shown = this.series.map((name) => {
      const value = this.points[name].at(-1)?.[1];
      return Number.isFinite(value) ? fixed(value, this.digits) : '–';
    });
    this.number.textContent = `${shown.join(' / ')}${this.unit && ` ${this.unit}`}`;
  }
}
