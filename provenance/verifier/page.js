// The page itself: takes a file, checks it here, and says in words what was found.

const LARGEST_BYTES = 64 * 2 ** 20;
const find = (id) => document.getElementById(id);
let proofText = null;
let language = "en";
let shown = null;

class HttpNode {
  constructor(url) {
    this.url = url;
  }
  async ask(method, ...params) {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    let answer;
    try {
      const reply = await fetch(this.url, { method: "POST", headers: { "Content-Type": "application/json" }, body });
      answer = await reply.json();
    } catch {
      throw new Error(`The node at ${this.url} did not answer this page. Many nodes refuse web pages, the development node too; then use: tallymark verify FILE --rpc ${this.url}`);
    }
    if (!answer || !("result" in answer)) throw new Error(`The node refused ${method}: ${JSON.stringify(answer?.error)}`);
    return answer.result;
  }
}

function item(kind, words) {
  const line = document.createElement("li");
  const own = said(words, language);
  const sentence = own.endsWith("。") ? own : own.charAt(0).toUpperCase() + own.slice(1).replace(/\.?$/, language === "en" ? "." : "。");
  line.className = kind;
  const sign = document.createElement("span");
  sign.className = "sign";
  sign.textContent = { ok: "✓", failed: "✗", open: "?", fact: "•" }[kind];
  line.append(sign, Object.assign(document.createElement("span"), { textContent: sentence }));
  return line;
}

function show(tone, title, explanation, report) {
  shown = [tone, title, explanation, report];
  draw();
  find("verdict").focus();
}

function draw() {
  const [tone, title, explanation, report] = shown;
  find("outcome").hidden = false;
  find("verdict").className = tone;
  find("verdict-title").textContent = said(title, language);
  find("verdict-text").textContent = said(explanation, language);
  find("facts").replaceChildren(...(report?.facts ?? []).map((words) => item("fact", words)));
  find("checks").replaceChildren(...(report?.checks ?? []).map((one) => item(one.isOk ? "ok" : "failed", one.words)));
  find("open").replaceChildren(...(report?.notChecked ?? []).map((words) => item("open", words)));
  for (const id of ["facts", "checks", "open"]) find(`${id}-part`).hidden = !find(id).children.length;
  find("facts-title").textContent = said(tone === "failed" ? "What it claims" : "What it shows", language);
}

// The facts themselves: the proven events, or nothing where the file is no proof.
function showContent(proof) {
  const events = proof.kind === "event" ? [proof] : Array.isArray(proof.events) ? proof.events : [];
  find("content").textContent = events.map((one) => JSON.stringify(one?.event, null, 2)).join("\n");
  find("content").hidden = !find("content").textContent;
}

function showReport(report, isOnChain) {
  if (!report.isTrue) {
    const count = report.checks.filter((check) => !check.isOk).length;
    show("failed", "This proof does not hold", `${count} of ${report.checks.length} checks failed; each says below what broke.`, report);
  } else if (isOnChain) {
    show("ok", "This proof holds, and the chain agrees", "Nobody can have changed these facts since the date below, the service included.", report);
  } else {
    show("open", "This proof agrees with itself", "The file is whole. Whether the chain holds its root was not asked: name a node to check that too.", report);
  }
}

async function check() {
  if (proofText === null) return;
  const urls = find("rpc").value.split(/\s+/).filter(Boolean);
  const contract = find("contract").value.trim();
  let proof;
  try {
    proof = JSON.parse(proofText);
  } catch {
    show("failed", "This is not a proof file", "A proof is a JSON file; this one cannot be read as JSON.");
    return;
  }
  showContent(proof ?? {});
  try {
    showReport(await verify(proof, { node: urls.length ? urls.map((url) => new HttpNode(url)) : null, contract }), urls.length > 0);
  } catch (error) {
    show("open", "The chain could not be asked", error.message);
  }
}

async function take(file) {
  if (!file) return;
  find("file-name").textContent = file.name;
  if (file.size > LARGEST_BYTES) {
    show("failed", "This is not a proof file", "It is larger than any proof.");
    return;
  }
  proofText = await file.text();
  await check();
}

// The page's own words, as they stand in it: where each is, and its English.
function ownWords() {
  const places = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const english = node.data.trim();
    if (english && !node.parentElement.closest("script, code, #languages")) places.push([english, (own) => (node.data = node.data.replace(node.data.trim(), () => own))]);
  }
  for (const field of document.querySelectorAll("[placeholder]")) places.push([field.placeholder, (own) => (field.placeholder = own)]);
  places.push([document.title, (own) => (document.title = own)]);
  return places;
}

function speak(places) {
  language = chosenLanguage(location.hash, navigator.languages);
  document.documentElement.lang = language;
  for (const [english, put] of places) put(said(english, language));
  for (const one of find("languages").children) one.setAttribute("aria-pressed", String(one.lang === language));
  if (shown) draw();
}

function startLanguages() {
  const places = ownWords();
  // The address alone keeps the choice: nothing is stored, and a saved page may be passed on with it.
  for (const one of find("languages").children) one.addEventListener("click", () => location.replace(`#${one.lang}`));
  addEventListener("hashchange", () => speak(places));
  speak(places);
}

function start() {
  startLanguages();
  const drop = find("drop");
  find("file").addEventListener("change", (event) => take(event.target.files[0]));
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
  find("settings").addEventListener("submit", (event) => {
    event.preventDefault();
    check();
  });
}

if (typeof document !== "undefined") start();
