// Classes, garbage collection, maps, strings and exceptions of bounds in AssemblyScript, for comparing metered with plain. corpus.wasm is its build:
// npx asc corpus.ts -O2 --runtime incremental --use abort= -o corpus.wasm (AssemblyScript 0.28)
class Node {
  left: Node | null = null;
  right: Node | null = null;
  constructor(public key: u32, public text: string) {}
}

function insert(node: Node | null, key: u32): Node {
  if (node == null) return new Node(key, key.toString());
  if (key < node.key) node.left = insert(node.left, key);
  else if (key > node.key) node.right = insert(node.right, key);
  return node;
}

function walk(node: Node | null, hash: u64): u64 {
  if (node == null) return hash;
  hash = walk(node.left, hash);
  for (let i = 0; i < node.text.length; i++) hash = (hash ^ node.text.charCodeAt(i)) * 1099511628211;
  return walk(node.right, hash);
}

export function run(seed: u32): u64 {
  let root: Node | null = null;
  let state = seed | 1;
  const seen = new Map<u32, f64>();
  for (let i = 0; i < 400; i++) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    root = insert(root, state % 1009);
    seen.set(state % 53, Math.sqrt(<f64>state) + (seen.has(state % 53) ? seen.get(state % 53) : 0));
  }
  let sum = 0.0;
  const keys = seen.keys().sort((a, b) => <i32>(a - b));
  for (let i = 0; i < keys.length; i++) sum += seen.get(keys[i]) / (1 + <f64>i);
  const bytes = new Uint8Array(5000);
  bytes.fill(<u8>seed, 100, 4000);
  bytes.copyWithin(50, 90, 3000);
  let total: u64 = 0;
  for (let i = 0; i < bytes.length; i++) total = total * 31 + bytes[i];
  return walk(root, total) ^ reinterpret<u64>(sum);
}
