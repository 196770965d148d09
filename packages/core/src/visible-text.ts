/** Controls, line separators, zero-width and direction characters: what a terminal obeys or a reader does not see. */
const hidden = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/**
 * One line of text in which nothing is hidden and nothing moves the cursor: such characters are shown as \u200b. Inside
 * a JSON string, whose own escapes are there already, the result is the same JSON value.
 */
export function visibleText(text: string): string {
  return text.replace(hidden, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
