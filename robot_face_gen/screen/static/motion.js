// SPDX-License-Identifier: Apache-2.0
// From 25 faces a second to the rate of the display: a small jitter buffer and interpolation; an
// attentive, blinking neutral face where there is no connection.

const HISTORY_S = 1.5;
const LEAST_DELAY_S = 0.05; // a little more than one frame: there is always a next one
const MOST_DELAY_S = 0.25;
const HOLD_S = 0.4; // without a frame
const EASE_OUT_S = 1.0;
const EASE_IN_S = 0.3;
const BLINK_S = 0.2;
const BLINK = 16; // place of AU45

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const smooth = (share) => share * share * (3 - 2 * share);
const finite = (value, other) => (Number.isFinite(value) ? value : other);

export const NEUTRAL = {
  au: Float32Array.from([0.35, 0.3, 0, 0.2, 0.1, 0, 0, 0, 0.7, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
  pose: Float32Array.from([0, 0, 0, 0.6]),
  gaze: Float32Array.from([0, 0]),
};

// A blink every 3.5 s on average, 0.2 s long: the closing is twice as fast as the opening.
class Blinks {
  constructor() {
    this.next = 1.5;
  }

  at(now) {
    if (now > this.next + BLINK_S) this.next = now + 1 + 5 * Math.random();
    const share = (now - this.next) / BLINK_S;
    if (share < 0 || share > 1) return 0;
    return share < 1 / 3 ? smooth(3 * share) : smooth(1.5 * (1 - share));
  }
}

export class Motion {
  constructor() {
    this.frames = [];
    this.offset = null; // least (arrival - time) so far: the clock of the robot on ours
    this.jitter = 0;
    this.delay = LEAST_DELAY_S;
    this.share = 0; // of the received face, the rest is neutral
    this.blinks = new Blinks();
    this.usualDistance = null;
    this.at_ = 0;
    this.last = null;
  }

  push(face, now) {
    const late = now - face.time;
    const last = this.frames.at(-1);
    if (this.offset === null || Math.abs(late - this.offset) > 2 || (last && face.time < last.time - 1)) {
      this.frames = [];
      this.offset = late;
      this.jitter = 0;
    } else if (last && face.time <= last.time) {
      return;
    }
    this.offset = Math.min(late, this.offset + 1e-4); // upwards slowly: clocks drift
    this.jitter = Math.max(late - this.offset, this.jitter * 0.98);
    const distance = finite(face.pose[3], 0);
    if (distance > 0.05) {
      const rest = this.usualDistance ?? distance;
      this.usualDistance = rest + (distance - rest) * 0.002; // over about 20 s
    }
    this.frames.push({ time: face.time, au: face.au, pose: face.pose, gaze: face.gaze, fresh: face.flag });
    while (this.frames.length > 2 && this.frames[0].time < face.time - HISTORY_S) this.frames.shift();
  }

  // The face to draw at a time (s, performance.now): {au, pose, gaze, lean, live}.
  at(now) {
    const step = clamp(now - this.at_, 0, 0.1);
    this.at_ = now;
    const wanted = clamp(this.jitter + LEAST_DELAY_S, LEAST_DELAY_S, MOST_DELAY_S);
    this.delay += clamp(wanted - this.delay, -0.1 * step, 0.5 * step);
    const shown = this.offset === null ? 0 : now - this.offset - this.delay;
    const received = this.received(shown);
    const newest = this.frames.at(-1);
    const isLive = newest !== undefined && shown - newest.time < HOLD_S;
    this.share = clamp(this.share + (isLive ? step / EASE_IN_S : -step / EASE_OUT_S), 0, 1);
    const share = smooth(this.share);
    const own = this.neutral(now);
    const mix = (name) =>
      own[name].map((rest, i) => {
        const value = received ? finite(received[name][i], rest) : rest;
        return rest + (value - rest) * share;
      });
    const pose = mix('pose');
    const usual = this.usualDistance ?? pose[3];
    return {
      au: mix('au'),
      pose,
      gaze: mix('gaze'),
      lean: clamp(1 + share * (usual / Math.max(received ? finite(received.pose[3], usual) : usual, 0.05) - 1), 0.8, 1.25),
      live: isLive && Boolean(newest.fresh),
    };
  }

  received(shown) {
    const frames = this.frames;
    if (!frames.length) return null;
    let next = frames.length - 1;
    while (next > 0 && frames[next - 1].time > shown) next -= 1;
    const b = frames[next];
    const a = frames[Math.max(next - 1, 0)];
    const span = b.time - a.time;
    const share = span > 0 ? clamp((shown - a.time) / span, 0, 1) : 1;
    const between = (name) => b[name].map((value, i) => a[name][i] + (value - a[name][i]) * share);
    return { au: between('au'), pose: between('pose'), gaze: between('gaze') };
  }

  neutral(now) {
    const au = NEUTRAL.au.slice();
    au[BLINK] = 5 * this.blinks.at(now);
    const pose = NEUTRAL.pose.slice();
    pose[3] = this.usualDistance ?? pose[3];
    return { au, pose, gaze: NEUTRAL.gaze };
  }
}

// What a living face does besides: it breathes, and its eyes make tiny jumps.
export class Life {
  constructor() {
    this.next = 0;
    this.target = [0, 0];
    this.gaze = [0, 0];
  }

  add(face, now) {
    if (now > this.next) {
      this.next = now + 0.5 + 2 * Math.random() ** 2;
      this.target = [0.024 * (Math.random() - 0.5), 0.016 * (Math.random() - 0.5)];
    }
    for (let i = 0; i < 2; i += 1) this.gaze[i] += (this.target[i] - this.gaze[i]) * 0.5;
    return {
      ...face,
      gaze: [face.gaze[0] + this.gaze[0], face.gaze[1] + this.gaze[1]],
      breath: Math.sin((2 * Math.PI * now) / 4.4),
    };
  }
}
