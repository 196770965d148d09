# test/conformance/servers.sh, read in by scripts (`. test/conformance/servers.sh`) that start real vLLM servers. Wants
# $folder (set-up.sh) and $scratch (a folder for logs) before the first start, and stop_servers before the script ends.

servers=

say() { echo "conformance: $*" >&2; }

# Each server leads a process group of its own: its engine and worker go with it.
stop_servers() {
  for server in $servers; do kill -s TERM -- "-$server" 2>/dev/null || true; done
  for server in $servers; do
    tries=0
    while kill -s 0 -- "-$server" 2>/dev/null && [ "$tries" -lt 20 ]; do
      sleep 0.5
      tries=$((tries + 1))
    done
    kill -s KILL -- "-$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  done
  servers=
}

free_port() {
  node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}

# start NAME PORT FLAGS...: sets $started to the server's process id; its log is $scratch/NAME.log. No compiled graphs
# (--enforce-eager): nothing here hangs on them, and they cost a minute and a C compiler.
start() {
  name=$1 port=$2
  shift 2
  HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 VLLM_CPU_KVCACHE_SPACE=1 VLLM_CACHE_ROOT=$scratch/cache \
    "$folder/bin/python" -c 'import os, sys; os.setsid(); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])' \
    -m vllm.entrypoints.openai.api_server --host 127.0.0.1 --port "$port" --enforce-eager "$@" \
    >"$scratch/$name.log" 2>&1 &
  started=$!
  servers="$servers $started"
  say "starting $name on 127.0.0.1:$port: vLLM $*"
}

# healthy PORT PID: waits until the server says that it is; 1 when it ended or 10 minutes are over.
healthy() {
  node -e '
    const [port, pid] = process.argv.slice(1).map(Number);
    const end = Date.now() + 600_000;
    const knock = async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => null);
      if (answer?.ok) process.exit(0);
      try { process.kill(pid, 0); } catch { process.exit(1); }
      if (Date.now() > end) process.exit(1);
      setTimeout(knock, 500);
    };
    knock();' "$1" "$2"
}
