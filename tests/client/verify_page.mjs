// Runs the script of the one-file page under node: JSON lines of {proof, rpc, contract} in, reports out.
import fs from "node:fs";
import readline from "node:readline";
import vm from "node:vm";

const html = fs.readFileSync(process.argv[2], "utf8");
const script = html.slice(html.indexOf("<script>") + 8, html.lastIndexOf("</script>"));
const names = "{ verify, HttpNode, keccak, sha256, canonical, bytesOf, hexOf, signerOf, said, CHINESE, chosenLanguage }";
const context = vm.createContext({ TextEncoder, fetch, URL, console });
const page = vm.runInContext(`(() => {${script}; return ${names};})()`, context);

async function answer({ proof, rpc, contract, hash, text, signature, said, words, address, asked }) {
  if (said !== undefined) return page.said(said, "zh-Hans");
  if (words !== undefined) return page.CHINESE;
  if (address !== undefined) return page.chosenLanguage(address, asked);
  if (signature !== undefined) return page.signerOf(page.bytesOf(hash), page.bytesOf(signature));
  if (hash !== undefined) {
    const data = page.bytesOf(hash);
    return { keccak: page.hexOf(page.keccak(data)), sha256: page.hexOf(page.sha256(data)) };
  }
  if (text !== undefined) return page.hexOf(page.canonical(JSON.parse(text)));
  const node = rpc ? new page.HttpNode(rpc) : null;
  const report = await page.verify(JSON.parse(proof), { node, contract: contract ?? "" });
  return { isTrue: report.isTrue, checks: report.checks, facts: report.facts, notChecked: report.notChecked };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify(await answer(JSON.parse(line))));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error.message ?? error) }));
  }
}
