// Drives a page with a phone in headless Chromium.
//
//   node driver.mjs NODE_MODULES CHROMIUM PORT PAGE
//
// PAGE is a file beside this one.
//
// Listens on 127.0.0.1:PORT for one connection. Each line of it is a request [method, argument], the
// method one of the page's phone or of `commands` below; each gets one line in reply, {"ok": value} or
// {"error": text}. The end of the connection ends the browser. Log to stdout.

import { readFile } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import readline from "node:readline";
import { createRequire } from "node:module";

const [modules, executablePath, port, pageName] = process.argv.slice(2);
const { chromium } = createRequire(path.join(path.resolve(modules), "x"))("playwright-core");

/** No request may take longer. */
const PATIENCE = 20_000;
/** No test lasts as long: what is left then was forgotten. */
const LIFE = 180_000;

const FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
  // Real addresses instead of mDNS names in candidates, the loopback's too.
  "--disable-features=WebRtcHideLocalIpsWithMdns",
  "--allow-loopback-in-peer-connection",
];

const TYPES = { ".html": "text/html", ".mjs": "text/javascript", ".js": "text/javascript" };

/** Serves the page and SIP.js. The loopback counts as a secure origin, which WebRTC asks for. */
async function serve() {
  const server = http.createServer(async (request, response) => {
    const name = path.posix.normalize(request.url);
    const file = name.startsWith("/sip.js/")
      ? path.join(modules, "sip.js/lib", name.slice("/sip.js/".length))
      : path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), name);
    try {
      const body = await readFile(file);
      response.writeHead(200, { "Content-Type": TYPES[path.extname(file)] ?? "text/plain" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${server.address().port}/${pageName}`;
}

function deadline(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${PATIENCE} ms`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function openPage(browser, url) {
  // Who may use a microphone may know all addresses of the machine: else candidates name the default route.
  const context = await browser.newContext({ permissions: ["microphone"] });
  const page = await context.newPage();
  page.on("console", (message) => console.log(`[${message.type()}] ${message.text()}`));
  page.on("pageerror", (error) => console.log(`[pageerror] ${error.stack}`));
  page.on("crash", () => console.log("[crash]"));
  await page.goto(url);
  await page.waitForFunction("window.phone");
  return page;
}

/** Methods of the driver itself. */
const commands = {
  /** The page's process dies: it says goodbye to nobody. */
  async crash(page) {
    const gone = new Promise((done) => page.once("crash", done));
    const session = await page.context().newCDPSession(page);
    // Never answered: who should answer is dead.
    session.send("Page.crash").catch(() => {});
    await gone;
  },
  async version(page) {
    return page.context().browser().version();
  },
};

async function run(page, line) {
  const [method, argument] = JSON.parse(line);
  if (method in commands) {
    return commands[method](page);
  }
  return page.evaluate(([method, argument]) => window.phone[method](argument), [method, argument]);
}

const browser = await chromium.launch({ executablePath, args: FLAGS, chromiumSandbox: false, timeout: PATIENCE });

async function end(code) {
  await browser.close();
  process.exit(code);
}

setTimeout(() => end(1), LIFE).unref();
const page = await openPage(browser, await serve());
const server = net.createServer(async (socket) => {
  socket.on("error", () => {});
  for await (const line of readline.createInterface({ input: socket })) {
    let reply;
    try {
      reply = { ok: (await deadline(run(page, line), line)) ?? null };
    } catch (error) {
      console.log(`[driver] ${line}: ${error.stack}`);
      reply = { error: String(error) };
    }
    socket.write(`${JSON.stringify(reply)}\n`);
  }
  await end(0);
});
server.listen(Number(port), "127.0.0.1");
