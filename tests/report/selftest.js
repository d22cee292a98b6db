// Run inside a copy of the page by browser.sh: clicks every stage and every prompt as a reader would, and writes
// what it saw at the end of the page, first line "ok" or "failed".
'use strict';
(async () => {
  const problems = [], notes = [];
  const check = (condition, what) => { if (!condition) problems.push(what); };
  const all = selector => [...document.querySelectorAll(selector)];
  const answer = () => { const card = document.querySelector('.answer[aria-current=true]'); return card ? card.textContent : ''; };
  const press = (node, key) => node.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
  addEventListener('error', event => problems.push('error: ' + event.message));
  addEventListener('unhandledrejection', event => problems.push('rejected: ' + event.reason));
  document.addEventListener('securitypolicyviolation', event => problems.push('policy: ' + event.violatedDirective + ' ' + event.blockedURI));

  try {
    const data = JSON.parse(document.getElementById('report').textContent);
    check(!/\bnull\b/.test(document.getElementById('curves').innerText), 'the curves say null');
    check(all('section').length === 6, `expected 6 sections, got ${all('section').length}`);
    check(all('[role=tab]').length === data.runs.length, 'a tab for each stage');
    for (let stage = 0; stage < data.runs.length; ++stage) {
      const before = answer() + document.querySelector('.notes').textContent;
      const changes = all('[role=tab]')[stage].getAttribute('aria-selected') !== 'true';
      all('[role=tab]')[stage].click();
      check(all('[role=tab][aria-selected=true]').length === 1, 'one stage is selected');
      check(!changes || before !== answer() + document.querySelector('.notes').textContent, `stage ${stage + 1}: what is shown does not change`);
      let last = null;
      for (let prompt = 0; prompt < data.prompts.length; ++prompt) {
        document.querySelector(`[data-prompt="${prompt}"]`).click();
        const forms = data.prompts[prompt].answers[stage];
        for (const form of forms) check(answer().includes(form.text.trim() || '(nothing)'), `stage ${stage + 1}, prompt ${prompt + 1}: not its answer`);
        const content = data.prompts[prompt].messages.map(message => message.content);
        const shown = document.querySelector('.talk').textContent;
        check(content.every(text => shown.includes(text)), `prompt ${prompt + 1}: not its text`);
        check(shown !== last, `prompt ${prompt + 1}: what is shown does not change`);
        last = shown;
      }
    }
    notes.push(`${data.runs.length} stages, ${data.prompts.length} prompts`);

    // Keys: arrows move among stages, prompts and the values of a curve.
    all('[role=tab]')[0].click(); all('[role=tab]')[0].focus();
    press(document.activeElement, 'ArrowRight');
    check(all('[role=tab]')[1].getAttribute('aria-selected') === 'true' && document.activeElement === all('[role=tab]')[1], 'arrow keys move among stages');
    document.querySelector('[data-prompt="0"]').click();
    press(document.querySelector('[data-prompt="0"]'), 'ArrowDown');
    check(document.querySelector('[data-prompt="1"]').getAttribute('aria-current') === 'true', 'arrow keys move among prompts');
    const readCurves = () => {
      const curves = all('figure svg');
      check(curves.length >= 3 * data.runs.length, `expected three curves a stage, got ${curves.length}`);
      for (const svg of curves) {
        const readout = svg.parentNode.querySelector('output');
        const before = readout.textContent;
        press(svg, 'End');
        check(/^(√KL [\d.ek−]+, )?step \d+: /.test(readout.textContent), `${svg.getAttribute('aria-label')}: no values: ${readout.textContent}`);
        svg.dispatchEvent(new PointerEvent('pointerleave'));
        check(readout.textContent === before, 'the values stay');
        check(!/NaN|undefined|Infinity/.test(svg.outerHTML), `${svg.getAttribute('aria-label')}: a number is missing`);
        const box = svg.viewBox.baseVal;
        for (const point of svg.querySelector('polyline').points) check(point.x >= 0 && point.x <= box.width && point.y >= 0 && point.y <= box.height, 'a curve leaves its frame');
      }
      return curves.length;
    };
    const curves = readCurves(), path = () => all('figure svg polyline')[0].getAttribute('points');
    const evenly = path();
    document.getElementById('log-steps').click();
    check(path() !== evenly, 'logarithmic steps draw another curve');
    check(readCurves() === curves, 'logarithmic steps draw as many curves');
    document.getElementById('log-steps').click();
    check(path() === evenly, 'the second click draws the first curve again');

    for (const run of data.runs) for (const sample of run.samples) {
      const cells = all('.samples td').map(cell => cell.textContent);
      check(cells.includes(sample.text.trim() || '(nothing)'), `no sample '${sample.text}'`);
    }
    all('.samples summary').forEach(summary => summary.click());
    check(document.documentElement.scrollWidth <= innerWidth, 'samples make the page wider than the window');

    const hash = document.querySelector('.hash');
    hash.click();
    check(/^[0-9a-f]{64}$/.test(hash.textContent), 'a click shows the whole hash');
    check(document.documentElement.scrollWidth <= innerWidth, 'a whole hash makes the page wider than the window');
    hash.click();
    check(hash.textContent.length === 12, 'a second click shows its first digits');
    notes.push(`${curves} curves`);

    const theme = document.getElementById('theme'), root = document.documentElement;
    const colour = () => getComputedStyle(document.body).backgroundColor;
    const light = colour();
    theme.click();
    check(colour() !== light, 'the switch changes the colours');
    theme.click();
    check(colour() === light, 'the switch changes them back');

    // Contrast of text on its background, as WCAG 2 computes it, light and dark.
    const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const numbers = text => text.match(/[\d.]+/g).map(Number);
    const background = node => { for (; node; node = node.parentElement) { const c = numbers(getComputedStyle(node).backgroundColor); if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
    for (const mode of ['light', 'dark']) {
      root.dataset.theme = mode;
      for (const selector of ['body', '.lead', '.badge', '.notes p', '.notes h4', '.facts', '.says', '.expected', '.readout', 'td small', '.prompts button', '.mark', '.link', '.hash', '.better', '.worse', '[role=tab] small', 'nav a', '.why']) {
        for (const node of all(selector).slice(0, 60)) {
          const [a, b] = [luminance(numbers(getComputedStyle(node).color)), luminance(background(node))].sort((x, y) => y - x);
          const ratio = (a + 0.05) / (b + 0.05);
          if (ratio < 4.5) { check(false, `${mode}: '${selector}' has a contrast of ${ratio.toFixed(2)}, expected 4.5`); break; }
        }
      }
    }
    delete root.dataset.theme;
    for (const button of all('button')) check((button.getAttribute('aria-label') || button.textContent).trim() !== '', 'a button without a name');
    check(new Set(all('[id]').map(node => node.id)).size === all('[id]').length, 'an id occurs twice');
    check(root.scrollWidth <= innerWidth, `the page is ${root.scrollWidth} wide in a window of ${innerWidth}`);

    dispatchEvent(new Event('beforeprint'));
    check(all('.talk').length >= data.prompts.filter(prompt => prompt.given || prompt.failure).length, 'on paper the prompts follow one another');
    dispatchEvent(new Event('afterprint'));
    check(all('.talk').length === 1, 'after printing one prompt is shown');

    // Texts of models and data have added no element; nothing was asked of any server.
    check(!document.querySelector('img, iframe, object, embed, link, audio, video'), 'an element that loads something');
    check(window.pwned === undefined, 'a text was run as script');
    const loaded = performance.getEntriesByType('resource').map(entry => entry.name);
    check(loaded.length === 0, 'loaded: ' + loaded.join(' '));
    await new Promise(done => setTimeout(done, 50));  // late violations of the policy
  } catch (error) {
    problems.push('exception: ' + error.stack);
  }
  const result = document.createElement('pre');
  result.id = 'selftest';
  result.textContent = [problems.length ? 'failed' : 'ok', ...new Set(problems), ...notes].join('\n');
  document.body.append(result);
})();
