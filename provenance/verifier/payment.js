// Checks proofs of payment: usage event, charge, journal entry, payout leaf, money on the chain.

const CHARGE_BYTES = 100;
const bodyOf = (event) => (isObject(event.body) ? event.body : {});
const isHash = (value, wanted) => typeof value === "string" && value.replace(/^0x/, "") === hexOf(wanted).slice(2);
const int8 = (value) => numberBytes(value, 8);

async function checkPayment(whole, report, node, contract) {
  whole.get("format");
  whole.get("kind");
  const events = await checkEvents(whole, report, node);
  const [entry, section] = [whole.optional("entry"), whole.optional("charge")];
  const charge = section && readCharge(section);
  const division = Object.hasOwn(whole.value, "division") ? whole.optional("division") : null;
  const payout = readPayout(whole.section("payout"));
  if (division && !charge) throw new NotAProof("division needs the charge that it divides");
  if (charge && !entry) throw new NotAProof("charge needs the journal entry that holds it");
  if (entry) {
    const booked = Object.hasOwn(entry.value, "line") ? readOwnLine(entry) : readEntry(entry);
    (booked.line ? checkOwnLine : checkEntry)(booked, report, events);
    const accounts = checkPayee(payout, report, events, booked);
    if (charge) {
      checkCharge(charge, report, events, booked);
      checkDivision(division, report, events, booked, charge, accounts);
    }
  } else {
    report.notChecked.push("the journal entry: it is not part of this file");
  }
  if (!charge) report.notChecked.push("the charge for the usage: it is not part of this file");
  checkReceipts(whole, report, events, charge);
  whole.done();
  await checkPayout(payout, report, node, contract);
}

async function checkEvents(whole, report, node) {
  const found = whole.items("events");
  const places = Object.keys(found.value);
  if (!places.length) throw new NotAProof("events must hold at least one event proof");
  const events = [];
  for (const at of places) {
    const section = found.section(at);
    if (section.get("format") !== FORMAT || section.get("kind") !== "event") {
      throw new NotAProof(`${section.where} is not an event proof of ${FORMAT}`);
    }
    await checkEvent(section, report, node, "");
    events.push(section.section("event").value);
  }
  return events;
}

// A file from before lines were committed to one by one shows all of them.
function readEntry(entry) {
  const [lines, later] = [entry.items("lines"), entry.items("later")];
  const booked = {
    number: entry.integer("number", 1),
    hash: entry.hash("hash"),
    previous: entry.hash("previous_hash"),
    header: entry.text("header"),
    charges: entry.hash("charges_digest"),
    isMadeOf: (charges) => isSame(charges, booked.charges),
    lines: Object.keys(lines.value).map((at) => {
      const pair = lines.items(at);
      if (Object.keys(pair.value).length !== 2) throw new NotAProof(`${pair.where} must be [account, units]`);
      return [pair.integer("0"), pair.integer("1")];
    }),
    later: Object.keys(later.value).map((at) => {
      const one = later.section(at);
      const parts = [one.hash("header"), one.hash("lines"), one.hash("charges")];
      one.done();
      return parts;
    }),
  };
  entry.done();
  return booked;
}

function checkEntry(entry, report, events) {
  const label = `Journal entry ${entry.number}`;
  const chained = (previous, number, parts) => sha256(joined(previous, int8(number), ...parts));
  const sorted = [...entry.lines].sort((left, right) => left[0] - right[0] || left[1] - right[1]);
  const lines = joined(...sorted.flatMap(([account, units]) => [int8(account), int8(units)]));
  const parts = [sha256(new TextEncoder().encode(entry.header)), sha256(lines), entry.charges];
  report.check(
    isSame(chained(entry.previous, entry.number, parts), entry.hash),
    `${label}: its content has the stated hash.`,
    `${label}: its content was changed.`,
  );
  const sum = entry.lines.reduce((total, line) => total + BigInt(line[1]), 0n);
  report.check(sum === 0n, `${label}: its lines add up to zero.`, `${label}: its lines do not add up to zero.`);
  let [head, number] = [entry.hash, entry.number];
  for (const next of entry.later) head = chained(head, ++number, next);
  const sealed = events.filter((one) => one.kind === "journal.sealed").map(bodyOf);
  report.check(
    sealed.some((one) => one.number === number && isHash(one.hash, head)),
    `${label}: the ledger sealed the journal that holds it.`,
    `${label}: no \`journal.sealed\` event in this file seals the journal that holds it.`,
  );
}

// The payee's line and no other: see client/tallymark/lines.py.
function readOwnLine(entry) {
  const line = entry.section("line");
  const way = (section, count) => {
    const path = section.items("path");
    return [section.integer(count, 1), Object.keys(path.value).map((at) => path.hashes(at))];
  };
  const booked = {
    number: entry.integer("number", 1),
    hash: entry.hash("hash"),
    linesRoot: entry.hash("lines_root"),
    way: way(entry, "entries"),
    line: { account: line.integer("account"), units: line.integer("units"), salt: line.hash("salt"), way: way(line, "lines") },
  };
  booked.lines = [[booked.line.account, booked.line.units]];
  line.done();
  entry.done();
  return booked;
}

function checkOwnLine(entry, report, events) {
  const label = `Journal entry ${entry.number}`;
  const { account, units, salt, way } = entry.line;
  const leaf = sha256(joined(new Uint8Array([3]), int8(entry.number), int8(account), int8(units), salt));
  const lines = rootAbove(leaf, ...way);
  report.check(
    lines !== null && isSame(lines, entry.linesRoot),
    `${label}: the payee's line is one of its lines.`,
    `${label}: account, units or salt are not of one of its lines.`,
  );
  const sealed = rootAbove(sha256(joined(new Uint8Array([4]), int8(entry.number), entry.hash, entry.linesRoot)), ...entry.way);
  report.check(
    sealed !== null && events.some((one) => one.kind === "journal.sealed" && isHash(bodyOf(one).entries, sealed)),
    `${label}: the ledger sealed it with these lines.`,
    `${label}: no \`journal.sealed\` event in this file seals it with this hash and these lines.`,
  );
  report.facts.push(`${label}: it moved ${units} units on the payee's account.`);
  const charged = events
    .filter((one) => one.kind === "usage.charged")
    .map(bodyOf)
    .filter((body) => body.entry === entry.number && isHash(body.entry_hash, entry.hash));
  entry.isMadeOf = (charges) => charged.some((body) => isHash(body.digest, charges));
}

function checkPayee(payout, report, events, entry) {
  const joinedAccounts = events
    .filter((one) => one.kind === "payee.named" && isHash(bodyOf(one).payee, payout.payee))
    .map((one) => bodyOf(one).account);
  report.check(
    entry.lines.some(([account]) => joinedAccounts.includes(account)),
    "Payout: the journal entry has a line for this payee's account.",
    "Payout: no event in this file joins this payee to an account of the journal entry.",
  );
  return joinedAccounts;
}

// What one of `count` leaves leads to by the nodes above it; null where they do not hold it.
function rootAbove(leaf, count, levels) {
  let digest = leaf;
  for (const level of levels) {
    if (!level.some((one) => isSame(one, digest))) return null;
    digest = sha256(joined(new Uint8Array([1]), ...level));
  }
  return sha256(joined(new Uint8Array([2]), int8(count), digest));
}

const COUNTERS = ["records", "tokens", "epochs", "fetches"];
// Which counter a basis prices (none: a run counts as one), and for how many of it the price is.
const BASES = {
  per_1k_records: ["records", 1000n],
  per_1m_tokens: ["tokens", 1000000n],
  per_epoch: ["epochs", 1n],
  per_fetch: ["fetches", 1n],
  flat_per_run: [null, 1n],
};

function readCharge(section) {
  const usage = section.matched("usage", UUID);
  const revision = section.integer("revision", 0);
  const names = ["account", "rate", ...COUNTERS, "amount", "total", "running", "tallied"];
  const numbers = Object.fromEntries(names.map((name) => [name, section.integer(name)]));
  const path = section.items("path");
  const charge = {
    usage,
    revision,
    ...numbers,
    row: joined(bytesOf(usage.replaceAll("-", "")), numberBytes(revision, 4), ...names.map((name) => int8(numbers[name]))),
    division: section.integer("weight_version"),
    group: bytesOf(section.matched("group", DATA)),
    groups: section.integer("groups", 1),
    levels: Object.keys(path.value).map((at) => path.hashes(at)),
    used: {},
  };
  section.done();
  return charge;
}

function checkCharge(charge, report, events, entry) {
  const { group, usage } = charge;
  const starts = Array.from({ length: Math.ceil(group.length / CHARGE_BYTES) }, (_, at) => at * CHARGE_BYTES);
  report.check(
    starts.some((at) => isSame(group.slice(at, at + CHARGE_BYTES), charge.row)),
    "Charge: it is among the charges of its group.",
    "Charge: it was changed, or is not among the charges of its group.",
  );
  const own = sha256(joined(new Uint8Array([0]), int8(charge.division), sha256(group)));
  const digest = rootAbove(own, charge.groups, charge.levels);
  report.check(
    digest !== null && entry.isMadeOf(digest),
    "Charge: the journal entry was made of these charges.",
    "Charge: the journal entry was not made of these charges.",
  );
  const reported = events.filter((one) => one.kind === "dataset.used" && one.subject_id === usage);
  charge.used = reported.map(bodyOf).findLast((body) => body.revision === charge.revision) ?? {};
  report.check(
    ["records", "epochs", "fetches"].every((name) => charge.used[name] === charge[name]),
    `Charge: it counts what the ledger says of the usage ${usage}.`,
    `Charge: no event in this file reports this of its usage ${usage}.`,
  );
  checkPrice(charge, report, events);
}

// Where the file has the rate, it must make the total.
function checkPrice(charge, report, events) {
  const found = events.find((one) => one.kind === "rate.set");
  if (!found) {
    report.notChecked.push("the price: it depends on more than this usage and its rate");
    return;
  }
  const rate = bodyOf(found);
  const [counter, step] = Object.hasOwn(BASES, rate.basis) ? BASES[rate.basis] : [null, 0n];
  const quantity = counter ? BigInt(charge[counter]) : 1n;
  const isPriced = step > 0n && rate.rate === charge.rate && AMOUNT[0].test(rate.price_units);
  report.check(
    isPriced && (quantity * BigInt(rate.price_units)) / step === BigInt(charge.total),
    `Charge: the rate ${charge.rate} makes this total.`,
    `Charge: the rate in this file does not make the total of ${charge.total}.`,
  );
}

function readPayout(section) {
  const [chainId, contract] = section.place();
  const paid = section.optional("paid");
  const payout = {
    chainId,
    contract,
    token: section.address("token"),
    epoch: section.integer("epoch", 1),
    root: section.hash("root"),
    total: section.amount("total"),
    payee: section.hash("payee"),
    account: section.address("account"),
    cumulative: section.amount("cumulative"),
    path: section.hashes("merkle_proof"),
    activated: section.optionalHash("activated_tx_hash"),
    paid: paid && { txHash: paid.hash("tx_hash"), amount: paid.amount("amount"), cumulative: paid.amount("cumulative") },
  };
  paid?.done();
  section.done();
  return payout;
}

async function checkPayout(payout, report, node, contract) {
  const leaf = leafOf(payout.payee, word(payout.account), word(payout.cumulative));
  report.check(
    isSame(rootFrom(leaf, payout.path), payout.root),
    `Payout: payee, account and amount are under the root of epoch ${payout.epoch}.`,
    `Payout: payee, account or amount is not under the root of epoch ${payout.epoch}.`,
  );
  report.check(
    payout.cumulative <= payout.total,
    "Payout: the amount is within the epoch's total.",
    "Payout: the amount is more than the epoch's total.",
  );
  checkContract(report, "Payout", payout, contract);
  if (payout.paid === null) {
    report.notChecked.push("the payment itself: the file says that it is still to come");
  } else {
    const { amount, cumulative } = payout.paid;
    report.check(
      0n < amount && amount <= cumulative && cumulative === payout.cumulative,
      "Payout: what was paid brings the payee to the amount in the leaf.",
      "Payout: what was paid does not bring the payee to the amount in the leaf.",
    );
  }
  report.facts.push(
    `Payout: payee ${short(payout.payee)} is owed ${payout.cumulative} units of token eip155:${payout.chainId}/erc20:${payout.token} in all, to ${payout.account}.`,
  );
  const onChain = node && (await serving(node, payout.chainId));
  if (onChain && (await checkChain(report, "Payout", onChain, payout))) await checkPayoutOnChain(payout, report, onChain);
}

async function checkPayoutOnChain(payout, report, node) {
  const token = await call(node, payout.contract, "token()");
  report.check(
    isSame(token, word(payout.token)),
    "Payout: the contract pays in this token.",
    `Payout: the contract pays in the token ${hexOf(token.slice(-20))}.`,
  );
  await checkActivated(payout, report, node);
  if (payout.paid === null) return;
  const claimed = BigInt(hexOf(await call(node, payout.contract, "claimed(bytes32)", payout.payee)));
  report.check(
    claimed >= payout.cumulative,
    "Payout: the contract counts the amount as paid.",
    `Payout: the contract counts only ${claimed} as paid.`,
  );
  const { txHash, amount, cumulative } = payout.paid;
  const receipt = await node.ask("eth_getTransactionReceipt", hexOf(txHash));
  const indexed = [payout.payee, word(payout.account)];
  report.check(
    hasLog(receipt, payout.contract, "Paid(bytes32,address,uint256,uint256)", indexed, [word(amount), word(cumulative)]),
    `Payout: the chain holds the payment of ${amount} units.`,
    `Payout: the transaction ${hexOf(txHash)} did not make this payment.`,
  );
  if (receipt) report.facts.push(`Payout: it was paid at ${await blockDate(node, receipt)}.`);
}

async function checkActivated(payout, report, node) {
  let isHeld;
  if (payout.activated === null) {
    isHeld = isSame(await call(node, payout.contract, "root()"), payout.root);
  } else {
    const receipt = await node.ask("eth_getTransactionReceipt", hexOf(payout.activated));
    const signature = "RootActivated(uint64,bytes32,uint128)";
    isHeld = hasLog(receipt, payout.contract, signature, [word(payout.epoch)], [payout.root, word(payout.total)]);
  }
  report.check(
    isHeld,
    `Payout: the contract activated this root for epoch ${payout.epoch}.`,
    `Payout: the contract did not activate this root for epoch ${payout.epoch}.`,
  );
}
