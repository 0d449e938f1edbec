// Checks what a payment proof shows of the reports behind its charge, and of the payee's weight.

function readReceipt(section) {
  const said = {
    sequence: section.integer("sequence", 1),
    tenant: section.plain("tenant"),
    run: section.hash("run"),
    datasetVersion: section.plain("version"),
    purpose: section.plain("purpose"),
    stream: section.hash("stream"),
    usedAt: section.integer("used_at", 0),
    ...Object.fromEntries(COUNTERS.map((name) => [name, section.integer(name, 0)])),
  };
  const domain = { service: section.plain("service"), chainId: BigInt(section.matched("chain", CHAIN).slice(7)) };
  const receipt = { said, domain, signer: section.address("signer"), signature: bytesOf(section.matched("signature", DATA)) };
  const taken = section.optional("taken");
  section.done();
  receipt.label = `Receipt ${said.sequence} of ${receipt.signer}`;
  receipt.digest = typedDigest(domain, "UsageReceipt", said);
  receipt.taken = taken && readTaken(taken);
  return receipt;
}

function readTaken(section) {
  const taken = {
    signer: section.address("signer"),
    signature: bytesOf(section.matched("signature", DATA)),
    usage: section.plain("usage"),
    version: section.plain("version"),
    run: section.plain("run"),
    revision: section.integer("revision", 0),
    receivedAt: section.integer("received_at", 0),
  };
  section.done();
  return taken;
}

function checkReceipt(receipt, report, events, charge) {
  const { label, said, signer, signature, taken } = receipt;
  report.check(
    signerOf(receipt.digest, signature) === signer,
    `${label}: it is as its key signed it.`,
    `${label}: its signature does not fit: what was signed was changed.`,
  );
  const registered = events.filter((one) => one.kind === "reporting_key.registered").map(bodyOf);
  report.check(
    registered.some((body) => Object.keys(body).length === 2 && body.tenant === said.tenant && body.address === signer),
    `${label}: the ledger knows this key of ${said.tenant}.`,
    `${label}: no event in this file registers this key for ${said.tenant}.`,
  );
  if (!taken) {
    report.notChecked.push(`${label}: the service did not countersign it`);
    return;
  }
  const content = { ...taken, receipt: receipt.digest, signature: sha256(signature), signer };
  report.check(
    signerOf(typedDigest(receipt.domain, "Countersignature", content), taken.signature) === taken.signer,
    `${label}: the service signed that it took it.`,
    `${label}: the countersignature does not fit: what it holds was changed.`,
  );
  report.check(
    taken.usage === charge.usage && taken.revision <= charge.revision,
    `${label}: it was taken for the charge's usage.`,
    `${label}: it was not taken for the charge's usage.`,
  );
  report.facts.push(`${label} was countersigned by ${taken.signer}.`);
}

function checkReceipts(whole, report, events, charge) {
  const section = Object.hasOwn(whole.value, "receipts") ? whole.items("receipts") : null;
  const receipts = section ? Object.keys(section.value).map((at) => readReceipt(section.section(at))) : [];
  if (!receipts.length) {
    report.notChecked.push("who reported the use: no signed receipt is part of this file");
    return;
  }
  if (!charge) {
    report.check(false, "", "Receipts: there is no charge in this file that they are for.");
    return;
  }
  for (const one of receipts) checkReceipt(one, report, events, charge);
  const marks = receipts.map((one) => hexOf(sha256(joined(one.digest, one.signature)))).sort();
  const commitment = hexOf(sha256(joined(...marks.map(bytesOf)))).slice(2);
  report.check(
    charge.used.receipts === commitment,
    "Receipts: the ledger committed to exactly these when it counted the use.",
    "Receipts: the ledger did not commit to these when it counted the use.",
  );
  const counted = (name) => receipts.map((one) => one.said[name]);
  const total = (name) => (name === "epochs" ? Math.max(...counted(name)) : counted(name).reduce((all, one) => all + one, 0));
  report.check(
    COUNTERS.every((name) => charge.used[name] === total(name)),
    "Receipts: together they count what the ledger counts.",
    "Receipts: together they do not count what the ledger counts.",
  );
}

// The weight, if the file has it, must be the payee's, as the ledger knows it.
function checkDivision(section, report, events, entry, charge, accounts) {
  if (!section) {
    report.notChecked.push("how the charge was divided: it is not part of this file");
    return;
  }
  const [account, weight, weightSum] = [section.integer("account"), section.amount("weight"), section.amount("weight_sum")];
  const salt = section.hash("salt");
  const root = rootFrom(leafOf(word(charge.division), word(account), word(weight), word(weightSum), salt), section.hashes("merkle_proof"));
  section.done();
  const known = events.map(bodyOf).filter((body) => body.entry === entry.number && isHash(body.entry_hash, entry.hash));
  report.check(
    known.some((body) => isHash(body.weights, root)),
    "Division: the ledger committed to this weight when it booked the charge.",
    "Division: weight, sum or account is not what the ledger committed to.",
  );
  report.check(
    accounts.includes(account) && 0n < weight && weight <= weightSum,
    "Division: the weight is the payee's.",
    "Division: the weight is not the payee's.",
  );
  if (!weightSum) return;
  const [running, amount] = [BigInt(charge.running), BigInt(charge.amount)];
  const part = flooredShare(running, weight, weightSum) - flooredShare(running - amount, weight, weightSum);
  report.facts.push(`Division: of the charge's ${amount} units the payee's part is ${part}, by a weight of ${weight} in ${weightSum}.`);
}

// BigInt division cuts towards zero; a share is rounded down.
function flooredShare(total, weight, whole) {
  const quotient = (total * weight) / whole;
  return total * weight < 0n && quotient * whole !== total * weight ? quotient - 1n : quotient;
}
