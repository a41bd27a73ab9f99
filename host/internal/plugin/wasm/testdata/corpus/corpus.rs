// Collections, strings, sorting, traits and floating point in Rust, for comparing metered with plain.
// Build: rustc --target wasm32-unknown-unknown -O --crate-type cdylib -o corpus.wasm corpus.rs
use std::collections::{BTreeMap, VecDeque};

trait Shape {
    fn area(&self) -> f64;
}
struct Circle(f64);
struct Square(f64);
impl Shape for Circle {
    fn area(&self) -> f64 {
        self.0 * self.0 * 3.25
    }
}
impl Shape for Square {
    fn area(&self) -> f64 {
        self.0 * self.0
    }
}

fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

#[no_mangle]
pub extern "C" fn run(seed: u32) -> u64 {
    let mut state = u64::from(seed) | 1;
    let mut map = BTreeMap::new();
    for i in 0..300u64 {
        map.entry(next(&mut state) % 97).or_insert_with(Vec::new).push(i);
    }
    let mut list: Vec<u64> = map.iter().flat_map(|(k, v)| v.iter().map(move |x| k * 1000 + x)).collect();
    list.sort_unstable_by(|a, b| (b % 101).cmp(&(a % 101)).then(a.cmp(b)));
    let text: String = list.iter().map(|n| format!("{:x},", n)).collect();
    let mut queue: VecDeque<&str> = text.split(',').collect();
    let mut hash = 0u64;
    while let Some(word) = queue.pop_front() {
        hash = hash.rotate_left(5) ^ u64::from_str_radix(word, 16).unwrap_or(7);
        if hash % 11 == 0 && queue.len() < 400 {
            queue.push_back("ff");
        }
        if queue.len() > 1 && hash % 5 == 0 {
            queue.pop_back();
        }
    }
    let shapes: Vec<Box<dyn Shape>> = (0..40)
        .map(|i| if next(&mut state) % 2 == 0 { Box::new(Circle(i as f64)) as Box<dyn Shape> } else { Box::new(Square(i as f64 / 3.0)) })
        .collect();
    let sum: f64 = shapes.iter().map(|s| s.area().sqrt()).sum();
    hash ^ sum.to_bits()
}
