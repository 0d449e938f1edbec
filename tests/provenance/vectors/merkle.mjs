// Makes merkle.json with the npm package that our trees must equal byte for byte.
//
//   npm install --prefix .node --no-save @openzeppelin/merkle-tree@1.0.8
//   node tests/provenance/vectors/merkle.mjs > tests/provenance/vectors/merkle.json
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = process.env.NODE_MODULES ?? path.resolve(here, "../../../.node/node_modules");
const require = createRequire(path.join(modules, "x.js"));
const { StandardMerkleTree } = require("@openzeppelin/merkle-tree");

const hash = (text) => createHash("sha256").update(text).digest("hex");
const rows = {
  "uint256,bytes32": (i) => [String(i + 1), "0x" + hash(`event ${i}`)],
  "bytes32,address,uint256": (i) => [
    "0x" + hash(`payee ${i}`),
    "0x" + hash(`address ${i}`).slice(0, 40),
    String(1000n ** BigInt(i % 9) + BigInt(i)),
  ],
};

const cases = [];
for (const [types, row] of Object.entries(rows)) {
  for (const count of [1, 2, 3, 5, 8, 33]) {
    for (const sortLeaves of [true, false]) {
      const values = Array.from({ length: count }, (_, i) => row(i));
      const tree = StandardMerkleTree.of(values, types.split(","), { sortLeaves });
      const chosen = [0, 2, 3, 7, 20, 32].filter((i) => i < count);
      const multi = tree.getMultiProof(chosen);
      const order = multi.leaves.map((leaf) => values.findIndex((value) => value[0] === leaf[0]));
      cases.push({
        types: types.split(","),
        sortLeaves,
        values,
        root: tree.root,
        proofs: chosen.map((i) => [i, tree.getProof(i)]),
        multiproof: { positions: chosen, order, proof: multi.proof, flags: multi.proofFlags },
      });
    }
  }
}
console.log(JSON.stringify(cases, null, 1));
