//! Why a call failed: a status, and one line that its thread can ask for.

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use engine::extract;

const OK: i32 = 0;
pub const USAGE: i32 = 2;
pub const INPUT: i32 = 3;
pub const OUTPUT: i32 = 4;
const MODEL: i32 = 6;
pub const SUSPICIOUS: i32 = 10;

/// A status other than success.
pub struct Failure {
    status: i32,
    message: String,
}

impl Failure {
    pub fn new(status: i32, cause: impl Display) -> Failure {
        Failure {
            status,
            message: cause.to_string(),
        }
    }

    /// An argument that must not be null.
    pub fn null(what: &str) -> Failure {
        Failure::new(USAGE, format!("{what} is NULL"))
    }

    /// An unusable scan.
    pub fn input(cause: impl Display) -> Failure {
        Failure::new(INPUT, cause)
    }

    /// A defect of this library, met by `whom`.
    pub fn damaged(whom: &str) -> Failure {
        Failure::new(MODEL, format!("{whom} met a defect of the library"))
    }

    pub fn extract(cause: extract::Error) -> Failure {
        Failure::new(cause.exit_code().into(), cause)
    }

    /// The same with `name` before the message.
    pub fn about(mut self, name: &str) -> Failure {
        self.message.insert_str(0, name);
        self
    }
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// The message of this thread's last failure.
pub fn last() -> *const c_char {
    LAST.with_borrow(|message| message.as_ptr())
}

/// Runs `call`, stops panics at the border, and keeps the message of a failure.
pub fn guard(call: impl FnOnce() -> Result<(), Failure>) -> i32 {
    let result = catch_unwind(AssertUnwindSafe(call));
    let failure = match result {
        Ok(Ok(())) => return OK,
        Ok(Err(failure)) => failure,
        Err(_) => Failure::damaged("this call"),
    };
    let message = failure.message.replace('\0', "?");
    LAST.set(CString::new(message).unwrap_or_default());
    failure.status
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn panics_become_a_status() {
        assert_eq!(guard(|| panic!("as expected by this test")), MODEL);
        // SAFETY: the message of this thread, which makes no other call.
        let message = unsafe { CStr::from_ptr(last()) };
        assert_eq!(
            message.to_str(),
            Ok("this call met a defect of the library")
        );
        assert_eq!(guard(|| Ok(())), OK);
    }
}
