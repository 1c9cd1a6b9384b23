// Files that a page offers for download.

/** Name of a file; characters of its stem that file systems do not allow become `_`.
 * @param {string} stem @returns {string} */
export const fileName = (stem) => stem.replace(/[^\p{L}\p{N}_-]+/gu, "_") + ".jsonl";

/** Offer rows as a file of JSON lines.
 * @param {string} stem see `fileName`
 * @param {any[]} rows */
export function downloadRows(stem, rows) {
  const content = rows.map((row) => JSON.stringify(row) + "\n").join("");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "application/jsonl" }));
  link.download = fileName(stem);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
