/** More digits than any writer allows behind the point. */
const maxScale = 1_000;

/**
 * A cell of a Parquet DECIMAL from its unscaled integer (or its bytes, big-endian two's complement) and scale: a number
 * where one of 64 bits is written with the very same digits, integers within 2^53; else text with all `scale` digits.
 */
export function readDecimal(cell: number | bigint | Uint8Array, scale: number): number | string {
  if (!(scale >= 0 && scale <= maxScale)) throw new Error("the scale of a decimal cannot be right");
  const unscaled = typeof cell === "object" ? integerOf(cell) : BigInt(cell);
  if (unscaled === 0n) return 0;
  const written = `${unscaled}e${-scale}`;
  const number = Number(written);
  const isSafe = Number.isSafeInteger(number) || !Number.isInteger(number);
  return isSafe && digitsOf(String(number)) === digitsOf(written) ? number : pointed(unscaled, scale);
}

function integerOf(bytes: Uint8Array): bigint {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x0${hex}`));
}

/** The significant digits and their exponent: what is equal of two ways to write one number. */
function digitsOf(written: string): string {
  const [mantissa = "", exponent = "0"] = written.split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const digits = `${whole}${fraction}`.replace(/^(-?)0+/, "$1");
  const significant = digits.replace(/0+$/, "");
  return `${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`;
}

function pointed(unscaled: bigint, scale: number): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0");
  const at = digits.length - scale;
  const text = scale === 0 ? digits : `${digits.slice(0, at)}.${digits.slice(at)}`;
  return unscaled < 0n ? `-${text}` : text;
}
