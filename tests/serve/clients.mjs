// OpenAI's and Vercel's libraries against a running server: clients.mjs <url> [key]
import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";
import OpenAI from "openai";

const [url, key] = process.argv.slice(2);
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key ?? "none", maxRetries: 0 });
const messages = [{ role: "user", content: "Who is Ada Miller?" }];
const question = { model: "sft", messages, seed: 7, temperature: 1, max_tokens: 40 };

const metric = async (name) => {
  const text = await (await fetch(`${url}/metrics`,
    { headers: { Authorization: `Bearer ${key}` } })).text();
  return Number(text.match(new RegExp(`^minillm_${name} (.*)$`, "m"))[1]);
};
const soon = async (condition) => {
  for (let i = 0; i < 100; ++i) {
    if (await condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
};
let passed = 0;
const test = async (name, body) => {
  try {
    await body();
    ++passed;
  } catch (error) {
    console.error(`FAILED: ${name}`);
    throw error;
  }
};

if (key) {
  await test("a wrong key is refused", async () => {
    const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: "wrong", maxRetries: 0 });
    await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
    assert.equal((await fetch(`${url}/health`)).status, 200);
  });
}

// ---- openai ----

await test("models", async () => {
  const ids = (await openai.models.list()).data.map((model) => model.id);
  assert.deepEqual(ids, ["pretrain", "sft", "dpo"]);
  assert.equal((await openai.models.retrieve("dpo")).id, "dpo");
  await assert.rejects(openai.models.retrieve("gpt"),
    (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found");
});

const whole = await openai.chat.completions.create(question);
await test("an answer", () => {
  assert.equal(whole.choices[0].message.role, "assistant");
  assert.ok(whole.choices[0].message.content.length > 0);
  assert.ok(["stop", "length"].includes(whole.choices[0].finish_reason));
  assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);
});

await test("a stream says the same", async () => {
  const stream = await openai.chat.completions.create(
    { ...question, stream: true, stream_options: { include_usage: true } });
  let text = "", usage = null;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
});

await test("the stream's accumulator is content", async () => {
  const runner = openai.chat.completions.stream({ ...question, n: 2, logprobs: true, top_logprobs: 2 });
  const final = await runner.finalChatCompletion();
  assert.equal(final.choices.length, 2);
  assert.equal(final.choices[0].message.content, whole.choices[0].message.content);
  const said = final.choices[0].logprobs.content;
  assert.ok(said.every((entry) => entry.top_logprobs.length === 2 && entry.logprob <= 0));
  const bytes = Buffer.from(said.flatMap((entry) => entry.bytes ?? []));
  assert.ok(bytes.toString().trimStart().startsWith(whole.choices[0].message.content.slice(0, 5)));
});

await test("a text is scored", async () => {
  const scored = await openai.completions.create(
    { model: "pretrain", prompt: "The street of", echo: true, logprobs: 1, max_tokens: 0 });
  const { tokens, token_logprobs } = scored.choices[0].logprobs;
  assert.equal(scored.choices[0].text, "The street of");
  assert.equal(tokens.length, token_logprobs.length);
  assert.equal(token_logprobs[0], null);
  assert.ok(token_logprobs.slice(1).every((p) => p < 0));
});

await test("an answer in the form of a schema", async () => {
  const schema = { type: "object", properties: { name: { type: "string", maxLength: 9 }, known: { type: "boolean" } },
    required: ["name", "known"], additionalProperties: false };
  const answer = await openai.chat.completions.create({ ...question, max_tokens: 100,
    response_format: { type: "json_schema", json_schema: { name: "person", strict: true, schema } } });
  const person = JSON.parse(answer.choices[0].message.content);
  assert.deepEqual(Object.keys(person), ["name", "known"]);
});

// So small a model calls nothing by itself: an expression makes it say a call.
await test("a call of a tool, and what it returned", async () => {
  const tools = [{ type: "function", function: { name: "add", description: "a sum",
    parameters: { type: "object", properties: { a: { type: "integer" }, b: { type: "integer" } } } } }];
  const call = String.raw`<tool_call>\n\{"name": "add", "arguments": \{"a": [1-9]{2}, "b": 2\}\}\n</tool_call>`;
  const asked = { ...question, max_tokens: 200, tools, minillm: { regex: call } };
  const answer = await openai.chat.completions.create(asked);
  const streamed = await openai.chat.completions.stream(asked).finalChatCompletion();
  for (const { choices: [choice] } of [answer, streamed]) {
    assert.equal(choice.finish_reason, "tool_calls");
    assert.equal(choice.message.tool_calls[0].function.name, "add");
    assert.equal(JSON.parse(choice.message.tool_calls[0].function.arguments).b, 2);
  }
  const { message } = answer.choices[0];
  const next = await openai.chat.completions.create({ ...question, tools, messages: [...messages, message,
    { role: "tool", tool_call_id: message.tool_calls[0].id, content: "14" }] });
  assert.ok(next.usage.prompt_tokens > answer.usage.prompt_tokens);
});

await test("errors", async () => {
  const refuses = (body, check) => assert.rejects(openai.chat.completions.create({ ...question, ...body }), check);
  await refuses({ temperature: 3 },
    (error) => error instanceof OpenAI.BadRequestError && error.param === "temperature");
  await refuses({ model: "gpt-4" }, OpenAI.NotFoundError);
  await refuses({ messages: [{ role: "user", content: "long ".repeat(5000) }] },
    (error) => error.code === "context_length_exceeded");
  await assert.rejects(openai.embeddings.create({ model: "sft", input: "a" }), OpenAI.NotFoundError);
});

// Answers that go on until the context is full, unless they are cancelled.
const endless = { model: "pretrain", prompt: "The", max_tokens: 100000, stream: true };
await test("an aborted stream ends on the server, too", async () => {
  let before = await metric("requests_cancelled_total");
  const stream = await openai.completions.create({ ...endless, n: 8 });
  for await (const chunk of stream) if (chunk.choices[0].text) break;
  assert.ok(await soon(async () => await metric("requests_processing") === 0));
  assert.ok(await metric("requests_cancelled_total") > before);

  before = await metric("requests_cancelled_total");
  const abort = new AbortController();
  const plain = openai.completions.create({ ...endless, n: 8, stream: false }, { signal: abort.signal });
  await soon(async () => await metric("requests_processing") > 0);
  abort.abort();
  await assert.rejects(plain, OpenAI.APIUserAbortError);
  assert.ok(await soon(async () => await metric("requests_processing") === 0));
});

await test("an answer does not depend on who else asks", async () => {
  const crowd = Array.from({ length: 24 }, (_, i) => openai.chat.completions.create(
    { ...question, seed: i % 2 ? 7 : i, model: i % 3 && i % 2 === 0 ? "dpo" : "sft" }));
  const answers = await Promise.all(crowd);
  answers.forEach((answer, i) => {
    if (i % 2) assert.deepEqual(answer.choices, whole.choices);
  });
});

// ---- Vercel's ----

const provider = createOpenAICompatible({ name: "minillm", baseURL: `${url}/v1`, apiKey: key, includeUsage: true });
const settings = { model: provider("sft"), prompt: messages[0].content, seed: 7, temperature: 1, maxOutputTokens: 40,
  maxRetries: 0 };

await test("generateText", async () => {
  const { text, usage } = await generateText(settings);
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(usage.outputTokens, whole.usage.completion_tokens);
});

await test("streamText", async () => {
  const result = streamText(settings);
  let text = "";
  for await (const piece of result.textStream) text += piece;
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(await result.finishReason, whole.choices[0].finish_reason);
  assert.equal((await result.usage).outputTokens, whole.usage.completion_tokens);
});

await test("an error of the API", async () => {
  await assert.rejects(generateText({ ...settings, model: provider("gpt") }), /not served/);
});

console.log(`${passed} passed, 0 failed`);
