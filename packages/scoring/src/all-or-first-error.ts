/**
 * Waits for all even when one rejects, so that nobody is still talking to an engine when it ends; `onError` is called at
 * the first rejection, to stop the others. Rejects with the first error.
 */
export async function allOrFirstError<T>(
  results: readonly (T | Promise<T>)[],
  onError: (error: unknown) => void,
): Promise<T[]> {
  let failed: { error: unknown } | null = null;
  const settled = await Promise.all(
    results.map((result) =>
      Promise.resolve(result).catch((error: unknown) => {
        failed ??= { error };
        onError(error);
        return null;
      }),
    ),
  );
  if (failed !== null) throw (failed as { error: unknown }).error;
  return settled as T[];
}
