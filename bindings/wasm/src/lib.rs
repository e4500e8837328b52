//! endocast as a WebAssembly module with plain exports over its linear memory.
//!
//! The host asks for memory with [`allocate`], puts a scan's file there and calls [`extract`]; then
//! [`output`] says where the mask's file is, or [`message`] what went wrong. `endocast.js` is such a host.

use std::cell::RefCell;
use std::fmt::Display;

use engine::volume::{FourD, Scan, Target};
use engine::{Extractor, Options, qc};

/// Results of the last call.
#[derive(Default)]
struct State {
    extractor: Option<Extractor>,
    output: Vec<u8>,
    message: String,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
    /// What a defect said before it stopped the module.
    static DEFECT: RefCell<String> = RefCell::default();
}

/// Why there is no mask: the command's exit code, and one line.
struct Failure(u8, String);

impl Failure {
    fn new(code: u8, cause: impl Display) -> Failure {
        Failure(code, cause.to_string())
    }
}

/// Room for `len` bytes, which [`extract`] takes back.
#[unsafe(no_mangle)]
pub extern "C" fn allocate(len: usize) -> *mut u8 {
    Box::into_raw(vec![0_u8; len].into_boxed_slice()).cast()
}

/// Makes the network ready, which [`extract`] does otherwise. Returns 0 or an exit code of the command.
#[unsafe(no_mangle)]
pub extern "C" fn open() -> u32 {
    std::panic::set_hook(Box::new(|info| DEFECT.set(info.to_string())));
    finish(|state| {
        let options = Options {
            threads: 1,
            ..Options::default()
        };
        let model = engine::embedded_model().map_err(|cause| Failure::new(6, cause))?;
        let extractor = Extractor::new(model, &options);
        let extractor = extractor.map_err(|cause| Failure::new(cause.exit_code(), cause))?;
        state.extractor = Some(extractor);
        Ok(())
    })
}

/// Extracts the brain from the `len` bytes at `file`, which are a NIfTI or MGH file and came from
/// [`allocate`]. Returns 0 and 10 with a mask, of which [`message`] warns at 10, or another exit code of
/// the command without.
///
/// # Safety
/// `file` came from `allocate(len)`, and this is its first use here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extract(file: *mut u8, len: usize) -> u32 {
    // SAFETY: the host promises that these are the bytes that `allocate` made.
    let file = unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(file, len)) };
    let unopened = STATE.with_borrow(|state| state.extractor.is_none());
    if unopened && open() != 0 {
        return 6;
    }
    finish(|state| {
        state.output = Vec::new();
        let scan = Scan::from_bytes(&file, "the file", FourD::First);
        let scan = scan.map_err(|cause| Failure::new(3, cause))?;
        drop(file);
        let extractor = state.extractor.as_mut();
        let extractor = extractor.ok_or_else(|| Failure::new(6, "not open"))?;
        let extraction = extractor.extract(&scan, false);
        let extraction = extraction.map_err(|cause| Failure::new(cause.exit_code(), cause))?;
        let target = Target::Stream(&mut state.output, "the mask".as_ref());
        scan.send_mask(target, &extraction.mask)
            .map_err(|cause| Failure::new(4, cause))?;
        let quality = qc::inspect(&scan, &extraction.mask, extraction.certainty.as_ref())
            .map_err(|cause| Failure::new(3, cause))?;
        match quality.is_suspicious() {
            true => Err(Failure::new(10, quality.warnings.join("; "))),
            false => Ok(()),
        }
    })
}

/// Where the mask's file begins: NIfTI, not compressed, exactly as the command writes it.
#[unsafe(no_mangle)]
pub extern "C" fn output() -> *const u8 {
    STATE.with_borrow(|state| state.output.as_ptr())
}

/// Bytes of the mask's file.
#[unsafe(no_mangle)]
pub extern "C" fn output_len() -> usize {
    STATE.with_borrow(|state| state.output.len())
}

/// Where the message of the last call begins: UTF-8, empty after success.
#[unsafe(no_mangle)]
pub extern "C" fn message() -> *const u8 {
    STATE.with_borrow(|state| state.message.as_ptr())
}

/// Bytes of the message.
#[unsafe(no_mangle)]
pub extern "C" fn message_len() -> usize {
    STATE.with_borrow(|state| state.message.len())
}

/// Where the message of a defect begins, after a call that trapped. The module is of no use then.
#[unsafe(no_mangle)]
pub extern "C" fn defect() -> *const u8 {
    DEFECT.with_borrow(|message| message.as_ptr())
}

/// Bytes of that message.
#[unsafe(no_mangle)]
pub extern "C" fn defect_len() -> usize {
    DEFECT.with_borrow(|message| message.len())
}

fn finish(call: impl FnOnce(&mut State) -> Result<(), Failure>) -> u32 {
    STATE.with_borrow_mut(|state| {
        let Failure(code, message) = call(state).err().unwrap_or(Failure(0, String::new()));
        state.message = message;
        code.into()
    })
}
