// The page: takes a scan, has its brain extracted by the worker, and shows both.
import { MULTIPLANAR_TYPE, NVImage, Niivue, SHOW_RENDER } from "./niivue.js";

const element = (id) => document.getElementById(id);
const opacity = element("opacity").querySelector("input");
const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
const view = new Niivue({
  backColor: [0, 0, 0, 1],
  crosshairColor: [1, 1, 1, 0.4],
  crosshairWidth: 0.5,
  dragAndDropEnabled: false,
  loadingText: "",
  multiplanarLayout: MULTIPLANAR_TYPE.GRID,
  multiplanarShowRender: SHOW_RENDER.ALWAYS,
});
await view.attachToCanvas(element("view"));
view.setSliceType(view.sliceTypeMultiplanar);

let busy = false;

function say(text, state = "") {
  element("status").textContent = text;
  element("status").className = state;
}

function extract(file) {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data));
    worker.onerror = (event) => reject(new Error(event.message || "the worker stopped"));
    worker.postMessage(file, [file]);
  });
}

function clear() {
  for (const volume of [...view.volumes]) view.removeVolume(volume);
  const link = element("download");
  if (link.href) URL.revokeObjectURL(link.href);
  link.removeAttribute("href");
  element("opacity").hidden = true;
  element("empty").hidden = true;
}

async function show(file, name, options = {}) {
  view.addVolume(await NVImage.loadFromFile({ file, name, ...options }));
}

async function open(file) {
  if (busy) return;
  busy = true;
  try {
    clear();
    say(`Looking for the brain in ${file.name}`, "busy");
    const showing = show(file, file.name);
    showing.catch(() => {}); // The worker says better what is wrong with a file.
    const { mask, warning, seconds } = await extract(await file.arrayBuffer());
    await showing;
    const name = `${file.name.replace(/(\.nii|\.mgh|\.mgz)?(\.gz)?$/, "")}_brain_mask.nii`;
    const blob = new File([mask], name, { type: "application/octet-stream" });
    await show(blob, name, { colormap: "red", opacity: Number(opacity.value), cal_min: 0.5, cal_max: 1 });
    element("opacity").hidden = false;
    const link = element("download");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    const found = `${file.name}: mask made in ${seconds.toFixed(1)} s`;
    say(warning ? `${found}. Look at it with care: ${warning}` : found, warning && "error");
  } catch (error) {
    say(`${file.name}: ${error.message}`, "error");
  } finally {
    busy = false;
  }
}

element("file").onchange = ({ target }) => target.files[0] && open(target.files[0]);
opacity.oninput = () => view.volumes[1] && view.setOpacity(1, Number(opacity.value));
document.ondragover = (event) => {
  event.preventDefault();
  document.body.classList.add("over");
};
document.ondragleave = () => document.body.classList.remove("over");
document.ondrop = (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
};
