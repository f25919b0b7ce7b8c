// Search as people expect it: capitals, accents, width of letters and spaces make no difference.

const MARKS = /\p{M}/gu;
const SPACES = /\s+/gu;

/** @param {string} text */
export function folded(text) {
  return text.normalize("NFKD").replace(MARKS, "").replace(SPACES, "").toUpperCase(); // one letter may become two
}

/** The folded texts of all lines, made when they are first needed. */
export class Index {
  /** @param {string[]} texts */
  constructor(texts) {
    this.texts = texts;
    /** @type {string[] | null} */
    this.keys = null;
  }

  /** Make ready for the first search. */
  prepare() {
    this.keys ??= this.texts.map(folded);
    return this.keys;
  }

  /**
   * Return the numbers of the lines that hold the words, in reading order.
   * @param {string} words
   */
  find(words) {
    const wanted = folded(words);
    if (!wanted) return [];
    const keys = this.prepare();
    /** @type {number[]} */
    const found = [];
    for (let line = 0; line < keys.length; line++) {
      if (keys[line]?.includes(wanted)) found.push(line);
    }
    return found;
  }
}

/**
 * Return where in a text the words stand, as [start, end), or null.
 * @param {string} text
 * @param {string} words
 * @returns {[number, number] | null}
 */
export function placeOf(text, words) {
  const wanted = folded(words);
  let key = "";
  /** @type {number[]} */
  const origin = [];
  let at = 0;
  for (const char of text) {
    const part = folded(char);
    for (let n = 0; n < part.length; n++) origin.push(at);
    key += part;
    at += char.length;
  }
  const start = wanted ? key.indexOf(wanted) : -1;
  if (start < 0) return null;
  const last = origin[start + wanted.length - 1] ?? 0;
  return [origin[start] ?? 0, last + ((text.codePointAt(last) ?? 0) > 0xffff ? 2 : 1)];
}
