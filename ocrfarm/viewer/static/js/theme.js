// Light or dark: as the system has it, until the user chooses.

const KEY = "ocrfarm-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

/** Take the choice of last time. */
export function startTheme() {
  apply(remembered());
}

export function switchTheme() {
  const now = document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  apply(next);
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // A browser that remembers nothing asks again next time.
  }
}

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** @param {string | null} theme */
function apply(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}
