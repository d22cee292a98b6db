// The chat page: asks every model at once and shows the answers as they come.
//
// Texts of models become text nodes, never markup. One column a model; a column keeps its own
// conversation, so that each model goes on from its own answers.
"use strict";

const $ = (id) => document.getElementById(id);
const columns = [];
const kMostRounds = 4; // of calls of tools, for one question
let tools = []; // the server's own
let asked = null; // the last question, for "Same again"

// ---- the server ----

function headers() {
  const key = sessionStorage.getItem("key");
  const own = { "Content-Type": "application/json" };
  if (key) own.Authorization = `Bearer ${key}`;
  return own;
}

async function problemOf(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `the server answered ${response.status}`;
  }
}

// The events of a stream, parsed. Throws if it breaks off.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("the answer was broken off");
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const event = text.slice(0, end);
      if (!event.startsWith("data: ")) continue; // a ping
      if (event === "data: [DONE]") return;
      const json = JSON.parse(event.slice(6));
      if (json.error) throw new Error(json.error.message);
      yield json;
    }
  }
}

// Asks a model; calls onText(text, scores) with every piece. Returns why the answer ended, how many
// tokens it took, the notes that were looked up for it, the rule of the policy that refused, and the
// calls of tools that it makes. `messages`: of a chat, the question last.
async function ask(model, question, messages, asChat, signal, onText) {
  const body = {
    model, stream: true, stream_options: { include_usage: true }, seed: question.seed,
    temperature: question.temperature, max_tokens: question.tokens,
  };
  if (asChat) {
    body.messages = question.system ? [{ role: "system", content: question.system }] : [];
    body.messages.push(...messages);
    if (question.tools) body.tools = tools;
    if (question.scores) Object.assign(body, { logprobs: true, top_logprobs: 5 });
    if (!question.notes) body.minillm = { notes: false };
  } else {
    body.prompt = question.prompt;
    if (question.scores) body.logprobs = 5;
  }
  const response = await fetch(asChat ? "v1/chat/completions" : "v1/completions",
    { method: "POST", headers: headers(), body: JSON.stringify(body), signal });
  if (!response.ok) throw new Error(await problemOf(response));
  const calls = [];
  let reason = "", usage = null, notes = [], policy = null;
  for await (const event of events(response)) {
    usage = event.usage ?? usage;
    notes = event.minillm?.notes ?? notes;
    policy = event.minillm?.policy ?? policy;
    const choice = event.choices[0];
    if (!choice) continue;
    for (const { index, id, function: part } of choice.delta?.tool_calls ?? []) {
      calls[index] ??= { id, type: "function", function: { name: part.name, arguments: "" } };
      calls[index].function.arguments += part.arguments;
    }
    onText((asChat ? choice.delta.content : choice.text) ?? "", scoresOf(choice.logprobs));
    reason = choice.finish_reason ?? reason;
  }
  return { reason, notes, policy, calls, tokens: usage.completion_tokens };
}

// Has the server run a call of one of its tools; returns what the model is told.
async function runTool(call, signal) {
  const response = await fetch("tools/call",
    { method: "POST", headers: headers(), body: JSON.stringify(call.function), signal });
  if (!response.ok) throw new Error(await problemOf(response));
  return (await response.json()).result;
}

// Both shapes of logprobs as [{token, logprob, top: [[token, logprob], ...]}].
function scoresOf(logprobs) {
  if (!logprobs) return [];
  if (logprobs.content)
    return logprobs.content.map((s) => ({ token: s.token, logprob: s.logprob,
      top: s.top_logprobs.map((t) => [t.token, t.logprob]) }));
  return logprobs.tokens.map((token, i) => ({ token, logprob: logprobs.token_logprobs[i],
    top: Object.entries(logprobs.top_logprobs[i] ?? {}) }));
}

// ---- a column ----

class Column {
  constructor(model) {
    this.model = model;
    this.turns = []; // what the model has been told and has said
    this.before = []; // ... before the last question
    this.shown = []; // the elements of the last answer
    this.answer = null; // the element that the present answer grows in
    this.last = null; // { text, settings } of the last whole answer
    this.asChat = model.meta.chat;
    this.root = $("column").content.firstElementChild.cloneNode(true);
    this.part(".name").textContent = model.id;
    this.part(".learns").textContent = (model.meta.learns ?? "").split(". ")[0];
    this.part(".halt").addEventListener("click", () => this.stop());
    const mode = this.part(".mode");
    mode.hidden = !model.meta.chat_template;
    mode.addEventListener("click", () => { this.asChat = !this.asChat; this.clear(); });
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    this.clear();
    $("columns").append(this.root);
  }
  part(selector) { return this.root.querySelector(selector); }

  clear() {
    this.stop();
    this.turns = this.before = this.shown = [];
    this.last = null;
    this.part(".turns").replaceChildren();
    this.part(".notes")?.remove();
    this.part(".token").hidden = true;
    this.part(".mode").setAttribute("aria-pressed", String(this.asChat));
    this.part(".mode").title = this.asChat ? "asked with its chat template" : "continues the text";
    this.status("ready");
  }
  status(text, kind = "") {
    this.part(".status").textContent = text;
    this.part(".status").className = `status ${kind}`;
  }
  stop() { this.abort?.abort(); }

  say(text, kind) {
    const element = document.createElement("p");
    element.className = `says ${kind}`;
    element.textContent = text;
    this.part(".turns").append(element);
    return element;
  }

  async run(question, again) {
    this.part(".notes")?.remove();
    if (again) this.shown.forEach((element) => element.remove());
    else if (this.asChat) this.say(question.prompt, "user");
    else this.part(".turns").replaceChildren();
    const before = again ? this.last : null;
    this.before = again ? this.before : this.turns;
    const messages = [...this.before, { role: "user", content: question.prompt }];
    this.shown = [];
    this.beginAnswer(question);
    if (!this.asChat) {
      const begun = document.createElement("span");
      begun.className = "begun";
      begun.textContent = question.prompt;
      this.answer.append(begun);
    }
    this.abort = new AbortController();
    this.part(".halt").hidden = false;
    const start = performance.now();
    let said = "", all = "", pieces = 0, taken = 0; // of this answer; of all, calls too
    const rate = (tokens) => `${Math.round(tokens / ((performance.now() - start) / 1000))} tokens/s`;
    this.status("waiting");
    try {
      let end;
      for (let round = 0; ; ++round) {
        end = await ask(this.model.id, question, messages, this.asChat, this.abort.signal,
          (piece, scores) => {
            said += piece;
            if (scores.length > 0) this.addScored(scores[0], piece); // an event has one token
            else this.answer.append(piece);
            if (piece) this.status(rate(++pieces));
          });
        taken += end.tokens;
        all += said + JSON.stringify(end.calls.map((call) => call.function));
        messages.push({ role: "assistant", content: said });
        said = "";
        if (end.calls.length === 0 || round === kMostRounds) break;
        messages.at(-1).tool_calls = end.calls;
        for (const call of end.calls) {
          const result = await runTool(call, this.abort.signal);
          messages.push({ role: "tool", tool_call_id: call.id, content: result });
          this.tellCall(call.function, result);
        }
        this.answer.classList.remove("waiting");
        this.beginAnswer(question);
      }
      this.turns = messages;
      this.tellNotes(end.notes);
      const why = end.policy ? `refused by the rule \u201c${end.policy.rule}\u201d (${end.policy.where})`
        : end.reason === "length" ? "cut at the limit" : "ended by itself";
      this.status(`${taken} tokens, ${rate(taken)}, ${why}`);
      if (before) this.compare(before.text, all, question.seed);
      this.last = { text: all };
    } catch (error) {
      const stopped = error.name === "AbortError";
      this.status(stopped ? "stopped" : error.message, stopped ? "" : "bad");
      if (stopped) this.turns = [...messages, { role: "assistant", content: said }];
    } finally {
      this.answer.classList.remove("waiting");
      this.part(".halt").hidden = true;
      this.abort = null;
    }
  }

  beginAnswer(question) {
    this.answer = this.say("", question.scores ? "model scored waiting" : "model waiting");
    this.shown.push(this.answer);
  }
  tellCall({ name, arguments: given }, result) {
    this.shown.push(this.say(`${name} ${given} \u2192 ${result}`, "call"));
  }
  tellNotes(notes) {
    if (notes.length === 0) return;
    const list = document.createElement("ul");
    list.className = "notes";
    list.append(...notes.map((note) => {
      const item = document.createElement("li");
      item.textContent = `${note.text} [${note.source}]`;
      return item;
    }));
    this.part("footer").before(list);
  }
  compare(before, now, seed) {
    const same = before === now;
    this.status(same ? `\u2713 the same text again with seed ${seed}`
      : `\u2717 another text with the same seed ${seed}`, same ? "good" : "bad");
  }

  // A token, the darker the less it was expected, with the text that it made certain: none if it
  // is a part of a character.
  addScored(score, text) {
    const span = document.createElement("span");
    span.textContent = text;
    span.score = score;
    span.style.backgroundColor = `rgb(var(--surprise) / ${Math.round(60 * (1 - Math.exp(score.logprob)))}%)`;
    span.addEventListener("pointerenter", () => this.show(span));
    span.addEventListener("click", () => this.show(span));
    this.answer.append(span);
    this.answer.tabIndex = 0;
    this.answer.title = "arrow keys go from token to token";
  }
  show(span) {
    this.root.querySelector(".chosen")?.classList.remove("chosen");
    span.classList.add("chosen");
    const rows = [[span.score.token, span.score.logprob],
      ...span.score.top.filter(([token]) => token !== span.score.token)];
    this.part(".token").replaceChildren(...rows.map(([token, logprob], i) => {
      const row = document.createElement("div");
      row.className = i === 0 ? "said" : "";
      const name = document.createElement("span"), share = document.createElement("span");
      name.textContent = JSON.stringify(token);
      share.textContent = `${(100 * Math.exp(logprob)).toFixed(1)} %`;
      row.append(name, share);
      return row;
    }));
    this.part(".token").hidden = false;
  }
  onKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !event.target.classList.contains("scored")) return;
    const spans = [...event.target.children].filter((span) => span.score);
    const at = spans.findIndex((span) => span.classList.contains("chosen"));
    const next = spans[at < 0 ? 0 : Math.min(spans.length - 1, Math.max(0, at + step))];
    if (next) this.show(next);
    event.preventDefault();
  }
}

// ---- the page ----

function problem(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

async function loadModels() {
  problem("");
  const response = await fetch("props", { headers: headers() });
  $("login").hidden = response.status !== 401;
  if (response.status === 401) return $("key").focus();
  if (!response.ok) {
    problem(await problemOf(response));
    if (response.status === 503) setTimeout(start, 1000); // it is still loading
    return;
  }
  const props = await response.json();
  $("notes").checked = props.notes;
  $("notes").parentElement.hidden = !props.notes;
  tools = props.tools;
  $("tools").parentElement.hidden = tools.length === 0;
  for (const model of props.models) columns.push(new Column(model));
}
function start() {
  loadModels().catch((error) => problem(`the server cannot be reached: ${error.message}`));
}

async function runAll(question, again) {
  $("send").disabled = $("again").disabled = true;
  $("stop").disabled = false;
  await Promise.all(columns.map((column) => column.run(question, again)));
  $("send").disabled = false;
  $("stop").disabled = true;
  $("again").disabled = columns.some((column) => !column.last);
}

function submit(event) {
  event?.preventDefault();
  if ($("send").disabled || !$("ask").reportValidity() || !$("prompt").value) return;
  asked = {
    prompt: $("prompt").value, system: $("system").value, seed: $("seed").valueAsNumber,
    temperature: $("temperature").valueAsNumber, tokens: $("tokens").valueAsNumber,
    scores: $("scores").checked, notes: $("notes").checked, tools: $("tools").checked,
  };
  runAll(asked, false);
  $("prompt").select(); // what is typed next takes its place
}

for (const id of ["temperature", "seed", "tokens"]) $(id).required = true;
$("ask").addEventListener("submit", submit);
$("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
});
$("again").addEventListener("click", () => runAll({ ...asked, scores: $("scores").checked }, true));
$("stop").addEventListener("click", () => columns.forEach((column) => column.stop()));
$("clear").addEventListener("click", () => {
  columns.forEach((column) => column.clear());
  $("again").disabled = true;
  $("prompt").focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") columns.forEach((column) => column.stop());
});
$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", $("key").value);
  start();
});

const dark = () => document.documentElement.dataset.theme
  ? document.documentElement.dataset.theme === "dark"
  : matchMedia("(prefers-color-scheme: dark)").matches;
const nameTheme = () => { $("theme").textContent = dark() ? "Light" : "Dark"; };
$("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = dark() ? "light" : "dark";
  nameTheme();
});
nameTheme();
start();
