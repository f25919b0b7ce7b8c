// Light or dark: as the system has it, until somebody chooses.

const KEY = "ocrfarm-theme";

/** Take the choice of last time. */
export function startTheme() {
  apply(localStorage.getItem(KEY));
}

export function switchTheme() {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  const next = dark ? "light" : "dark";
  localStorage.setItem(KEY, next);
  apply(next);
}

/** @param {string | null} theme */
function apply(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}
