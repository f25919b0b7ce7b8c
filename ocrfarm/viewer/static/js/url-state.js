// The place that is looked at, in the page's address: a link leads others there.

/**
 * @param {import("./state.js").State} state
 * @returns {Partial<import("./state.js").Values>}
 */
export function readUrlState({ about }) {
  const given = new URLSearchParams(location.hash.slice(1));
  const page = Number(given.get("page") ?? 1) - 1;
  const line = Number(given.get("line") ?? 0) - 1;
  const there = about.pages[page];
  if (!there) return {};
  const current = line >= 0 && line < there.lines ? there.first + line : -1;
  return { page, current, words: given.get("q") ?? "" };
}

/** @param {import("./state.js").State} state */
export function writeUrlState({ page: { first }, values: { page, current, words } }) {
  const given = new URLSearchParams();
  if (page) given.set("page", String(page + 1));
  if (current >= 0) given.set("line", String(current - first + 1));
  if (words) given.set("q", words);
  history.replaceState(null, "", given.size ? `#${given}` : location.pathname + location.search);
}
