//! hello answers GET /hello-rust with the query that it was asked with: the smallest plugin in Rust.
#[macro_use]
mod weir;

plugin!(event);

/// The host looks for the manifest in this section (2.1).
#[link_section = "weir.manifest"]
pub static MANIFEST: [u8; include_bytes!("plugin.yaml").len()] = *include_bytes!("plugin.yaml");

fn event(e: &weir::Event, v: &mut weir::Verdicts) {
    if e.op != weir::HTTP_REQUEST {
        return;
    }
    let query = e.request().query;
    let comma: &[u8] = if query.is_empty() { b"" } else { b", " };
    let text = [b"hello from Rust", comma, query, b"\n"].concat();
    v.respond(e.session, 200, 0, &text);
}
