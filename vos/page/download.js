// Files that a page gives back.

/** Offer rows as a file of JSON lines.
 * @param {string} stem name without its ending; signs that file systems dislike become `_`
 * @param {any[]} rows */
export function downloadRows(stem, rows) {
  const content = rows.map((row) => JSON.stringify(row) + "\n").join("");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "application/jsonl" }));
  link.download = stem.replace(/[^\p{L}\p{N}_-]+/gu, "_") + ".jsonl";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
