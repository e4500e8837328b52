// A head of nested ellipsoids, in which the shipped model finds a brain, as a NIfTI-1 file.

const shape = [64, 76, 64];
const spacing = 3;
const layers = [
  [[84, 102, 88], 700],
  [[79, 97, 83], 80],
  [[73, 90, 76], 150],
  [[70, 86, 72], 450],
  [[62, 78, 64], 650],
];

export function head() {
  const count = shape[0] * shape[1] * shape[2];
  const file = new Uint8Array(352 + 2 * count);
  const view = new DataView(file.buffer);
  view.setInt32(0, 348, true);
  [3, ...shape, 1, 1, 1, 1].forEach((size, i) => view.setInt16(40 + 2 * i, size, true));
  view.setInt16(70, 4, true);
  view.setInt16(72, 16, true);
  [1, spacing, spacing, spacing].forEach((size, i) => view.setFloat32(76 + 4 * i, size, true));
  view.setFloat32(108, 352, true);
  view.setUint8(123, 2);
  view.setInt16(254, 1, true);
  for (let axis = 0; axis < 3; axis++) {
    view.setFloat32(280 + 20 * axis, spacing, true);
    view.setFloat32(292 + 16 * axis, (-spacing * (shape[axis] - 1)) / 2, true);
  }
  file.set(new TextEncoder().encode("n+1"), 344);
  for (let index = 0; index < count; index++) {
    const at = [index % shape[0], Math.floor(index / shape[0]) % shape[1], Math.floor(index / shape[0] / shape[1])];
    const mm = at.map((i, axis) => spacing * (i - (shape[axis] - 1) / 2));
    const inside = (axes) => mm.reduce((sum, x, axis) => sum + (x / axes[axis]) ** 2, 0) < 1;
    const layer = layers.findLast(([axes]) => inside(axes));
    view.setInt16(352 + 2 * index, (layer ? layer[1] : 0) + (index % 11), true);
  }
  return file;
}
