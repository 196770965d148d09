import { describe, expect, test } from "@jest/globals";
import { failureFromHttp } from "../src/failure-from-http.ts";

const saying = (message: string, param: string | null = null) => ({ error: { message, param } });

describe("what an HTTP status means", () => {
  test.each<[number, unknown, string]>([
    [400, saying("principle must come last"), "rejected"],
    [422, saying("no such field"), "rejected"],
    [400, saying("This model's maximum context length is 4096 tokens."), "too_long"],
    [400, saying("max_tokens=16000 cannot be greater than max_model_len=4096."), "too_long"],
    [400, saying("x", "input_tokens"), "too_long"],
    [400, saying("x", "max_tokens"), "too_long"],
    [404, saying("The model `x` does not exist."), "wrong_model"],
    [401, saying("Unauthorized"), "denied"],
    [403, null, "denied"],
    [429, null, "busy"],
    [503, "<html>", "busy"],
    [500, saying("EngineCore encountered an issue."), "lost"],
    [502, "<html>", "lost"],
    [504, null, "lost"],
    [524, "<html>", "lost"],
    [500, saying("boom"), "server_error"],
    [418, null, "rejected"],
  ])("%i %j is %s", (status, body, kind) => {
    expect(failureFromHttp(status, body, null, 0)).toMatchObject({ kind, status });
  });

  test("the engine's words: in either shape, cut, and never ending in half a character", () => {
    expect(failureFromHttp(400, { error: "plain" }, null, 0).message).toBe("plain");
    expect(failureFromHttp(502, "<html>", null, 0).message).toBe("HTTP 502");
    const long = failureFromHttp(400, saying(`${"x".repeat(299)}\u{1f600}${"y".repeat(500)}`), null, 0).message;
    expect(long).toHaveLength(300);
    expect(long.isWellFormed()).toBe(true);
  });

  test.each([
    ["7", 7_000],
    ["0", 0],
    ["0.5", 500],
    ["-1", null],
    ["Wed, 21 Oct 2026 07:28:09 GMT", 9_000],
    ["Wednesday, 21-Oct-26 07:28:09 GMT", 9_000],
    ["Wed, 21 Oct 2026 07:27:00 GMT", 0],
    ["Thu, 22 Oct 2026 07:28:00 GMT", 900_000],
    ["86400", 900_000],
    ["Wed, soon GMT", null],
    ["tomorrow", null],
    ["", null],
    [null, null],
  ])("retry-after %j is %j ms", (header, ms) => {
    expect(failureFromHttp(429, null, header, Date.UTC(2026, 9, 21, 7, 28, 0)).retryAfterMs).toBe(ms);
  });
});

test.each([
  ["temperature must be non-negative. (parameter=messages, value=a prompt (with a secret))"],
  ["1 validation error: [{'type': 'string_type', 'loc': ('body',), 'input': {'content': 'a secret'}}]"],
])("what an engine repeats of the request is left out of its message: %s", (message) => {
  const failure = failureFromHttp(400, { error: { message } }, null, 0);
  expect(failure.message).toMatch(/^(temperature must|1 validation error)/);
  expect(failure.message).not.toContain("secret");
});
