#!/usr/bin/env python3
"""Writes what the laboratory found into the documents: benchmarks/LAB.md, a section a claim, and the table of claims in
libminillm/doc/lab.md.

  minillm-lab report --out runs/lab                 # writes runs/lab/lab.md, of what has been run
  python3 benchmarks/lab_document.py runs/lab/lab.md [FEWER_SEEDS.md]    # a claim is told as the first one that has it does
"""
import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXPERIMENTS = ROOT / 'libminillm/lab/experiments'
LAB_MD = ROOT / 'libminillm/doc/lab.md'
BEGIN, END = '<!-- claims: benchmarks/lab_document.py -->', '<!-- end of claims -->'

# Seconds of a step of the recipe, and of asking a checkpoint, on two quiet cores: base, sft, dpo and asking as one run of `chooses` took
# them (129 s in all); the others are half of the processor time that they took beside other work.
SECONDS = {'base': 78, 'fresh': 2, 'second': 13, 'sft': 33, 'notes': 100, 'dpo': 9, 'reward': 3, 'rl': 10,
           'constitution': 28, 'own': 40}
ASK = 4

# What was learned where a claim was not simply supported.
LEARNED = {
    'lora-forgets': 'At a rate at which the adapter learns a second domain at all it has forgotten the first: learning less, it forgets '
                    'more. "LoRA forgets less" holds in fine-tuning, if at all, not where a domain is added.',
    'lora': 'Rank 32 answers as well as full tuning or better, and forgets rare people more.',
    'dpo-or-rl': 'With the truth as reward and equal compute, runs of GRPO that differ in chance alone agree about new verbs as much as runs of '
                 'DPO, or more. What is told of PPO with a learned reward on a large model need not hold for this.',
    'notes': 'One right note among three is read one time in four, as by chance; notes about nobody else are always followed, also against memory. '
             'Choosing is what the rule of names is for (notes.md), which this measure leaves out.',
    'form-after': 'Neither order keeps both: read before, the second domain is forgotten in fine-tuning, which replays stories only.',
    'constitution': 'Pairs by a principle refuse every new verb, labels nine in ten: too much is known of too few questions to call them the same.',
    'secrets': 'Exposure in answers rises with the logarithm of the repeats: 4.4 bits told once, 7.1 three times, all there is from ten on (seed 1). In '
               'the turn of users nothing is learned, since nothing there is learned from. Deduplicated, a secret is at the level of one told once.',
    'few-rows': 'Form is there with a thousand rows, and rules are; what is right is not: of 250, 1,000 and 4,000 rows .35, .66 and .96 of the '
                'answers are right (seed 1).',
    'frequency': 'Told a quarter as often, people are still told of some twenty times a fact, and that is enough; the curve bends below: an eighth '
                 'as often costs a fifth, and of people who are rare already a quarter as often halves what is known.',
    'few-shot': 'Examples hurt here: the answer to the last question is often that of an example. Two million parameters learn no task from a '
                'prompt, and a conversation of three turns is longer than any that was trained on.',
    'hedging': 'In taught wordings nothing is denied whatever the share; what rises with it are denials of questions in new wordings.',
    'calibration': 'Both are calibrated to under a hundredth, and too modest rather than too sure. What breaks it is preference tuning alone, which '
                   'also breaks the answers.',
    'own-text-true': 'Dropping every document with a false fact favours documents that tell few: fewer people and facts are told of, and the '
                     'gain is lost again.',
}


def minutes(experiment):
    """Of one seed, each step that cells share once."""
    seconds, seen = 0, set()
    for cell in experiment['cell']:
        if 'steps' not in cell:
            seconds += ASK if 'adapters' in cell else 0
            continue
        dials = {k: v for k, v in cell.items() if k not in {'name', 'steps', *cell['steps']}}
        chain = ()
        for i, step in enumerate(cell['steps']):
            own = cell.get(step, {})
            # Stories have dials of their own.
            turned = {k: v for k, v in dials.items() if (k in ('told_rate', 'told_falsely', 'untold')) == (step in ('base', 'second'))}
            chain += ((step, repr(own), repr(turned)),)
            if chain in seen:
                continue
            seen.add(chain)
            share = 1.0
            settings = dict(s.split('=', 1) for s in own.get('set', []))
            if 'rows' in own and step in ('sft', 'dpo'):
                share = own['rows'] / (24000 if step == 'sft' else 1000)
            share *= float(settings.get('train.epochs', 1)) if step in ('sft', 'dpo') else 1
            share *= float(settings.get('train.steps', 40)) / 40 if step == 'rl' else 1
            seconds += SECONDS[step] * share
        seconds += ASK
    return max(1, round(seconds / 60))


def sections(text):
    return {s.split('\n', 1)[0].strip(): s.split('\n', 1)[1].strip() for s in re.split(r'(?m)^# ', text)[1:]}


def field(section, name):
    found = re.search(r'\*\*' + name + r':\*\* (.*)', section)
    return found[1].strip() if found else ''


def main():
    told = {}
    for path in reversed(sys.argv[1:]):
        told.update(sections(pathlib.Path(path).read_text()))
    table = ['| claim | what others found | what came out here | verdict | minutes |', '|---|---|---|---|---:|']
    body, missing = '', []
    for path in sorted(EXPERIMENTS.glob('*.toml')):
        experiment = tomllib.loads(path.read_text())
        name, cost = experiment['name'], minutes(experiment)
        if name not in told:
            missing.append(name)
            continue
        section = told[name]
        difference = re.sub(r' \(95 % interval (.*?) to (.*?)\)', r' [\1, \2]', field(section, 'Difference').split(';')[0])
        table.append(f"| {experiment['claim']} [`{name}`](../../benchmarks/LAB.md#{name}) | {experiment['found']} | "
                     f"{field(section, 'Measure').split('; expected')[0]}: {difference} | {field(section, 'Verdict')} | {cost} |")
        command = f'minillm-lab run {name}'
        body += f'## {name}\n\n{section}\n\n**Try it again:** `{command}`; about {cost} minutes a seed on two cores, what other claims share included.\n'
        if name in LEARNED:
            body += f'\n**What was learned:** {LEARNED[name]}\n'
        body += '\n'
    (ROOT / 'benchmarks/LAB.md').write_text(f'''# The laboratory's tables

What `minillm-lab all` and then `minillm-lab report` wrote, and `benchmarks/lab_document.py` put here: worlds and training of the
seeds 1, 2 and 3, test people. How a verdict is made: [lab.md](../libminillm/doc/lab.md). Refuted and undecided claims stay in the list; what
was learned from them is written below their tables. Minutes are of two quiet cores, computed from what each kind of step takes (one run of
`chooses`: base 78 s, sft 33, dpo 9, asking 4); steps that a seed's claims share are counted in each. All of them together come to 47
minutes a seed, 2.4 hours for three, and `--quick` to 31 minutes. `--quick` was run in one go from
nothing on two cores that were busy with other work: 55.9 minutes of processor time, so 28 to 31 of two idle cores; the wall said 63. Its 38 differences
are those of seed 1 below, to the last digit, with a program whose threads, products and sampler had been written anew in between.

''' + body.rstrip() + '\n')
    document = LAB_MD.read_text()
    before, rest = document.split(BEGIN)
    after = rest.split(END)[1]
    LAB_MD.write_text(before + BEGIN + '\n' + '\n'.join(table) + '\n' + END + after)
    print(f'{len(table) - 2} claims; not run: {" ".join(missing) or "none"}')


if __name__ == '__main__':
    main()
