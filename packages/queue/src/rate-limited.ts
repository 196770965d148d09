/** At most one text in ten seconds: a Redis that was full made BullMQ complain 3,600 times a second. */
export function rateLimited(say: (text: string) => void): (text: string) => void {
  let last = 0;
  let silent = 0;
  return (text) => {
    const now = Date.now();
    if (now - last < 10_000) {
      silent += 1;
      return;
    }
    say(silent === 0 ? text : `${text} (and ${silent} more)`);
    last = now;
    silent = 0;
  };
}
