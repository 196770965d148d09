/**
 * Rows of a terminal of so many columns that lines take, each written to its end and begun anew: an empty one takes a
 * row, and one that fills a row exactly takes no other. Lines hold no tab and nothing that moves the cursor.
 */
export function screenRows(lines: readonly string[], columns: number): number {
  return lines.reduce((sum, line) => sum + rowsOfLine(line, columns), 0);
}

/** A wide character that does not fit at the end of a row goes to the next one whole. */
function rowsOfLine(line: string, columns: number): number {
  let rows = 1;
  let column = 0;
  for (const character of line) {
    const width = cells(character);
    if (column + width > columns && column > 0) {
      rows += 1;
      column = 0;
    }
    column += width;
  }
  return rows;
}

/** Marks, and the vowels and finals of decomposed Hangul, stand on what is before them. */
const standsOn = /[\p{Mn}\p{Me}\u1160-\u11ff]/u;

/** East_Asian_Width W and F, of which the ranges without gaps that matter, and what is shown as a picture. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{17000}-\u{18cff}\u{1b000}-\u{1b2ff}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}\p{Emoji_Presentation}]/u;

function cells(character: string): number {
  if (/^[ -~]$/.test(character)) return 1;
  return standsOn.test(character) ? 0 : wide.test(character) ? 2 : 1;
}
