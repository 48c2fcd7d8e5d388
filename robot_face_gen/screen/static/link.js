// SPDX-License-Identifier: Apache-2.0
// The WebSocket to the robot: decodes messages (see wire.py) and reconnects.

const HEAD_BYTES = 16;
const LISTENER = 1;
const FIRST_RETRY_S = 0.5;
const LAST_RETRY_S = 8;
const SILENCE_S = 6; // without any message: the connection is dead, even if the browser does not say so

const AU_COUNT = 18;
const FACE_COUNT = 24;

function decode(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < HEAD_BYTES + 4 * FACE_COUNT) return null;
  const values = new Float32Array(buffer, HEAD_BYTES);
  return {
    kind: view.getUint8(0) === LISTENER ? 'listener' : 'speaker',
    flag: view.getUint8(1) === 1,
    confidence: view.getFloat32(4, true),
    time: view.getFloat64(8, true),
    au: values.subarray(0, AU_COUNT),
    pose: values.subarray(AU_COUNT, AU_COUNT + 4),
    gaze: values.subarray(AU_COUNT + 4, FACE_COUNT),
    landmarks: values.length >= FACE_COUNT + 136 ? values.subarray(FACE_COUNT, FACE_COUNT + 136) : null,
  };
}

export class Link {
  // view: 'face' or 'inspect'; on: {face, text, open, close}
  constructor(view, on) {
    this.on = on;
    this.retryS = FIRST_RETRY_S;
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    this.url = `${scheme}//${location.host}/ws?view=${view}`;
    this.connect();
    window.addEventListener('online', () => this.hurry());
    document.addEventListener('visibilitychange', () => document.hidden || this.hurry());
    setInterval(() => this.check(), 1000);
  }

  get isOpen() {
    return this.socket !== null && this.socket.readyState === WebSocket.OPEN;
  }

  connect() {
    this.timer = 0;
    const socket = new WebSocket(this.url);
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    this.heardAt = performance.now();
    socket.onopen = () => {
      this.retryS = FIRST_RETRY_S;
      this.on.open?.();
    };
    socket.onmessage = (event) => {
      this.heardAt = performance.now();
      if (typeof event.data === 'string') {
        const data = JSON.parse(event.data);
        this.on.text?.(data);
      } else {
        const face = decode(event.data);
        if (face) this.on.face?.(face, performance.now() / 1000);
      }
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.on.close?.();
      // Random, so that many viewers do not come back in the same moment.
      const waitS = this.retryS * (0.75 + 0.5 * Math.random());
      this.retryS = Math.min(2 * this.retryS, LAST_RETRY_S);
      this.timer = setTimeout(() => this.connect(), 1000 * waitS);
    };
  }

  // The viewer is back: do not wait for the rest of the pause.
  hurry() {
    if (this.socket !== null || !this.timer) return;
    clearTimeout(this.timer);
    this.connect();
  }

  check() {
    if (this.isOpen && performance.now() - this.heardAt > 1000 * SILENCE_S) {
      const socket = this.socket;
      socket.onmessage = null;
      socket.close();
      socket.onclose?.();
    }
  }

  send(data) {
    if (!this.isOpen) return false;
    this.socket.send(JSON.stringify(data));
    return true;
  }
}
