// llama.cpp's ids of texts against minillm-tokenizer's. Used by llama_cpp_tokenizers.sh.
//   node llama_cpp_tokenizers.mjs MODEL.gguf RUN BIN TEXT
import {spawnSync} from 'node:child_process';
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

const [gguf, run, bin, text] = process.argv.slice(2);
const entry = createRequire(process.cwd() + '/').resolve('node-llama-cpp');
const {getLlama} = await import(pathToFileURL(entry));

const texts = fs.readFileSync(text, 'utf8').split('\n').filter((line) => line.trim()).slice(0, 1500);
texts.push(
  "I'LL don't you've 'tis", '1234567890 12,345.678', 'a  b   c    d\t\te\n\n\nf \n g', '  leading', 'trailing   ', '\n', ' ', '   ', '\r\n\r\n',
  '\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!', '\u4f60\u597d\u4e16\u754c\u3002', '\u3053\u3093\u306b\u3061\u306f', '\ud55c\uad6d\uc5b4', '\u0645\u0631\u062d\u0628\u0627', '\u0928\u092e\u0938\u094d\u0924\u0947', '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}!', '\u2764\ufe0f\u{1f1e9}\u{1f1ea}',
  'na\u00efve caf\u00e9', '<|im_start|>user', '</s><s>', '\u0663\u0664 \u2167 \u00bd', '\u00a0\u3000x', '{"a": [1, 2.5e-3]}', 'x'.repeat(500), ' '.repeat(100) + 'x', '0'.repeat(50));
const checkpoint = path.join(run, fs.readFileSync(path.join(run, 'LATEST'), 'utf8').trim());
const encoded = spawnSync(path.join(bin, 'minillm-tokenizer'), ['encode', '--tokenizer', checkpoint, '--lines'],
  {input: texts.map((one) => JSON.stringify(one) + '\n').join(''), maxBuffer: 1 << 30, encoding: 'utf8'});
if (encoded.status !== 0) throw Error(encoded.stderr);
const ours = encoded.stdout.trimEnd().split('\n').map((line) => JSON.parse(line));

const llama = await getLlama({gpu: false, build: 'never', logLevel: 'error'});
const model = await llama.loadModel({modelPath: gguf, vocabOnly: true});
let different = 0;
texts.forEach((one, i) => {
  const theirs = model.tokenize(one, false);
  if (JSON.stringify(theirs) === JSON.stringify(ours[i])) return;
  if (different++ < 8) console.log(`${JSON.stringify(one)}\n  ours   ${ours[i]}\n  theirs ${theirs}`);
});
console.log(`${gguf}: ${texts.length} texts, ${different} differ`);
process.exit(different ? 1 : 0);
