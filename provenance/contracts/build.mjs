// Compiles the contracts of both apps, and a hostile one for tests, into their checked-in artefacts, or compares them with `--check`.
//
//   node provenance/contracts/build.mjs [--check]
//
// Python users need neither Node nor this file: they read the artefacts. The compiler and OpenZeppelin
// come from npm, at exact versions, into the ignored folder `.node/` at the root of the repository.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGES = { solc: "0.8.37", "@openzeppelin/contracts": "5.7.0" };
const SETTINGS = {
  evmVersion: "cancun",
  optimizer: { enabled: true, runs: 10000 },
  metadata: { useLiteralContent: false },
};
const OUTPUT = ["abi", "metadata", "evm.bytecode.object", "evm.deployedBytecode.object"];
// solc warns of every use of transient storage; OpenZeppelin's re-entrancy guard clears it at each call's end.
const TRANSIENT_STORAGE_NOTE = "2394";
const FOLDERS = ["provenance/contracts", "compensation/contracts", "tests/contracts"];

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const modules = path.join(root, ".node", "node_modules");
const check = process.argv.includes("--check");

function fail(message) {
  console.error(message);
  process.exit(1);
}

function installedVersion(name) {
  const file = path.join(modules, name, "package.json");
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")).version : null;
}

function install() {
  const wanted = Object.entries(PACKAGES);
  if (wanted.every(([name, version]) => installedVersion(name) === version)) return;
  fs.mkdirSync(path.dirname(modules), { recursive: true });
  const names = wanted.map(([name, version]) => `${name}@${version}`);
  const flags = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"];
  const result = spawnSync("npm", ["install", "--prefix", path.dirname(modules), ...flags, ...names], {
    stdio: "inherit",
  });
  if (result.status !== 0) fail(`npm could not install ${names.join(" and ")}: is the registry reachable?`);
}

function contentOf(source, folder) {
  const own = path.join(folder, source);
  const file = fs.existsSync(own) ? own : path.join(modules, source);
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : null;
}

// Every source that `source` needs, itself included, so that the input compiles without npm.
function closure(source, folder, found = {}) {
  if (found[source]) return found;
  const content = contentOf(source, folder);
  if (content === null) fail(`${source} not found`);
  found[source] = { content };
  for (const match of content.matchAll(/^\s*import\s[^;]*?"([^"]+)"\s*;/gms)) {
    const target = match[1];
    const next = target.startsWith(".") ? path.posix.join(path.posix.dirname(source), target) : target;
    closure(next, folder, found);
  }
  return found;
}

function compile(solc, source, folder) {
  const sources = Object.fromEntries(Object.entries(closure(source, folder)).sort());
  const settings = { ...SETTINGS, outputSelection: { [source]: { "*": OUTPUT } } };
  const input = { language: "Solidity", sources, settings };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const notes = (output.errors ?? []).filter((problem) => problem.errorCode !== TRANSIENT_STORAGE_NOTE);
  const problems = notes.map((problem) => problem.formattedMessage);
  if (problems.length) fail(problems.join("\n"));
  const name = path.basename(source, ".sol");
  const built = output.contracts[source][name];
  return { name, input, built };
}

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

function artefacts(solc, source, folder) {
  const { name, input, built } = compile(solc, source, folder);
  const inputText = JSON.stringify(input, null, 1) + "\n";
  const bytecode = "0x" + built.evm.bytecode.object;
  const runtimeBytecode = "0x" + built.evm.deployedBytecode.object;
  const artefact = {
    contractName: name,
    compiler: solc.version(),
    openzeppelin: PACKAGES["@openzeppelin/contracts"],
    sha256: {
      input: sha256(inputText),
      bytecode: sha256(Buffer.from(bytecode.slice(2), "hex")),
      runtimeBytecode: sha256(Buffer.from(runtimeBytecode.slice(2), "hex")),
      metadata: sha256(built.metadata),
    },
    abi: built.abi,
    bytecode,
    runtimeBytecode,
    metadata: built.metadata,
  };
  return { [`${name}.json`]: JSON.stringify(artefact, null, 1) + "\n", [`${name}.input.json`]: inputText };
}

install();
const solc = createRequire(path.join(modules, "x.js"))("solc");
let stale = 0;
for (const name of FOLDERS) {
  const folder = path.join(root, name);
  for (const source of fs.readdirSync(folder).filter((file) => file.endsWith(".sol")).sort()) {
    for (const [file, text] of Object.entries(artefacts(solc, source, folder))) {
      const target = path.join(folder, "artefacts", file);
      const isSame = fs.existsSync(target) && fs.readFileSync(target, "utf8") === text;
      if (isSame) continue;
      stale += 1;
      console.log(`${path.relative(root, target)} ${check ? "differs from its source" : "written"}`);
      if (!check) fs.writeFileSync(target, text);
    }
  }
}
if (check && stale) fail("Run `node provenance/contracts/build.mjs` and commit what it writes.");
console.log(check ? "contract artefacts match their sources" : `${stale} artefacts written`);
