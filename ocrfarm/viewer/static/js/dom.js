// What every page needs of the document.

/** @param {string} id */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no ${id}`);
  return found;
}

/**
 * Make an element with a text, which is never taken as HTML.
 * @param {string} tag
 * @param {string} kind - its class
 * @param {string} [text]
 */
export function element(tag, kind, text = "") {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  made.textContent = text;
  return made;
}

/**
 * Write a number with commas between thousands.
 * @param {number} number
 */
export function count(number) {
  return number.toLocaleString("en");
}

/**
 * Write a number of things.
 * @param {number} number
 * @param {string} thing
 */
export function counted(number, thing) {
  return `${count(number)} ${thing}${number === 1 ? "" : "s"}`;
}
