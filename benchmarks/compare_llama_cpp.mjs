// How fast a current llama.cpp decodes a GGUF file, one text, two threads. Used by compare_llama_cpp.sh.
//   node compare_llama_cpp.mjs MODULES MODEL.gguf [PROMPT] [TOKENS]      prints tokens/s: decoding, reading the prompt
import {createRequire} from "module";
import {pathToFileURL} from "url";

const [modules, gguf, prompt = "512", count = "128"] = process.argv.slice(2);
const entry = createRequire(modules + "/").resolve("node-llama-cpp");
const {getLlama} = await import(pathToFileURL(entry));
const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
const model = await llama.loadModel({modelPath: gguf});
const context = await model.createContext({contextSize: 1024, batchSize: 512, threads: 2});
const sequence = context.getSequence();
const seconds = () => performance.now() / 1e3;
const tokens = Array.from({length: Number(prompt)}, (_, i) => 3 + (i * 7) % 500);

await sequence.evaluateWithoutGeneratingNewTokens(tokens);  // warms up
await sequence.clearHistory();
let begin = seconds();
await sequence.evaluateWithoutGeneratingNewTokens(tokens);
const read = tokens.length / (seconds() - begin);
await sequence.clearHistory();
let generated = 0;
for await (const token of sequence.evaluate([tokens[0]], {temperature: 0, yieldEogTokens: true})) {
  if (generated === 0) begin = seconds();
  if (++generated > Number(count)) break;
}
console.log((generated - 1) / (seconds() - begin), read);
process.exit(0);
