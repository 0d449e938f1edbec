// Checks a proof file (`tallymark-proof/1`), as the Python client's `tallymark verify` does: the same
// checks in the same order. A node, if given, has `ask(method, ...params)`; or a list of nodes.

const FORMAT = "tallymark-proof/1";
const HASH = [/^0x[0-9a-f]{64}$/, "0x and 64 hexadecimal digits"];
const ADDRESS = [/^0x[0-9a-fA-F]{40}$/, "0x and 40 hexadecimal digits"];
const DATA = [/^0x(?:[0-9a-f]{2})*$/, "0x and hexadecimal digits"];
const CHAIN = [/^eip155:[1-9][0-9]{0,31}$/, "a CAIP-2 chain such as eip155:1"];
const CONTRACT = [/^eip155:[1-9][0-9]{0,31}:0x[0-9a-fA-F]{40}$/, "a CAIP-10 contract such as eip155:1:0x.."];
const AMOUNT = [/^(?:0|[1-9][0-9]{0,77})$/, "whole units as decimal text"];
const UUID = [/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, "a UUID"];
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const word = (value) => (typeof value === "string" && value.startsWith("0x") ? joined(new Uint8Array(12), bytesOf(value)) : numberBytes(value, 32));
const short = (bytes) => hexOf(bytes).slice(0, 18) + "…";
const topic = (signature) => keccak(new TextEncoder().encode(signature));
const leafOf = (...words) => keccak(keccak(joined(...words)));

function rootFrom(leaf, siblings) {
  return siblings.reduce((node, sibling) => {
    const isFirst = hexOf(node) < hexOf(sibling);
    return keccak(isFirst ? joined(node, sibling) : joined(sibling, node));
  }, leaf);
}

// One JSON object of a proof, read field by field; `done` refuses what nobody read.
class Section {
  constructor(value, where) {
    if (!isObject(value)) throw new NotAProof(`${where} must be an object`);
    this.value = value;
    this.where = where;
    this.seen = new Set();
  }
  path(name) {
    return this.where ? `${this.where}.${name}` : name;
  }
  get(name) {
    if (!Object.hasOwn(this.value, name)) throw new NotAProof(`${this.path(name)} is missing`);
    this.seen.add(name);
    return this.value[name];
  }
  matched(name, [pattern, words]) {
    const value = this.get(name);
    if (typeof value !== "string" || !pattern.test(value)) throw new NotAProof(`${this.path(name)} must be ${words}`);
    return value;
  }
  section(name) {
    return new Section(this.get(name), this.path(name));
  }
  optional(name) {
    return this.get(name) === null ? null : this.section(name);
  }
  hash(name) {
    return bytesOf(this.matched(name, HASH));
  }
  optionalHash(name) {
    return this.get(name) === null ? null : this.hash(name);
  }
  address(name) {
    return this.matched(name, ADDRESS).toLowerCase();
  }
  text(name) {
    return this.matched(name, [/[^]*/, "text"]);
  }
  plain(name) {
    const value = this.text(name);
    if (/\p{Surrogate}/u.test(value)) throw new NotAProof(`${this.path(name)} holds half of a surrogate pair`);
    return value;
  }
  amount(name) {
    const value = BigInt(this.matched(name, AMOUNT));
    if (value >= 1n << 256n) throw new NotAProof(`${this.path(name)} is more than a contract can hold`);
    return value;
  }
  integer(name, least = -Number.MAX_SAFE_INTEGER) {
    const value = this.get(name);
    if (!Number.isSafeInteger(value) || value < least) throw new NotAProof(`${this.path(name)} must be a whole number, at least ${least}`);
    return value;
  }
  items(name) {
    const value = this.get(name);
    if (!Array.isArray(value)) throw new NotAProof(`${this.path(name)} must be a list`);
    return new Section({ ...value }, this.path(name));
  }
  hashes(name) {
    const parts = this.items(name);
    return Object.keys(parts.value).map((at) => parts.hash(at));
  }
  // The chain's id and the contract's address; the field `chain` must name the same chain.
  place() {
    const [, id, address] = this.matched("contract", CONTRACT).split(":");
    if (this.matched("chain", CHAIN) !== `eip155:${id}`) throw new NotAProof(`${this.where} names two different chains`);
    return [BigInt(id), address.toLowerCase()];
  }
  done() {
    const unknown = Object.keys(this.value).filter((name) => !this.seen.has(name)).sort();
    if (unknown.length) throw new NotAProof(`${this.path(unknown[0])} is not a field of ${FORMAT}`);
  }
}

class Report {
  checks = [];
  notChecked = [];
  facts = [];
  get isTrue() {
    return this.checks.length > 0 && this.checks.every((check) => check.isOk);
  }
  check(isOk, good, bad) {
    this.checks.push({ isOk, words: isOk ? good : bad });
    return isOk;
  }
}

// The outcome of checking a parsed proof; throws only when the node cannot be asked.
async function verify(proof, { node = null, contract = "" } = {}) {
  const report = new Report();
  try {
    const whole = new Section(proof, "");
    const format = whole.get("format");
    if (format !== FORMAT) throw new NotAProof(`the format is ${format}; this page checks ${FORMAT}`);
    const kind = whole.get("kind");
    if (kind === "event") await checkEvent(whole, report, node, contract);
    else if (kind === "payment") await checkPayment(whole, report, node, contract);
    else throw new NotAProof(`kind is ${kind}, neither 'event' nor 'payment'`);
  } catch (error) {
    if (!(error instanceof NotAProof || error instanceof RangeError)) throw error;
    report.check(false, "", `Not a proof: ${error.message}.`);
  }
  if (node === null) report.notChecked.push("whether the chain holds the root: name a node");
  if (!contract) report.notChecked.push("whether the contract is the service's own: compare it with the published address, or name that");
  return report;
}

async function checkEvent(whole, report, node, contract) {
  const [event, claimed, anchor] = [whole.section("event"), whole.hash("hash"), whole.section("anchor")];
  const previous = whole.hash("previous_hash");
  whole.get("format");
  whole.get("kind");
  whole.done();
  const sequence = event.integer("sequence", 1);
  const label = `Event ${sequence}`;
  const actual = sha256(joined(previous, canonical(event.value)));
  report.check(
    isSame(actual, claimed),
    `${label}: its content has the hash ${short(actual)}.`,
    `${label}: its content, or the hash before it, was changed: together their SHA-256 is ${short(actual)}, the proof says ${short(claimed)}.`,
  );
  const batch = readBatch(anchor);
  const last = batch.first + batch.count - 1;
  report.check(
    batch.first <= sequence && sequence <= last,
    `${label}: batch ${batch.number} holds the events ${batch.first} to ${last}.`,
    `${label}: it is not among the events ${batch.first} to ${last} of batch ${batch.number}.`,
  );
  const root = rootFrom(leafOf(word(sequence), claimed), batch.path);
  report.check(
    isSame(root, batch.root),
    `${label}: the Merkle path leads to the root of batch ${batch.number}.`,
    `${label}: the Merkle path leads to ${short(root)}, not to the root of batch ${batch.number}, ${short(batch.root)}.`,
  );
  const place = [word(batch.chainId), word(batch.contract), batch.previous, word(batch.number), batch.root];
  const head = keccak(joined(...place, word(batch.first), word(batch.count)));
  report.check(
    isSame(head, batch.head),
    `${label}: batch ${batch.number} is chained to the batch before it.`,
    `${label}: the head hash of batch ${batch.number} does not fit: its number, root, range, contract or previous head hash was changed.`,
  );
  checkContract(report, label, batch, contract);
  report.facts.push(`${label} (${event.value.kind ?? "of no kind"}) is in batch ${batch.number} of contract eip155:${batch.chainId}:${batch.contract}.`);
  if (node) await checkBatchOnChain(report, label, node, batch);
}

function readBatch(anchor) {
  const [chainId, contract] = anchor.place();
  const batch = {
    chainId,
    contract,
    number: anchor.integer("batch", 1),
    first: anchor.integer("first_sequence", 1),
    count: anchor.integer("event_count", 1),
    root: anchor.hash("root"),
    previous: anchor.hash("previous_head_hash"),
    head: anchor.hash("head_hash"),
    txHash: anchor.optionalHash("tx_hash"),
    path: anchor.hashes("merkle_proof"),
  };
  anchor.done();
  return batch;
}

async function checkBatchOnChain(report, label, nodes, batch) {
  const node = await serving(nodes, batch.chainId);
  if (!(await checkChain(report, label, node, batch))) return;
  const held = await call(node, batch.contract, "rootOf(uint64)", word(batch.number));
  report.check(
    isSame(held, batch.root),
    `${label}: the chain holds this root for batch ${batch.number}.`,
    held.every((one) => one === 0)
      ? `${label}: batch ${batch.number} is not on the chain.`
      : `${label}: the chain holds another root for batch ${batch.number}: ${short(held)}.`,
  );
  if (batch.txHash === null) {
    report.notChecked.push(`${label}: when it was anchored; the file names no transaction`);
    return;
  }
  const receipt = await node.ask("eth_getTransactionReceipt", hexOf(batch.txHash));
  const signature = "Anchored(uint64,bytes32,bytes32,uint64,uint64)";
  report.check(
    hasLog(receipt, batch.contract, signature, [word(batch.number), batch.root], [batch.head, word(batch.first), word(batch.count)]),
    `${label}: the named transaction anchored exactly this batch.`,
    `${label}: the transaction ${hexOf(batch.txHash)} did not anchor this batch.`,
  );
  if (receipt) report.facts.push(`${label} existed at ${await blockDate(node, receipt)}.`);
}

// Of nodes of several chains the first that serves this one, or else the first.
async function serving(nodes, chainId) {
  if (!Array.isArray(nodes)) return nodes;
  for (const one of nodes) if (BigInt(await one.ask("eth_chainId")) === chainId) return one;
  return nodes[0];
}

async function checkChain(report, label, node, place) {
  const served = BigInt(await node.ask("eth_chainId"));
  const isServed = report.check(
    served === place.chainId,
    `${label}: the node serves the chain eip155:${place.chainId}.`,
    `${label}: the proof is for the chain eip155:${place.chainId}, the node serves eip155:${served}.`,
  );
  if (!isServed) return false;
  const code = await node.ask("eth_getCode", place.contract, "latest");
  return report.check(
    code.length > 2,
    `${label}: a contract stands at ${place.contract}.`,
    `${label}: no contract stands at ${place.contract} on this chain.`,
  );
}

function checkContract(report, label, place, expected) {
  if (!expected) return;
  const known = expected.toLowerCase();
  const full = `eip155:${place.chainId}:${place.contract}`;
  report.check(
    known === place.contract || known === full,
    `${label}: the contract is the one that you named.`,
    `${label}: the contract is ${full}, not ${expected}.`,
  );
}

async function call(node, address, signature, ...words) {
  const data = hexOf(joined(topic(signature).slice(0, 4), ...words));
  return bytesOf(await node.ask("eth_call", { to: address, data }, "latest"));
}

function hasLog(receipt, address, signature, indexed, words) {
  if (!receipt || BigInt(receipt.status) !== 1n) return false;
  const topics = [topic(signature), ...indexed].map(hexOf);
  const data = hexOf(joined(...words));
  return receipt.logs.some(
    (log) => log.address.toLowerCase() === address && topics.every((one, at) => log.topics[at] === one) && log.data === data,
  );
}

async function blockDate(node, receipt) {
  const block = await node.ask("eth_getBlockByNumber", receipt.blockNumber, false);
  const moment = new Date(Number(BigInt(block.timestamp)) * 1000).toISOString();
  return `${moment.slice(0, 10)} ${moment.slice(11, 19)} UTC (block ${Number(receipt.blockNumber)})`;
}
