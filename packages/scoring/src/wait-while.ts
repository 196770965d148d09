/**
 * Resolves when `holds()` does not, asked again whenever the function that it puts into `wakers` is called, or when the
 * signal aborts.
 */
export async function waitWhile(holds: () => boolean, wakers: Set<() => void>, signal: AbortSignal): Promise<void> {
  while (holds() && !signal.aborted) {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        wakers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      wakers.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}
