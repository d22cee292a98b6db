// A crowd of random clients, of which many leave early or talk nonsense: the server answers on, and its memory stays
// flat: soak.mjs <url> <pid> <seconds>
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import net from "node:net";

const [url, pid, seconds] = process.argv.slice(2);
const port = Number(new URL(url).port);
let state = 12345;
const random = (below) => {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};
const memory = () => Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/VmRSS:\s+(\d+)/)[1]);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const post = (path, body, signal) => fetch(url + path, { method: "POST", body: JSON.stringify(body), signal });
const done = {};

// Bytes to a socket, which is then left in one way or another.
const raw = (bytes) => new Promise((resolve) => {
  const socket = net.connect(port, "127.0.0.1", () => socket.write(bytes));
  socket.on("error", () => {});
  socket.on("close", resolve);
  socket.resume();
  setTimeout(() => (random(2) ? socket.destroy() : socket.resetAndDestroy()), random(60));
});

const kinds = {
  async chat() {
    const body = { model: ["sft", "dpo"][random(2)], max_tokens: 1 + random(40), seed: random(100),
      messages: [{ role: "user", content: "Who is ".repeat(1 + random(5)) }] };
    assert.equal((await post("/v1/chat/completions", body)).status, 200);
  },
  async stream() {
    const body = { model: "pretrain", prompt: "The", max_tokens: 1 + random(60), stream: true, logprobs: random(4), n: 1 + random(2) };
    const text = await (await post("/v1/completions", body)).text();
    assert.ok(text.endsWith("data: [DONE]\n\n"));
  },
  async leave() {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), random(80));
    const body = { model: "pretrain", prompt: "The", max_tokens: 100000, n: 1 + random(3), stream: random(2) === 0 };
    try {
      await (await post("/v1/completions", body, abort.signal)).text();
    } catch (error) {
      assert.equal(error.name, "AbortError");
    }
  },
  async wrong() {
    const body = [{}, [], { messages: 3 }, { messages: [{ role: "user", content: "x".repeat(100000) }] }][random(4)];
    assert.equal((await post("/v1/chat/completions", body)).status, 400);
  },
  async half() {
    await raw("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{".slice(0, random(90)));
  },
  async noise() {
    await raw(Buffer.from(Array.from({ length: random(3000) }, () => random(256))));
  },
};

const names = Object.keys(kinds);
const until = Date.now() + 1000 * Number(seconds);
let settled = 0; // memory once the first requests have warmed everything up
const client = async () => {
  while (Date.now() < until) {
    const name = names[random(names.length)];
    await kinds[name]();
    done[name] = (done[name] ?? 0) + 1;
    if (!settled && Date.now() > until - 700 * Number(seconds)) settled = memory();
  }
};
await Promise.all(Array.from({ length: 12 }, client));
for (let i = 0; i < 100; ++i) {
  const text = await (await fetch(`${url}/metrics`)).text();
  if (/^minillm_requests_processing 0$/m.test(text) && /^minillm_requests_deferred 0$/m.test(text)) break;
  assert.ok(i < 99, "requests are left over");
  await pause(50);
}
const grown = memory() - settled;
console.log(`soak: ${JSON.stringify(done)}, memory ${settled} kB, then ${grown} kB more`);
assert.ok(names.every((name) => done[name] > 0));
assert.ok(grown < 16384, `memory grew by ${grown} kB`);
