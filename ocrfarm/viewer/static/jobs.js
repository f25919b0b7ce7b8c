// The jobs page: asks what the farm does, again and again, and shows it.

import { byId, counted, element } from "./js/dom.js";
import { startTheme, switchTheme } from "./js/theme.js";

const PAUSE = 1000; // milliseconds between two requests

/**
 * @typedef {object} Job
 * @property {string} id
 * @property {string} name
 * @property {string} state
 * @property {boolean} ended
 * @property {number} tiles
 * @property {number} blank
 * @property {number} done
 * @property {number} failed
 * @property {number} submitted
 * @property {number} started
 * @property {number} finished
 * @property {string} error
 * @property {string} error_kind
 * @property {string} waiting
 * @property {string} model
 * @property {string} flower
 *
 * @typedef {{now: number, formats: string[], jobs: Job[]}} Answer
 */

/** @type {Map<string, HTMLTableRowElement>} */
const rows = new Map();
const filter = /** @type {HTMLInputElement} */ (byId("filter"));
/** @type {Answer | null} */
let last = null;

startTheme();
byId("theme").addEventListener("click", switchTheme);
filter.addEventListener("input", () => last && show(last));
poll();

async function poll() {
  try {
    const answer = await fetch("jobs.json");
    if (!answer.ok) throw new Error(await answer.text());
    last = /** @type {Answer} */ (await answer.json());
    show(last);
    byId("away").hidden = true;
  } catch {
    byId("away").hidden = false;
  }
  setTimeout(poll, PAUSE);
}

/** @param {Answer} answer */
function show({ now, formats, jobs }) {
  const words = filter.value.trim().toLowerCase();
  const shown = jobs.filter((job) => [job.name, job.state, job.id].some((text) => text.toLowerCase().includes(words)));
  const wanted = shown.map((job) => update(rows.get(job.id) ?? made(job, formats), job, now));
  const table = byId("jobs");
  // Rows that stay are not touched, so that an open menu stays open.
  if (wanted.length !== table.children.length || wanted.some((row, at) => row !== table.children[at]))
    table.replaceChildren(...wanted);
  byId("none").hidden = jobs.length > 0;
  byId("summary").textContent = summary(jobs);
  const flower = jobs.find((job) => job.flower)?.flower;
  byId("flower").hidden = !flower;
  if (flower) byId("flower").setAttribute("href", new URL("/", flower).href);
}

/** @param {Job[]} jobs */
function summary(jobs) {
  const open = jobs.filter((job) => !job.ended).length;
  const bad = jobs.filter((job) => job.state === "failed" || job.state === "partial").length;
  const parts = [counted(jobs.length, "job"), open && `${open} running`, bad && `${bad} incomplete`];
  return jobs.length ? parts.filter(Boolean).join(", ") : "";
}

/**
 * Make the row of a job, without what changes.
 * @param {Job} job
 * @param {string[]} formats
 */
function made(job, formats) {
  const row = document.createElement("tr");
  const [name, id, note] = [element("div", "name", job.name), element("div", "id", job.id), element("div", "note")];
  const [state, bar, tiles] = [element("span", "state"), document.createElement("progress"), element("div", "number")];
  const actions = element("div", "actions");
  actions.append(
    link("view", `jobs/${job.id}/view/`, "View"),
    menu(job, formats),
    ...(job.flower ? [link("messages", job.flower, "In Flower")] : []),
  );
  row.append(
    ...[
      [name, id, note],
      [state],
      [bar, tiles],
      [element("div", "number when")],
      [element("div", "number time")],
      [actions],
    ].map(cell),
  );
  rows.set(job.id, row);
  return row;
}

/**
 * @param {HTMLTableRowElement} row
 * @param {Job} job
 * @param {number} now - seconds since 1970, by the clock of the farm
 */
function update(row, job, now) {
  const settled = job.done + job.blank + job.failed;
  set(row, ".state", job.state);
  part(row, ".state").className = `state ${job.state}`;
  const bar = /** @type {HTMLProgressElement} */ (part(row, "progress"));
  bar.className = job.state;
  bar.max = Math.max(job.tiles, 1);
  bar.value = job.ended && !job.tiles ? 0 : settled;
  const read = job.tiles ? `${settled} of ${job.tiles} tiles` : "";
  set(row, "progress + .number", job.failed ? `${read}, ${job.failed} failed` : read);
  set(row, ".when", new Date(job.submitted * 1000).toLocaleString());
  set(row, ".time", time(job, now, settled));
  set(row, ".note", job.error ? `${job.error_kind}: ${job.error}` : job.waiting);
  part(row, ".note").className = `note ${job.state}`;
  const there = job.state === "complete" || job.state === "partial";
  part(row, ".view").hidden = !there;
  part(row, "select").hidden = !there;
  return row;
}

/**
 * Tell how long the job took, or takes, and how long it may still take.
 * @param {Job} job
 * @param {number} now
 * @param {number} settled
 */
function time(job, now, settled) {
  if (!job.started) return "";
  const seconds = (job.finished || now) - job.started;
  const left = !job.ended && settled ? (seconds * (job.tiles - settled)) / settled : 0;
  return left > 1 ? `${formatDuration(seconds)}, about ${formatDuration(left)} left` : formatDuration(seconds);
}

/** @param {number} seconds */
function formatDuration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.floor(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * @param {Job} job
 * @param {string[]} formats
 */
function menu(job, formats) {
  const select = document.createElement("select");
  select.setAttribute("aria-label", "Download");
  select.append(new Option("Download", ""), ...formats.map((name) => new Option(name)));
  select.addEventListener("change", () => {
    if (select.value) location.assign(`jobs/${job.id}/files/${select.value}`); // is saved, and the page stays
    select.value = "";
  });
  return select;
}

/**
 * @param {string} kind
 * @param {string} href
 * @param {string} text
 */
function link(kind, href, text) {
  const made = /** @type {HTMLAnchorElement} */ (element("a", kind, text));
  Object.assign(made, { href, target: "_blank", rel: "noopener" });
  return made;
}

/** @param {HTMLElement[]} content */
function cell(content) {
  const made = document.createElement("td");
  made.append(...content);
  return made;
}

/**
 * @param {HTMLElement} row
 * @param {string} selector
 * @returns {HTMLElement}
 */
function part(row, selector) {
  const found = row.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`a row has no ${selector}`);
  return found;
}

/**
 * Change a text where it is another: what stays can be selected.
 * @param {HTMLElement} row
 * @param {string} selector
 * @param {string} text
 */
function set(row, selector, text) {
  const found = part(row, selector);
  if (found.textContent !== text) found.textContent = text;
}
