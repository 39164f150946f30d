// Runs a command for wasm32-wasip1 with Node's own WASI; its files are those below the working
// directory and the one for temporary files.
// usage: node --no-warnings wasi.mjs FILE.wasm [ARGUMENT...]
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { WASI } from "node:wasi";

const args = process.argv.slice(2);
const preopens = { "/": process.cwd(), ".": process.cwd(), "/tmp": tmpdir() };
const options = { args, preopens, env: process.env, returnOnExit: true };
const wasi = new WASI({ version: "preview1", ...options });
const module = await WebAssembly.compile(await readFile(args[0]));
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
try {
  process.exit(wasi.start(instance));
} catch (error) {
  console.error("trap:", error.message);
  process.exit(134);
}
