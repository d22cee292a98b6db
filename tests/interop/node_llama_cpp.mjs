// What a current llama.cpp makes of a GGUF file. Used by node_llama_cpp.sh.
//   node node_llama_cpp.mjs MODULES load MODEL.gguf                  loads it and evaluates one token
//   node node_llama_cpp.mjs MODULES generate MODEL.gguf OURS.json    the greedy tokens of minillm-generate --json
//   node node_llama_cpp.mjs MODULES tokenize MODEL.gguf IDS.json     [{text, ids}, ...]
import {readFileSync} from "fs";
import {createRequire} from "module";
import {pathToFileURL} from "url";

const [modules, command, gguf, expected] = process.argv.slice(2);
const entry = createRequire(modules + "/").resolve("node-llama-cpp");
const {getLlama} = await import(pathToFileURL(entry));
const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
const model = await llama.loadModel({modelPath: gguf});
const rows = expected === undefined ? [] : JSON.parse(readFileSync(expected, "utf8"));

// Keys and values in float, as ours are: in half floats, two close candidates can change places.
async function complete(prompt, maxTokens) {
  const tokens = [...model.tokenize(prompt)], generated = [];
  if (model.tokens.shouldPrependBosToken) tokens.unshift(model.tokens.bos);
  const context = await model.createContext({contextSize: 256, batchSize: 256, threads: 1, flashAttention: false,
                                             experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32"});
  for await (const token of context.getSequence().evaluate(tokens, {temperature: 0})) {
    generated.push(token);
    if (generated.length === maxTokens) break;
  }
  await context.dispose();
  return generated;
}

let same = 0, count = 0;
const compare = (name, ours, theirs) => {
  ++count;
  if (JSON.stringify(ours) === JSON.stringify(theirs)) ++same;
  else console.log(JSON.stringify({name, ours, theirs}));
};
if (command === "load") {
  await complete("The", 1);
  console.log(`${gguf}: loads`);
} else if (command === "generate") {
  for (const {prompt, token_ids} of rows.generations)
    compare(prompt, token_ids, await complete(prompt, token_ids.length));
  console.log(`${same} of ${count} prompts: the same tokens`);
} else {
  for (const {text, ids} of rows) compare(text, ids, [...model.tokenize(text)]);
  console.log(`${same} of ${count} strings: the same ids`);
}
process.exit(same === count ? 0 : 1);
