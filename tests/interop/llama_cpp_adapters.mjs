// llama.cpp's greedy text with an adapter, against minillm-generate's. Used by llama_cpp_adapters.sh.
//   node llama_cpp_adapters.mjs MODEL.gguf ADAPTER.gguf BASE ADAPTER BIN
import {execFileSync} from "child_process";
import {createRequire} from "module";
import {pathToFileURL} from "url";

const [gguf, lora, base, adapter, bin] = process.argv.slice(2);
const entry = createRequire(process.cwd() + "/").resolve("node-llama-cpp");
const {getLlama, LlamaCompletion} = await import(pathToFileURL(entry));
const prompts = ["Once upon a time", "The baker", "In the village of", "Every morning", "Mary",
                 "One day", "The street", "Sam lives in", "Tom and", "The"];
const tokens = 48;
const ours = (...extra) =>
    execFileSync(bin + "/minillm-generate",
                 ["--checkpoint", base, ...extra, "--max-tokens", tokens, "--temperature", 0],
                 {stdio: ["ignore", "pipe", "ignore"]}).toString().replace(/\n$/, "");

const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
const model = await llama.loadModel({modelPath: gguf});
const context = await model.createContext({contextSize: 256, batchSize: 256, threads: 1,
                                           lora: {adapters: [{filePath: lora, scale: 1}]}});
const sequence = context.getSequence();
let same = 0, moved = 0;
for (const prompt of prompts) {
  await sequence.clearHistory();
  const completion = new LlamaCompletion({contextSequence: sequence, autoDisposeSequence: false});
  const theirs = await completion.generateCompletion(
      prompt, {maxTokens: tokens, temperature: 0, repeatPenalty: false});
  completion.dispose();
  const adapted = ours("--adapter", adapter, "--prompt", prompt);
  if (adapted !== ours("--prompt", prompt)) ++moved;
  if (adapted === theirs || adapted === prompt + theirs) ++same;
  else console.log(JSON.stringify({prompt, llama_cpp: theirs, minillm: adapted}));
}
console.log(`${lora}: ${same} of ${prompts.length} texts the same; the adapter changes ${moved}`);
process.exit(same === prompts.length && moved > prompts.length / 2 ? 0 : 1);
