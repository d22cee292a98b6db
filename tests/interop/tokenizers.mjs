// Compares minillm-tokenizer with Hugging Face's library on published files; see tokenizers.sh.
//   tokenizers.mjs <minillm-tokenizer> <folder of packages> <work folder> <number of texts> [folder of hostile texts]
import {spawnSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import native from '@anush008/tokenizers';

const [tool, packages, work, count, hostile] = process.argv.slice(2);

// --- texts, the same ones every time
let state = 88172645463325252n;
function below(n) {  // xorshift64
  state ^= state << 13n & 0xffffffffffffffffn;
  state ^= state >> 7n;
  state ^= state << 17n & 0xffffffffffffffffn;
  state &= 0xffffffffffffffffn;
  return Number(state % BigInt(n));
}
const pick = (list) => list[below(list.length)];
const repeated = (text) => text.repeat(1 + below(below(8) ? 6 : 120));
const parts = [
  'the', ' the', ' and', 'Hello', ' WORLD', "'s", "'LL", "I'm", "'\u017f", "'T", '\u212a', ' don\u2019t', 'na\u00efve', 'e\u0301', 'o\u0302\u0323',
  '\u1e69', 's\u0323\u0307', '\uac00', '\u1100\u1161\u11a8', '\u0958', '\u2126', '\ufb01', '\uff21', '\u4f60\u597d\u4e16\u754c', '\u6771\u4eac\u90fd', '\u3053\u3093\u306b\u3061\u306f', '\ud55c\uad6d\uc5b4',
  '\u041f\u0440\u0438\u0432\u0435\u0442', ' \u043c\u0438\u0440', '\u0645\u0631\u062d\u0628\u0627', '\u05e9\u05dc\u05d5\u05dd', '\u0928\u092e\u0938\u094d\u0924\u0947', '\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35', '\u1362', '\u0663\u0664', '\u2167', '\u00bd', '\u00b2',
  '\u{1f600}', '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}', '\u{1f1e9}\u{1f1ea}', '\u2764\ufe0f', '\u{1d54f}', '\u{10ffff}', '\ufffd', '\ufeff', '\u200b', '\u180e', '\u0085', '\u00a0', '\u3000',
  '\u2003', '\u2028', '\u2581', '\u2581the', '\u0120', '\u010a', '\t', '\r\n', '\n', '\n\n', ' ', '  ', '    ', '0', '12', '345', '6789', '3.14159', '1,000', '...', '!?',
  '()', '{};', '->', '==', '/* */', '// x', '#include <a>', 'for (int i = 0; i < n; ++i)', 'def f(x):\n    return x\n', '<div>', '</div>', '\\', '"', "''", '`',
  '$', '\u20ac', '_a_b', 'camelCaseWord', 'HTTPServer', 'https://example.org/a?b=c&d', '<0x0A>', '<unk>x', '[PAD]', '\u0000', '\u0001', '\u007f', 'A\u030a', '\u0130', '\u00df', '\u1e9e',
];
// Any character of Unicode 14, which is as far as Debian 12's PCRE2 knows letters from other characters; later versions
// added only few to these blocks. And no combining marks but those of the parts: the other library normalizes as of Unicode 9.
const blocks = [[0, 0x800], [0x900, 0xc80], [0xd00, 0xe80], [0xf00, 0x1c80], [0x1d00, 0x2400], [0x2460, 0x2fe0], [0x3000, 0x31e0],
  [0x3200, 0xa7c0], [0xa800, 0xd800], [0xf900, 0x10000], [0x10000, 0x101fe], [0x1d400, 0x1d800], [0x1f300, 0x1f650], [0x20000, 0x2a6e0],
  [0xf0000, 0xf0100]];
const newer = new Set([0x0897, 0x0cdc, 0x0cf3, 0x0ece, 0x1b4e, 0x1b4f, 0x1b7f]);
function character() {
  const [first, end] = pick(blocks);
  const c = first + below(end - first);
  const text = String.fromCodePoint(c);
  return newer.has(c) || /\p{M}/u.test(text) ? 'x' : text;
}
function makeTexts(count, added) {
  const texts = ['', ' ', '\n', 'a'];
  if (hostile) {
    for (const file of ['blns.txt', 'UTF-8-test_kuhn.txt'])
      if (fs.existsSync(path.join(hostile, file)))
        texts.push(...fs.readFileSync(path.join(hostile, file), 'utf8').split('\n'));
  }
  while (texts.length < count) {
    let text = '';
    for (let i = below(14); i >= 0; --i) {
      const kind = below(20);
      if (kind < 13) text += pick(parts);
      else if (kind < 15) text += repeated(pick([' ', '\n', '\t', '\u00a0', '0', '7', 'a', '-', '=', '\u4e00', ' \n', '\r\n']));
      else if (kind < 17 && added.length) text += pick(['', ' ', '\n  ']) + pick(added) + pick(['', ' ', 'x']);
      else text += character() + (kind === 19 ? character() : '');
    }
    texts.push(text);
  }
  return texts.slice(0, count);
}

// --- the two tokenizers
function ours(command, file, lines) {
  const run = spawnSync(tool, [command, '--tokenizer', file, '--lines'],
    {input: lines.map((line) => JSON.stringify(line) + '\n').join(''), maxBuffer: 1 << 30, encoding: 'utf8'});
  if (run.status !== 0) throw Error(run.stderr.trim());
  return run.stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
}
// No text leads to special tokens here. There, texts do; so they get texts that no text holds.
function withoutSpecials(file) {
  const names = {};
  for (const token of file.added_tokens.filter((token) => token.special)) {
    const name = `\u{f0000}${token.id}\u{f0000}`;
    names[token.content] = name;
    if (token.content in file.model.vocab) {
      file.model.vocab[name] = file.model.vocab[token.content];
      delete file.model.vocab[token.content];
    }
    token.content = name;
  }
  if (file.model.unk_token in names) file.model.unk_token = names[file.model.unk_token];
  file.post_processor = null;
  return file;
}

let failed = 0;
async function compare(name, file) {
  const given = path.join(work, `${name}.json`);
  fs.writeFileSync(given, JSON.stringify(file));
  const added = file.added_tokens.map((token) => token.content);
  const texts = makeTexts(Number(count), added);
  const theirs = native.Tokenizer.fromString(JSON.stringify(withoutSpecials(structuredClone(file))));
  const begin = performance.now();
  const expected = (await theirs.encodeBatch(texts, {addSpecialTokens: false})).map((one) => one.getIds());
  const middle = performance.now();
  const found = ours('encode', given, texts);
  const end = performance.now();
  let different = 0;
  texts.forEach((text, i) => {
    if (JSON.stringify(found[i]) === JSON.stringify(expected[i])) return;
    if (different++ < 5) console.log(`${name}: ${JSON.stringify(text)}\n  ours   ${found[i]}\n  theirs ${expected[i]}`);
  });
  // Ids of other texts, too, but no special ones: those decode to nothing here.
  const decoded = ours('decode', given, expected);
  const texted = await theirs.decodeBatch(expected, false);
  let otherTexts = 0;
  texts.forEach((text, i) => {
    if (decoded[i] === texted[i]) return;
    if (otherTexts++ < 5) console.log(`${name}: ${expected[i]}\n  ours   ${JSON.stringify(decoded[i])}\n  theirs ${JSON.stringify(texted[i])}`);
  });
  console.log(`${name}: ${texts.length} texts, ${expected.flat().length} ids: ${different} differ; ${otherTexts} texts of ids differ ` +
    `(${(middle - begin).toFixed(0)} ms there, ${(end - middle).toFixed(0)} ms here, loading included)`);
  failed += different + otherTexts;
}
function refused(name, file, message) {
  const given = path.join(work, `${name}.json`);
  fs.writeFileSync(given, JSON.stringify(file));
  try {
    ours('encode', given, ['a']);
    console.log(`${name}: was not refused`);
    ++failed;
  } catch (error) {
    const good = error.message.includes(message) && error.message.split('\n').length === 1;
    console.log(`${name}: ${good ? 'refused' : 'refused with another message'}: ${error.message.replace(/.*': /, '')}`);
    failed += !good;
  }
}

const published = (name) => JSON.parse(fs.readFileSync(path.join(packages, `tokenizer-${name}`, 'models', 'tokenizer.json'), 'utf8'));
for (const name of ['gpt2', 'llama2', 'llama3_1', 'qwen2_5', 'qwen3', 'deepseek_v3', 'gpt4o']) await compare(name, published(name));
await compare('trained', JSON.parse(fs.readFileSync(path.join(work, 'trained.json'), 'utf8')));

// What published files have that these have not.
const smollm = published('gpt2');
smollm.pre_tokenizer = {type: 'Sequence', pretokenizers: [{type: 'Digits', individual_digits: true}, smollm.pre_tokenizer]};
await compare('digits', smollm);
const prefixed = published('gpt2');
prefixed.pre_tokenizer.add_prefix_space = true;
prefixed.added_tokens.push({id: 50257, content: '<left>', lstrip: true, rstrip: false, single_word: false, normalized: false, special: false},
  {id: 50258, content: '<right>', lstrip: false, rstrip: true, single_word: false, normalized: false, special: false},
  {id: 50259, content: '<right><left>', lstrip: true, rstrip: true, single_word: false, normalized: true, special: false});
await compare('prefixed', prefixed);
const normalized = published('qwen3');
normalized.added_tokens.push({id: 151669, content: 'e\u0301', lstrip: false, rstrip: false, single_word: false, normalized: true, special: false},
  {id: 151670, content: 'o\u0302\u0323', lstrip: false, rstrip: false, single_word: false, normalized: false, special: false});
await compare('normalized', normalized);
for (const scheme of ['first', 'always', 'never']) {
  const metaspace = published('llama2');
  metaspace.normalizer = null;
  metaspace.pre_tokenizer = {type: 'Metaspace', replacement: '\u2581', prepend_scheme: scheme, split: false};
  metaspace.added_tokens.push({id: 32000, content: '<|user|>', lstrip: false, rstrip: true, single_word: false, normalized: false, special: false});
  await compare(`metaspace-${scheme}`, metaspace);
}
refused('claude', published('claude'), "its normalizer 'NFKC' is not supported");
process.exit(failed ? 1 : 0);
