import type { AsyncRowGroup, FileMetaData, SchemaElement, SchemaTree } from "hyparquet";
import { getTreePath, isMapLike } from "hyparquet/src/schema.js";
import { textOf } from "./parquet-cells.ts";
import { readDecimal } from "./read-decimal.ts";

/**
 * The footer as the library is to see it: decimals are integers. It multiplies them by a power of ten, which makes
 * 0.30000000000000004 of 0.3, and rounds the long ones without a word.
 */
export function withRawDecimals(metadata: FileMetaData): FileMetaData {
  return { ...metadata, schema: metadata.schema.map((element) => (isDecimal(element) ? raw(element) : element)) };
}

function raw({ converted_type: _converted, logical_type: _logical, ...element }: SchemaElement): SchemaElement {
  return element;
}

function isDecimal({ converted_type: converted, logical_type: logical }: SchemaElement): boolean {
  return converted === "DECIMAL" || logical?.type === "DECIMAL";
}

/**
 * The column chunks of a row group that was read with raw decimals and without `utf8`, before they are put together:
 * decimals and text as `readDecimal` and `textOf` give them. Rejects for a cell that is not there, which would pass for
 * null, and for a key of a map that would be lost.
 */
export function plainLeaves(group: AsyncRowGroup, schema: SchemaTree): AsyncRowGroup {
  const asyncColumns = group.asyncColumns.map((column) => {
    const plain = plainLeaf(getTreePath(schema, column.pathInSchema));
    const data = column.data.then((pages) => {
      if (pages.data.some(lacksCell)) throw new Error("an index points behind the end of its dictionary");
      if (plain === null) return pages;
      return { ...pages, data: pages.data.map((page) => Array.from(page, (cell: unknown) => inLists(cell, plain))) };
    });
    return { ...column, data };
  });
  return { ...group, asyncColumns };
}

/** A cell that is null is null: what is undefined was read from nowhere. */
function lacksCell(cells: unknown): boolean {
  return Array.isArray(cells) && (cells.includes(undefined) || cells.some(lacksCell));
}

type PlainLeaf = (cell: unknown) => unknown;

function plainLeaf(path: readonly SchemaTree[]): PlainLeaf | null {
  const element = path.at(-1)?.element;
  if (element === undefined || path.some((node) => node.element.logical_type?.type === "VARIANT")) return null;
  if (isDecimal(element)) {
    const { scale, logical_type: logical } = element;
    const digits = scale ?? (logical?.type === "DECIMAL" ? logical.scale : 0);
    return (cell) => readDecimal(cell as number | bigint | Uint8Array, digits);
  }
  const text: PlainLeaf | null = staysBytes(element) ? (cell) => textOf(cell as Uint8Array) : null;
  return path.some((node, i) => isMapLike(node) && path[i + 2]?.element.name === "key") ? keyLeaf(text) : text;
}

/** Bytes that nothing says to be text, and texts of an enumeration. */
function staysBytes({ type, converted_type: converted, logical_type: logical }: SchemaElement): boolean {
  if (type !== "BYTE_ARRAY" || converted === "UTF8" || converted === "JSON") return false;
  return logical === undefined || !/STRING|GEOMETRY|GEOGRAPHY/.test(logical.type);
}

/** The library makes the keys of a map properties of an object. */
function keyLeaf(plain: PlainLeaf | null): PlainLeaf {
  return (cell) => {
    const key = plain === null ? cell : plain(cell);
    if (key === "__proto__") throw new Error("a map with a key __proto__");
    if (typeof key === "symbol") throw new Error("a map with a key that is no UTF-8");
    return key;
  };
}

function inLists(cell: unknown, plain: PlainLeaf): unknown {
  if (cell === undefined || cell === null) return cell;
  return Array.isArray(cell) ? cell.map((member: unknown) => inLists(member, plain)) : plain(cell);
}
