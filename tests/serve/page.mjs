// The chat page in a real browser, used as a person would: page.mjs <url> <chromium> <folder for pictures>
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [url, executablePath, folder] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
const problems = [];
page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
page.on("pageerror", (error) => problems.push(String(error)));
page.on("request", (request) => request.url().startsWith(url) || request.url().startsWith("data:") ||
  problems.push(`it asks ${request.url()}`));

const status = (i) => page.locator(".status").nth(i).textContent();
const answers = () => page.locator(".model").allTextContents();
const ended = () => page.waitForFunction(() => document.getElementById("stop").disabled, null, { timeout: 60000 });

// --- every stage answers
await page.goto(url);
await page.waitForSelector(".column");
assert.deepEqual(await page.locator(".name").allTextContents(), ["pretrain", "sft", "dpo"]);
assert.ok(await page.evaluate(() => document.activeElement.id === "prompt"), "one can type at once");
await page.fill("#tokens", "30");
await page.focus("#prompt");
await page.keyboard.type("Who is <img src=x onerror=alert(1)>?");
await page.keyboard.press("Enter");
await ended();
const first = await answers();
assert.equal(first.length, 3);
assert.ok(first[0].startsWith("Who is <img"), "a base model continues the text");
assert.equal(await page.locator(".user").count(), 2);
assert.equal(await page.locator("#columns img").count(), 0, "text is text");
for (let i = 0; i < 3; ++i) assert.match(await status(i), /^\d+ tokens, \d+ tokens\/s, /);

// --- the same seed gives the same texts
await page.click("#again");
await ended();
assert.deepEqual(await answers(), first);
for (let i = 0; i < 3; ++i) assert.match(await status(i), /^\u2713 the same text/);
await page.screenshot({ path: `${folder}/page-light.png`, fullPage: true });

// --- what each token's probability was, by pointer and by keyboard
await page.check("#scores");
await page.click("#again");
await ended();
assert.deepEqual(await answers(), first, "asking for probabilities changes no text");
const token = page.locator(".column").nth(1).locator(".scored span").first();
await token.hover();
const shown = page.locator(".token").nth(1);
assert.match(await shown.textContent(), /%/);
assert.ok(await shown.locator("div").count() >= 5);
await page.locator(".scored").nth(2).focus();
await page.keyboard.press("ArrowRight");
await page.keyboard.press("ArrowRight");
assert.equal(await page.locator(".column").nth(2).locator(".chosen").count(), 1);
await page.click("#theme");
await page.screenshot({ path: `${folder}/page-dark.png`, fullPage: true });

// --- a conversation goes on; a new one begins empty
await page.uncheck("#scores");
await page.fill("#prompt", "And where?");
await page.keyboard.press("Enter");
await ended();
assert.equal(await page.locator(".user").count(), 4);
await page.click("#clear");
assert.equal(await page.locator(".says").count(), 0);

// --- stopping
await page.fill("#tokens", "100000");
await page.locator(".column").first().locator(".mode").click();  // as chat, which it was never taught
await page.fill("#prompt", "Tell me all.");
await page.route("**/v1/chat/completions", async (route) => {
  const body = { ...route.request().postDataJSON(), temperature: 2 };
  await route.continue({ postData: JSON.stringify(body) });
});
await page.keyboard.press("Enter");
await page.keyboard.press("Escape");
await ended();
for (let i = 0; i < 3; ++i) assert.match(await status(i), /stopped|tokens/);
await page.unroute("**/v1/chat/completions");

// --- errors are said, and said where they are
await page.fill("#tokens", "5");
await page.fill("#prompt", "long ".repeat(3000));
await page.keyboard.press("Enter");
await ended();
for (let i = 0; i < 3; ++i) assert.match(await status(i), /too long/);
problems.splice(0, problems.length, ...problems.filter((text) => !/400 \(Bad Request\)/.test(text)));

// --- a phone: nothing is wider than the screen
await page.setViewportSize({ width: 375, height: 800 });
await page.fill("#prompt", "Who is Ada Miller?");
await page.click("#clear");
await page.click("#send");
await ended();
assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "it scrolls sideways");
await page.screenshot({ path: `${folder}/page-phone.png`, fullPage: true });

assert.deepEqual(problems, []);
await browser.close();
console.log("the page works in the browser");
