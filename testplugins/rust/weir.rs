//! As much of weir's plugin ABI, version 1, as a small guest in Rust needs. Sections are those of abi/v1/spec.md.
//!
//! A plugin is one .rs file that takes this one as a module, and calls `weir::plugin!(event)` with the function that is called for each event and
//! answers it by `Verdicts`; the section `weir.manifest` holds its plugin.yaml, as lib.rs beside this file shows. It is built as a reactor:
//!
//!     rustc --target wasm32-wasi --edition 2021 --crate-type cdylib -O -C panic=abort -C strip=symbols -C link-arg=LIBDIR/self-contained/crt1-reactor.o lib.rs
//!
//! where LIBDIR is what `rustc --target wasm32-wasi --print target-libdir` says; newer compilers call the target wasm32-wasip1. What a plugin remembers
//! between two events may be lost at any time: state that matters belongs into SET_STATE (8.2).
#![allow(dead_code)]

// Events and verdicts (5, 6).
pub const OPEN: u16 = 1;
pub const STATE: u16 = 2;
pub const HTTP_REQUEST: u16 = 6;
pub const TIMER: u16 = 7;
const LAST_EVENT: u16 = 22;
pub const SET_STATE: u16 = 128;
pub const HTTP_RESPONSE: u16 = 134;
pub const FAIL: u16 = 148;

// Codes (7.1).
const EINVAL: i32 = -1;
const ENOSYS: i32 = -2;
const ETOOBIG: i32 = -5;

const CRITICAL: u16 = 1; // a record's flag (3)
pub const CLOSES: u16 = 1; // HTTP_RESPONSE's flag (6.7)

/// One event (3). `body` is a view of the inbox.
pub struct Event<'a> {
    pub op: u16,
    pub session: u64,
    pub body: &'a [u8],
}

/// Request is what is read of HTTP_REQUEST (5.6).
pub struct Request<'a> {
    pub route: &'a [u8],
    pub method: &'a [u8],
    pub path: &'a [u8],
    pub query: &'a [u8],
}

impl<'a> Event<'a> {
    pub fn request(&self) -> Request<'a> {
        let mut b = &self.body[HEAD..];
        Request { route: field(&mut b), method: field(&mut b), path: field(&mut b), query: field(&mut b) }
    }
}

const HEAD: usize = 36; // bytes of every event's head (4.5)

/// A byte field: u32 length, then the bytes (4.1). One that is missing at the end is empty (4.2).
fn field<'a>(b: &mut &'a [u8]) -> &'a [u8] {
    let size = u32_at(b, 0).unwrap_or(0) as usize;
    let (_, rest) = b.split_at(b.len().min(4));
    let (field, rest) = rest.split_at(rest.len().min(size));
    *b = rest;
    field
}

fn u32_at(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(b.get(at..at + 4)?.try_into().ok()?))
}

fn u16_at(b: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(b.get(at..at + 2)?.try_into().ok()?))
}

fn u64_at(b: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(b.get(at..at + 8)?.try_into().ok()?))
}

const BOX: usize = 256 * 1024;
const FRAME_HEAD: usize = 8;
const RECORD_HEAD: usize = 16;

/// Verdicts is the frame of verdicts in the making (3), in the outbox itself.
pub struct Verdicts {
    out: &'static mut [u8; BOX],
    used: usize,
    records: u32,
    full: bool,
}

impl Verdicts {
    /// put writes a verdict. Its body is all parts, one after the other.
    pub fn put(&mut self, op: u16, flags: u16, session: u64, parts: &[&[u8]]) {
        let size: usize = parts.iter().map(|p| p.len()).sum();
        let whole = RECORD_HEAD + (size + 7) / 8 * 8;
        if whole > BOX - self.used {
            self.full = true;
            return;
        }
        let mut at = self.used;
        self.out[at..at + whole].fill(0);
        let head: [&[u8]; 4] = [&op.to_le_bytes(), &flags.to_le_bytes(), &(size as u32).to_le_bytes(), &session.to_le_bytes()];
        for part in head.iter().chain(parts) {
            self.out[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        self.used += whole;
        self.records += 1;
    }

    /// respond answers an exchange with a text: a list of no fields, and a list of one literal piece (6.7, 4.6).
    pub fn respond(&mut self, session: u64, status: u16, flags: u16, text: &[u8]) {
        let size = text.len() as u32;
        let (no_fields, literal) = (0u32.to_le_bytes(), 0u16.to_le_bytes());
        let (item, pieces) = ((6 + size).to_le_bytes(), (10 + size).to_le_bytes());
        let head: [&[u8]; 2] = [&status.to_le_bytes(), &flags.to_le_bytes()];
        self.put(HTTP_RESPONSE, 0, session, &[head[0], head[1], &no_fields, &pieces, &item, &literal, &size.to_le_bytes(), text]);
    }
}

/// Handler answers one event.
pub type Handler = fn(&Event, &mut Verdicts);

// The boxes (2.1). A guest has one thread, and is called by one.
static mut INBOX: [u8; BOX] = [0; BOX];
static mut OUTBOX: [u8; BOX] = [0; BOX];

pub fn boxes(kind: i32) -> i64 {
    let at = unsafe { if kind == 0 { core::ptr::addr_of!(INBOX) } else { core::ptr::addr_of!(OUTBOX) } };
    ((at as usize as u64) << 32 | BOX as u64) as i64
}

/// call answers the frame in the inbox.
pub fn call(length: i32, handle: Handler) -> i32 {
    let (inbox, out) = unsafe { (&*core::ptr::addr_of!(INBOX), &mut *core::ptr::addr_of_mut!(OUTBOX)) };
    let mut v = Verdicts { out, used: FRAME_HEAD, records: 0, full: false };
    match inbox.get(..length as usize).ok_or(EINVAL).and_then(|frame| each(frame, handle, &mut v)) {
        Err(code) => code,
        Ok(()) if v.full => ETOOBIG,
        Ok(()) => {
            v.out[..4].copy_from_slice(&v.records.to_le_bytes());
            v.out[4..8].fill(0);
            v.used as i32
        }
    }
}

fn each(frame: &[u8], handle: Handler, v: &mut Verdicts) -> Result<(), i32> {
    let mut at = FRAME_HEAD;
    for _ in 0..u32_at(frame, 0).ok_or(EINVAL)? {
        let (op, flags) = (u16_at(frame, at).ok_or(EINVAL)?, u16_at(frame, at + 2).ok_or(EINVAL)?);
        let (size, session) = (u32_at(frame, at + 4).ok_or(EINVAL)? as usize, u64_at(frame, at + 8).ok_or(EINVAL)?);
        let begin = at + RECORD_HEAD;
        let body = begin.checked_add(size).and_then(|end| frame.get(begin..end)).ok_or(EINVAL)?;
        match op {
            OPEN..=LAST_EVENT if size < HEAD => return Err(EINVAL),
            OPEN..=LAST_EVENT => handle(&Event { op, session, body }, v),
            _ if flags & CRITICAL != 0 => return Err(ENOSYS),
            _ => {}
        }
        at = begin + (size + 7) / 8 * 8;
    }
    Ok(())
}

/// plugin makes the exports (2.1) of a handler.
#[macro_export]
macro_rules! plugin {
    ($handle:expr) => {
        #[no_mangle]
        pub extern "C" fn weir_abi_1() -> i32 {
            0
        }
        #[no_mangle]
        pub extern "C" fn weir_buf(kind: i32) -> i64 {
            weir::boxes(kind)
        }
        #[no_mangle]
        pub extern "C" fn weir_call(length: i32) -> i32 {
            weir::call(length, $handle)
        }
    };
}
