import { AssayError } from "@assay/core";
import type { Command, Option } from "commander";

/**
 * Slips that commander takes for wishes: a flag given twice, of which it would keep the last; a flag whose value was
 * forgotten, for which it would take the next flag; and an empty value, as of an unset variable of a script. From now on
 * each is E_USAGE in this command and those below it.
 */
export function refuseSlips(command: Command): void {
  for (const below of command.commands) refuseSlips(below);
  for (const option of command.options) {
    if (!option.required) continue;
    let given = 0;
    // commander says so after it has read the value
    command.on(`option:${option.name()}`, (value: string) => {
      given += 1;
      refuse(option, value, given, command);
    });
  }
}

function refuse({ long, flags, defaultValue }: Option, value: string, given: number, command: Command): void {
  // lists begin as empty ones
  const isList = Array.isArray(defaultValue);
  // an empty --redis says that REDIS_URL is not meant
  const isEmpty = long !== "--redis" && (isList ? /^[\s,]*$/ : /^\s*$/).test(value);
  const isFlag = command.options.some((other) => other.long === value.split("=")[0]);
  if (isEmpty || isFlag || ["--", "--help", "-h"].includes(value)) {
    const got = isEmpty ? "nothing" : `${value} in its place`;
    throw new AssayError("E_USAGE", `${long} has no value`, { expected: flags, got });
  }
  if (given > 1 && !isList) {
    throw new AssayError("E_USAGE", `${long} is given more than once`, {
      expected: `${flags}, once`,
      got: `${value} as the second one`,
    });
  }
}
