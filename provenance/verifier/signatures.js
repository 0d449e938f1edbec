// Typed data (EIP-712) as it is hashed, and whose key signed it (secp256k1): for checking alone.

const STRUCTS = {
  EIP712Domain: ["string name", "string version", "uint256 chainId", "bytes32 salt"],
  UsageReceipt: [
    ...["string tenant", "string run", "string datasetVersion", "string purpose", "string stream"],
    ...["uint64 sequence", "uint64 records", "uint64 tokens", "uint64 epochs", "uint64 fetches", "uint64 usedAt"],
  ],
  Countersignature: [
    ...["bytes32 receipt", "bytes32 signature", "address signer", "string usage", "string version"],
    ...["string run", "uint64 revision", "uint64 receivedAt"],
  ],
};
const utf8 = (text) => new TextEncoder().encode(text);

// A text may stand as its own hash: 32 bytes.
function typedWord(type, value) {
  if (type === "string") return typeof value === "string" ? keccak(utf8(value)) : value;
  if (type.startsWith("uint")) return numberBytes(value, 32);
  return type === "address" ? joined(new Uint8Array(12), bytesOf(value)) : value;
}

function structHash(name, values) {
  const fields = STRUCTS[name].map((one) => one.split(" "));
  const type = keccak(utf8(`${name}(${STRUCTS[name].join(",")})`));
  return keccak(joined(type, ...fields.map(([kind, field]) => typedWord(kind, values[field]))));
}

function typedDigest({ service, chainId }, name, values) {
  const domain = { name: "Tallymark", version: "1", chainId, salt: keccak(utf8(service)) };
  return keccak(joined(new Uint8Array([0x19, 0x01]), structHash("EIP712Domain", domain), structHash(name, values)));
}

// SEC 2, section 2.4.1.
const FIELD = 2n ** 256n - 2n ** 32n - 977n;
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const BASE = [
  0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
  0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
];
const modulo = (value, by) => ((value % by) + by) % by;

function power(base, exponent, by) {
  let result = 1n;
  for (base = modulo(base, by); exponent; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % by;
    base = (base * base) % by;
  }
  return result;
}

// The modulus is a prime, so Fermat's little theorem gives the inverse.
const inverted = (value, by) => power(value, by - 2n, by);
const inField = (value) => modulo(value, FIELD);

// Points are (x, y, z) for (x / z^2, y / z^3), so that only the end needs an inverse; null is infinity.
function doubled([x, y, z]) {
  const [a, b] = [inField(x * x), inField(y * y)];
  const c = inField(b * b);
  const d = inField(2n * ((x + b) ** 2n - a - c));
  const e = 3n * a;
  const left = inField(e * e - 2n * d);
  return [left, inField(e * (d - left) - 8n * c), inField(2n * y * z)];
}

function added(one, other) {
  if (!one || !other) return one ?? other;
  const [first, second] = [inField(one[2] * one[2]), inField(other[2] * other[2])];
  const [u, s] = [inField(one[0] * second), inField(one[1] * other[2] * second)];
  const h = inField(other[0] * first - u);
  const r = inField(other[1] * one[2] * first - s);
  if (h === 0n) return r === 0n ? doubled(one) : null;
  const [square, cube] = [inField(h * h), inField(h * h * h)];
  const v = u * square;
  const left = inField(r * r - cube - 2n * v);
  return [left, inField(r * (v - left) - s * cube), inField(h * one[2] * other[2])];
}

function times(count, [x, y]) {
  let [total, point] = [null, [x, y, 1n]];
  for (; count; count >>= 1n) {
    if (count & 1n) total = added(total, point);
    point = doubled(point);
  }
  return total;
}

// The address whose key signed a digest; null where nobody's did (SEC 1, section 4.1.6; EIP-2).
function signerOf(digest, signature) {
  if (signature.length !== 65) return null;
  const [r, s] = [BigInt(hexOf(signature.slice(0, 32))), BigInt(hexOf(signature.slice(32, 64)))];
  const parity = BigInt(signature[64]) - 27n;
  if (r <= 0n || r >= ORDER || s <= 0n || s > ORDER / 2n || (parity !== 0n && parity !== 1n)) return null;
  const square = modulo(power(r, 3n, FIELD) + 7n, FIELD);
  const root = power(square, (FIELD + 1n) / 4n, FIELD);
  if (modulo(root * root, FIELD) !== square) return null;
  const lifted = [r, root % 2n === parity ? root : FIELD - root];
  const inverse = inverted(r, ORDER);
  const known = times(modulo(-BigInt(hexOf(digest)) * inverse, ORDER), BASE);
  const key = added(known, times(modulo(s * inverse, ORDER), lifted));
  if (!key) return null;
  const scale = inverted(key[2], FIELD);
  const place = [inField(key[0] * scale ** 2n), inField(key[1] * scale ** 3n)];
  return hexOf(keccak(joined(...place.map((part) => numberBytes(part, 32)))).slice(12));
}
