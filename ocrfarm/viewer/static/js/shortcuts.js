// The keyboard: every key with what it does and how it is told in the help.

import { element } from "./dom.js";

/**
 * @typedef {object} Key
 * @property {string[]} keys - values of KeyboardEvent.key
 * @property {string} shown
 * @property {string} does
 * @property {(event: KeyboardEvent) => void} run
 */

/**
 * Listen for the keys, except in text fields.
 * @param {Key[]} keys
 */
export function listenForShortcuts(keys) {
  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.isComposing) return; // Enter takes a word out of an input method
    if (target instanceof HTMLInputElement && target.type !== "checkbox" && key !== "Escape" && key !== "Enter") return;
    if (target instanceof HTMLSelectElement) return;
    if (key === "Enter" && target instanceof HTMLButtonElement) return;
    const found = keys.find((each) => each.keys.includes(key));
    if (!found) return;
    event.preventDefault();
    found.run(event);
  });
}

/**
 * Fill the help.
 * @param {Key[]} keys
 * @param {HTMLElement} list
 */
export function explain(keys, list) {
  for (const { shown, does } of keys) {
    const term = element("dt", "");
    term.append(...shown.split(" ").map((key) => element("kbd", "", key)));
    list.append(term, element("dd", "", does));
  }
}
