import { createServer, Socket } from "node:net";

export interface TcpProxy {
  readonly port: number;
  /** "open" passes everything, "cut" ends and refuses connections, "silent" takes bytes and passes none */
  setMode(mode: "open" | "cut" | "silent"): void;
  /** Each piece arrives so much later, in each direction; 0 = at once. */
  setDelay(ms: number): void;
  /** bytes a second in each direction of a connection; Infinity = unhindered */
  setRate(bytesPerSecond: number): void;
  /** Ends every connection that stands; new ones are taken. */
  cutAll(): void;
  close(): Promise<void>;
}

/** A wire between one process and one server that can be cut, delayed and narrowed. */
export async function startTcpProxy(target: { readonly port: number }): Promise<TcpProxy> {
  let mode: "open" | "cut" | "silent" = "open";
  let delayMs = 0;
  let rate = Number.POSITIVE_INFINITY;
  const pairs = new Set<Socket>();

  const server = createServer((near) => {
    if (mode === "cut") return void near.destroy();
    const far = new Socket();
    far.connect(target.port, "127.0.0.1");
    for (const socket of [near, far]) {
      pairs.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => {
        pairs.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    pass(near, far);
    pass(far, near);
  });

  /** In order: a piece waits until the one before it has gone. */
  function pass(from: Socket, to: Socket): void {
    let before: Promise<void> = Promise.resolve();
    from.on("data", (bytes) => {
      const due = Date.now() + delayMs;
      before = before.then(async () => {
        while (mode === "silent" && !from.destroyed) await sleep(50);
        // from its own arrival: a long way is no narrow one
        if (due > Date.now()) await sleep(due - Date.now());
        if (Number.isFinite(rate)) {
          from.pause();
          await sleep((1_000 * bytes.length) / rate);
          from.resume();
        }
        if (!to.destroyed) to.write(bytes);
      });
    });
    from.on("end", () => void before.then(() => to.end()));
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  const cutAll = (): void => {
    for (const socket of pairs) socket.destroy();
  };
  return {
    port: address.port,
    setMode(next) {
      mode = next;
      if (mode === "cut") cutAll();
    },
    setDelay(ms) {
      delayMs = ms;
    },
    setRate(bytesPerSecond) {
      rate = bytesPerSecond;
    },
    cutAll,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cutAll();
      }),
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
