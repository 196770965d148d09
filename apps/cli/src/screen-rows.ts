import stringWidth from "string-width";

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
  for (const { segment } of characters.segment(line)) {
    const width = stringWidth(segment);
    if (column + width > columns && column > 0) {
      rows += 1;
      column = 0;
    }
    column += width;
  }
  return rows;
}

const characters = new Intl.Segmenter();
