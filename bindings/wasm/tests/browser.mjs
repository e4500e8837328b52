// The page in headless Chromium: node browser.mjs SITE SCAN EXPECTED [PICTURE]
// Drops SCAN on the page and compares the mask that it offers for download with the file EXPECTED.
// Finds playwright-core by NODE_PATH; CHROMIUM names the browser.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import assert from "node:assert";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");
const [site, scan, expected, picture] = process.argv.slice(2);

const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
const server = createServer((request, response) => {
  const name = request.url === "/" ? "index.html" : basename(request.url);
  try {
    const body = readFileSync(join(site, name));
    response.writeHead(200, { "Content-Type": types[extname(name)] ?? "application/octet-stream" }).end(body);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
});
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
  const elsewhere = [];
  page.on("request", (request) => {
    const address = request.url();
    if (!address.startsWith(origin) && !/^(blob|data):/.test(address)) elsewhere.push(address);
  });
  page.on("pageerror", (error) => console.error(error));
  await page.goto(`${origin}/`);
  await page.waitForFunction(() => document.getElementById("file").onchange !== null);

  const drop = (name, bytes) =>
    page.evaluate(
      ([name, base64]) => {
        const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], name));
        document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
      },
      [name, Buffer.from(bytes).toString("base64")],
    );

  await drop("broken.nii", new Uint8Array(10));
  await page.waitForSelector("#status.error");
  assert.match(await page.textContent("#status"), /not a NIfTI file/);

  await drop(basename(scan), readFileSync(scan));
  await page.waitForSelector("#download[href]", { timeout: 240_000 });
  const waiting = page.waitForEvent("download");
  await page.click("#download");
  const download = await waiting;
  assert.match(download.suggestedFilename(), /_brain_mask\.nii$/);
  assert.deepEqual(readFileSync(await download.path()), readFileSync(expected), "the mask");
  assert.deepEqual(elsewhere, [], "the page asked others");
  console.log(await page.textContent("#status"));
  if (picture) {
    await page.waitForTimeout(1000);
    await page.screenshot({ path: picture });
  }
} finally {
  await browser.close();
  server.close();
}
