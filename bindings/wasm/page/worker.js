// Extracts brains beside the page, so that the page stays alive meanwhile.
import { Endocast } from "./endocast.js";

const ready = Endocast.load(fetch(new URL("endocast.wasm", import.meta.url)));

self.onmessage = async ({ data: file }) => {
  try {
    const endocast = await ready;
    const start = performance.now();
    const { mask, warning } = endocast.extract(new Uint8Array(file));
    const seconds = (performance.now() - start) / 1000;
    self.postMessage({ mask: mask.buffer, warning, seconds }, [mask.buffer]);
  } catch (error) {
    self.postMessage({ error: error.message });
  }
};
