// The module without a browser: node module.mjs SITE SCAN MASK
// Writes the mask of SCAN, and says how long it took.
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import assert from "node:assert";

const [site, scan, out] = process.argv.slice(2);
const { Endocast } = await import(pathToFileURL(resolve(site, "endocast.js")));
const endocast = await Endocast.load(readFileSync(join(site, "endocast.wasm")));
endocast.open();
const file = readFileSync(scan);
for (const [bad, code, message] of [
  [new Uint8Array(3), 3, "not a NIfTI file"],
  [file.slice(0, 1000), 3, "the file: "],
]) {
  assert.throws(() => endocast.extract(bad), (error) => error.code === code && error.message.includes(message));
}
const first = endocast.extract(file);
const start = performance.now();
const { mask, warning } = endocast.extract(file);
const seconds = (performance.now() - start) / 1000;
assert.deepEqual(mask, first.mask);
writeFileSync(out, mask);
console.log(`${basename(scan)}: ${seconds.toFixed(2)} s${warning && `; ${warning}`}`);
