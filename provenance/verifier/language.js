// In which language the page speaks: the one in its address, else the first the browser asks for.

const LANGUAGES = { en: {}, "zh-Hans": CHINESE };
// What is put into a sentence and is words itself.
const WORDS_WITHIN = new Set(["label", "kind", "moment", "cause", "form"]);
const PATTERNS = Object.fromEntries(Object.entries(LANGUAGES).map(([name, words]) => [name, patternsOf(Object.keys(words))]));

// The ones that say most come first: what is put in may look like the rest of a sentence.
function patternsOf(sentences) {
  const own = (english) => english.replace(/\{\w+\}/g, "").length;
  return sentences.sort((left, right) => own(right) - own(left)).map(patternOf);
}

function patternOf(english) {
  const holes = [...english.matchAll(/\{(\w+)\}/g)].map((found) => found[1]);
  const parts = english.split(/\{\w+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return { english, holes, whole: new RegExp(`^${parts.join("(.*?)")}$`, "s") };
}

// A sentence in the language named; English where it has none of its own.
function said(sentence, language) {
  const words = LANGUAGES[language];
  if (Object.hasOwn(words, sentence)) return words[sentence];
  for (const { english, holes, whole } of PATTERNS[language]) {
    const found = holes.length && whole.exec(sentence);
    if (!found) continue;
    const given = Object.fromEntries(holes.map((hole, at) => [hole, found[at + 1]]));
    return words[english].replace(/\{(\w+)\}/g, (_, hole) => (WORDS_WITHIN.has(hole) ? said(given[hole], language) : given[hole]));
  }
  return sentence;
}

// The one of our languages that a tag such as zh-CN, zh-hans or en-GB stands for; undefined if none.
function languageFor(tag) {
  const spoken = tag.toLowerCase().split("-")[0];
  return Object.keys(LANGUAGES).find((name) => name.split("-")[0] === spoken);
}

function chosenLanguage(address, asked) {
  return [address.slice(1), ...asked].map(languageFor).find(Boolean) ?? "en";
}
