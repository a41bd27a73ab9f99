//! leak forgets to free a piece of memory at each event.
#[path = "../rust/weir.rs"]
#[macro_use]
mod weir;

plugin!(event);

const PIECE: usize = 512 << 10; // a 16th of what the manifest asks for

fn event(e: &weir::Event, v: &mut weir::Verdicts) {
    if e.op != weir::HTTP_REQUEST {
        return;
    }
    let piece = vec![e.session as u8; PIECE];
    v.respond(e.session, 200, weir::CLOSES, if piece[PIECE / 2] == piece[0] { b"innocent\n" } else { b"" });
    std::mem::forget(piece);
}
