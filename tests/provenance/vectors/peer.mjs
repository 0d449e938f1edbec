// Answers for the npm package that our trees must equal: a line of JSON in, a line of JSON out.
//
//   node peer.mjs NODE_MODULES
//
// It builds the tree of the values given, and reads ours as its own dump: whether that is valid, and
// whether our proofs hold in it.
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";

const require = createRequire(path.join(process.argv[2], "x.js"));
const { StandardMerkleTree } = require("@openzeppelin/merkle-tree");

function theirs({ types, values, sortLeaves, chosen }) {
  const tree = StandardMerkleTree.of(values, types, { sortLeaves });
  const { proof, proofFlags, leaves } = tree.getMultiProof(chosen);
  return {
    root: tree.root,
    tree: tree.dump().tree,
    proofs: chosen.map((i) => tree.getProof(i)),
    multiproof: { proof, flags: proofFlags, leaves },
  };
}

function readsOurs({ types, values, chosen, ours }) {
  const tree = StandardMerkleTree.load(ours.dump);
  tree.validate();
  const leaves = ours.multiproof.order.map((i) => values[i]);
  const { proof, flags: proofFlags } = ours.multiproof;
  return {
    root: tree.root,
    proofs: chosen.every((i, at) => StandardMerkleTree.verify(tree.root, types, values[i], ours.proofs[at])),
    multiproof: StandardMerkleTree.verifyMultiProof(tree.root, types, { proof, proofFlags, leaves }),
  };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  console.log(JSON.stringify({ theirs: theirs(asked), ours: readsOurs(asked) }));
}
