// Keccak-256, SHA-256 and canonical JSON without any library, so that this page works from a disk.

const MASK = (1n << 64n) - 1n;

function bytesOf(hex) {
  const digits = hex.replace(/^0x/, "");
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.substr(2 * i, 2), 16));
}

function hexOf(bytes) {
  return "0x" + Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
}

function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

// A whole number as big-endian bytes; negative ones in two's complement.
function numberBytes(value, length) {
  const digits = BigInt.asUintN(8 * length, BigInt(value)).toString(16);
  return bytesOf(digits.padStart(2 * length, "0"));
}

function isSame(left, right) {
  return left.length === right.length && left.every((one, at) => one === right[at]);
}

// The 24 constants of step iota, from the linear feedback shift register that defines them.
const ROUND_CONSTANTS = (() => {
  const constants = [];
  let register = 1;
  for (let round = 0; round < 24; round++) {
    let constant = 0n;
    for (let power = 0; power < 7; power++) {
      if (register & 1) constant |= 1n << BigInt((1 << power) - 1);
      register = (register << 1) ^ (register & 0x80 ? 0x171 : 0);
    }
    constants.push(constant);
  }
  return constants;
})();

// Steps rho and pi as one walk over the 24 moving lanes: where to, and how far to rotate.
const LANE_WALK = (() => {
  const walk = [];
  let [x, y] = [1, 0];
  for (let step = 1; step < 25; step++) {
    [x, y] = [y, (2 * x + 3 * y) % 5];
    walk.push([x + 5 * y, BigInt(((step * (step + 1)) / 2) % 64)]);
  }
  return walk;
})();

function rotated(lane, by) {
  return ((lane << by) | (lane >> (64n - by))) & MASK;
}

function permute(lanes) {
  for (const constant of ROUND_CONSTANTS) {
    const column = [0, 1, 2, 3, 4].map(
      (x) => lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20],
    );
    for (let x = 0; x < 5; x++) {
      const change = column[(x + 4) % 5] ^ rotated(column[(x + 1) % 5], 1n);
      for (let y = 0; y < 25; y += 5) lanes[x + y] ^= change;
    }
    let moving = lanes[1];
    for (const [target, by] of LANE_WALK) {
      [moving, lanes[target]] = [lanes[target], rotated(moving, by)];
    }
    for (let y = 0; y < 25; y += 5) {
      const row = lanes.slice(y, y + 5);
      for (let x = 0; x < 5; x++) {
        lanes[x + y] = row[x] ^ (~row[(x + 1) % 5] & MASK & row[(x + 2) % 5]);
      }
    }
    lanes[0] ^= constant;
  }
}

// Keccak-256: Ethereum's hash, with Keccak's original padding.
function keccak(data) {
  const rate = 136;
  const padded = new Uint8Array((Math.floor(data.length / rate) + 1) * rate);
  padded.set(data);
  padded[data.length] ^= 0x01;
  padded[padded.length - 1] ^= 0x80;
  const view = new DataView(padded.buffer);
  const lanes = Array(25).fill(0n);
  for (let start = 0; start < padded.length; start += rate) {
    for (let lane = 0; lane < rate / 8; lane++) {
      lanes[lane] ^= view.getBigUint64(start + 8 * lane, true);
    }
    permute(lanes);
  }
  const digest = new DataView(new ArrayBuffer(32));
  for (let lane = 0; lane < 4; lane++) digest.setBigUint64(8 * lane, lanes[lane], true);
  return new Uint8Array(digest.buffer);
}

// The first 32 bits of the fractional parts of the roots of the first primes (FIPS 180-4).
function rootBits(count, power) {
  const found = [];
  for (let number = 2n; found.length < count; number++) {
    let isPrime = true;
    for (let divisor = 2n; divisor * divisor <= number; divisor++) {
      if (number % divisor === 0n) isPrime = false;
    }
    if (!isPrime) continue;
    // The whole root of number * 2**(32 * power), by bisection.
    const target = number << (32n * power);
    let [low, high] = [0n, 1n << 40n];
    while (high - low > 1n) {
      const middle = (low + high) / 2n;
      if (middle ** power <= target) low = middle;
      else high = middle;
    }
    found.push(Number(BigInt.asUintN(32, low)));
  }
  return found;
}

const SHA_START = rootBits(8, 2n);
const SHA_ROUNDS = rootBits(64, 3n);

function sha256(data) {
  const padded = new Uint8Array(Math.ceil((data.length + 9) / 64) * 64);
  padded.set(data);
  padded[data.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(data.length) * 8n);
  const state = [...SHA_START];
  const turn = (word, by) => (word >>> by) | (word << (32 - by));
  for (let start = 0; start < padded.length; start += 64) {
    const words = Array.from({ length: 16 }, (_, at) => view.getUint32(start + 4 * at));
    for (let at = 16; at < 64; at++) {
      const [early, late] = [words[at - 15], words[at - 2]];
      const small = turn(early, 7) ^ turn(early, 18) ^ (early >>> 3);
      const great = turn(late, 17) ^ turn(late, 19) ^ (late >>> 10);
      words.push((words[at - 16] + small + words[at - 7] + great) >>> 0);
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let at = 0; at < 64; at++) {
      const high = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
      const first = (h + high + ((e & f) ^ (~e & g)) + SHA_ROUNDS[at] + words[at]) >>> 0;
      const low = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
      const second = (low + ((a & b) ^ (a & c) ^ (b & c))) >>> 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) >>> 0, c, b, a, (first + second) >>> 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, at) => {
      state[at] = (state[at] + word) >>> 0;
    });
  }
  return joined(...state.map((word) => numberBytes(word, 4)));
}

// Canonical JSON (RFC 8785) as bytes; JavaScript's own number and text forms are the standard's.
function canonical(value) {
  return new TextEncoder().encode(canonicalText(value));
}

function canonicalText(value) {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const members = Object.keys(value).sort();
    return `{${members.map((key) => `${canonicalText(key)}:${canonicalText(value[key])}`).join(",")}}`;
  }
  if (typeof value === "string" && /\p{Surrogate}/u.test(value)) {
    throw new NotAProof("text holds half of a surrogate pair");
  }
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new NotAProof("a number is too large");
  }
  if (Number.isInteger(value) && Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    throw new NotAProof("a number is too large to be told from its neighbours");
  }
  return JSON.stringify(value);
}

class NotAProof extends Error {}
