//! unwrap panics in the ways of Rust.
#[path = "../rust/weir.rs"]
#[macro_use]
mod weir;

plugin!(event);

fn event(e: &weir::Event, v: &mut weir::Verdicts) {
    if e.op != weir::HTTP_REQUEST {
        return;
    }
    let query = e.request().query;
    let size = query.len(); // known only when it runs
    let sum = match query {
        b"unwrap" => query.iter().position(|c| *c == b'?').unwrap(),
        b"bounds" => [1, 2, 3][size],
        b"divide" => 7 / (size - b"divide".len()),
        b"overflow" => usize::MAX.checked_add(size).expect("an overflow"),
        _ => 0,
    };
    v.respond(e.session, 200 + sum as u16, weir::CLOSES, b"innocent\n");
}
