// Light or dark: as the system has it, until somebody chooses.

const KEY = "ocrfarm-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

/** Take the choice of last time. */
export function startTheme() {
  apply(localStorage.getItem(KEY));
}

export function switchTheme() {
  const now = document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  localStorage.setItem(KEY, next);
  apply(next);
}

/** @param {string | null} theme */
function apply(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}
