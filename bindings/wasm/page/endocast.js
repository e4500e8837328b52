/** endocast in WebAssembly: one instance of the module, which works on one scan after another. */
export class Endocast {
  #exports;

  constructor(instance) {
    this.#exports = instance.exports;
  }

  /** @param {Response | Promise<Response> | BufferSource} source the module, endocast.wasm */
  static async load(source) {
    source = await source;
    const loaded =
      typeof Response !== "undefined" && source instanceof Response
        ? await WebAssembly.instantiateStreaming(source)
        : await WebAssembly.instantiate(source);
    return new Endocast(loaded.instance);
  }

  /** Makes the network ready; `extract` does it otherwise. */
  open() {
    const code = this.#call(this.#exports.open);
    if (code !== 0) throw new EndocastError(code, this.#message());
  }

  /**
   * Extracts the brain of a scan.
   * @param {Uint8Array} file a NIfTI or MGH file, compressed with gzip or not
   * @returns {{mask: Uint8Array, warning: string}} the mask as a NIfTI file, and what looks wrong with it
   * @throws {EndocastError}
   */
  extract(file) {
    const { allocate, extract, memory, output, output_len } = this.#exports;
    const at = allocate(file.length) >>> 0;
    new Uint8Array(memory.buffer, at, file.length).set(file);
    const code = this.#call(() => extract(at, file.length));
    if (code !== 0 && code !== 10) throw new EndocastError(code, this.#message());
    const mask = new Uint8Array(memory.buffer, output() >>> 0, output_len()).slice();
    return { mask, warning: this.#message() };
  }

  /** Calls the module, whose defects are traps. */
  #call(exported) {
    try {
      return exported();
    } catch (trap) {
      const { defect, defect_len } = this.#exports;
      throw new EndocastError(6, this.#text(defect(), defect_len()) || trap.message);
    }
  }

  #message() {
    const { message, message_len } = this.#exports;
    return this.#text(message(), message_len());
  }

  #text(at, length) {
    return new TextDecoder().decode(new Uint8Array(this.#exports.memory.buffer, at >>> 0, length));
  }
}

/** Why there is no mask; `code` is an exit code of the endocast command. */
export class EndocastError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}
