// Lines -> files: what was selected or found, as text, CSV or JSON.

import { pageOf, SECOND_PASS_OUTCOMES } from "./lines.js";

const COLUMNS = ["document", "line", "text", "confidence", "x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3", "model"];
const BOM = "\ufeff"; // by which spreadsheets know UTF-8

/** @typedef {import("./state.js").State} State */

/** @type {Record<string, {type: string, write: (state: State, lines: number[]) => string}>} */
export const EXPORTS = {
  txt: { type: "text/plain", write: asText },
  csv: {
    type: "text/csv",
    write: (state, some) => BOM + [COLUMNS, ...some.map((line) => cells(state, line))].map(csvRow).join(""),
  },
  json: {
    type: "application/json",
    write: (state, some) =>
      `${JSON.stringify(
        some.map((line) => record(state, line)),
        null,
        1,
      )}\n`,
  },
};

/**
 * @param {State} state
 * @param {number[]} some
 */
export function asText(state, some) {
  return some.map((line) => `${state.lines?.text(line) ?? ""}\n`).join("");
}

/**
 * Hand a file to the browser's downloads.
 * @param {State} state
 * @param {string} format
 */
export function download(state, format) {
  const form = EXPORTS[format];
  if (!form) throw new Error(`there is no format ${format}`);
  const url = URL.createObjectURL(new Blob([form.write(state, state.chosen())], { type: form.type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `${state.about.title.replace(/\.[a-z0-9]+$/i, "")}.lines.${format}`;
  link.click();
  URL.revokeObjectURL(url);
}

/**
 * @param {State} state
 * @param {number} line
 */
function record({ lines, about }, line) {
  const page = about.pages[pageOf(about, line)];
  const corners = [...(lines?.corners(line) ?? [])].map((value) => Math.round(value * 10) / 10);
  return {
    document: page?.name ?? "",
    line: line - (page?.first ?? 0) + 1,
    text: lines?.text(line) ?? "",
    confidence: lines?.confidence(line) ?? 0,
    quad: [0, 2, 4, 6].map((at) => corners.slice(at, at + 2)),
    model: about.models[lines?.model[line] ?? 0] ?? "",
    second_pass: SECOND_PASS_OUTCOMES[lines?.secondPass[line] ?? 0] ?? "",
  };
}

/**
 * @param {State} state
 * @param {number} line
 */
function cells(state, line) {
  const { document: name, line: number, text, confidence, quad, model } = record(state, line);
  return [name, number, text, confidence, ...quad.flat(), model];
}

/** @param {(string | number)[]} values */
function csvRow(values) {
  return `${values.map((value) => (/[",\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : value)).join()}\r\n`;
}
