// A browser for a story: reads one JSON command a line, answers one JSON line each.
//
// NODE_MODULES names the folder with playwright-core and axe-core, CHROMIUM the browser.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { join } from "node:path";

const modules = createRequire(join(process.env.NODE_MODULES, "x.js"));
const { chromium } = modules("playwright-core");
const { source } = modules("axe-core");

// As long as a slow machine may take; a story that hangs fails.
const PATIENCE = 60_000;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

let page;
let problems = [];

const COMMANDS = {
  // A new window with nothing of the one before.
  async open({ scheme = "light", javascript = true, width = 1280, height = 860 }) {
    await page?.context().close();
    problems = [];
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: scheme,
      javaScriptEnabled: javascript,
      timezoneId: "UTC",
      reducedMotion: "reduce",
    });
    page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    page.on("console", (it) => it.type() === "error" && problems.push(`console: ${it.text()}`));
    page.on("pageerror", (it) => problems.push(`error: ${it}`));
    page.on("dialog", (it) => {
      problems.push(`dialog: ${it.message()}`);
      return it.dismiss();
    });
    page.on("request", (it) => {
      const origin = (url) => new URL(url).origin;
      if (page.url() !== "about:blank" && origin(it.url()) !== origin(page.url())) problems.push(`request: ${it.url()}`);
    });
    if (javascript) {
      await page.addInitScript(() => {
        addEventListener("securitypolicyviolation", (it) => console.error(`policy: ${it.violatedDirective} ${it.blockedURI}`));
      });
    }
  },
  async goto({ url }) {
    await page.goto(url);
  },
  async url() {
    return page.url();
  },
  async press({ key }) {
    await page.keyboard.press(key);
  },
  async type({ text }) {
    await page.keyboard.type(text);
  },
  // Waits until something that fits the selector is seen.
  async see({ selector }) {
    const found = page.locator(selector).first();
    await found.waitFor({ state: "visible" });
    return found.innerText();
  },
  async click({ selector }) {
    await page.locator(selector).first().click();
  },
  async count({ selector }) {
    return page.locator(selector).count();
  },
  // What has the focus: its tag, and its text or name.
  async focused() {
    return page.evaluate(() => {
      const it = document.activeElement;
      return { tag: it.tagName.toLowerCase(), id: it.id, text: (it.innerText ?? "").trim(), value: it.value ?? null };
    });
  },
  async eval({ script }) {
    return page.evaluate(script);
  },
  // What the browser complained about since the window was opened.
  async problems() {
    return problems;
  },
  // The rules that the page breaks, of those that keep somebody out.
  async axe() {
    // By the debugger's hand: the page itself lets no foreign script in.
    await page.evaluate(source);
    const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
    const bad = violations.filter((it) => ["serious", "critical"].includes(it.impact));
    return bad.map((it) => `${it.id}: ${it.nodes.map((node) => node.html).join(" | ")}`);
  },
  async shot({ path }) {
    await page.screenshot({ path });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  if (command === "end") break;
  let answer;
  try {
    answer = { ok: (await COMMANDS[command](rest)) ?? null };
  } catch (error) {
    answer = { error: `${command} ${JSON.stringify(rest)}: ${error}`, problems, at: page?.url() };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
process.exit(0);
