import stringWidth from "string-width";

/** Cells as lines with columns that line up, wide characters too; the last column runs free. Two spaces between columns. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, stringWidth(cell));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell + " ".repeat((widths[i] ?? 0) - stringWidth(cell))))
      .join("  ")
      .trimEnd(),
  );
}

/** The same for programs: tabs between cells. Cells hold no tab and no newline (`printable`). */
export function tabbed(rows: readonly (readonly string[])[]): string[] {
  return rows.map((row) => row.join("\t"));
}
