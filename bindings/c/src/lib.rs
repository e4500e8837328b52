//! The C interface. `endocast.h` documents it; a test compiles C against both and compares them.

mod failure;
mod volume;

use std::ffi::{CStr, c_char};
use std::path::Path;
use std::ptr;
use std::sync::Mutex;

use engine::volume::{FourD, Scan};
use engine::{Extraction, Extractor, Options, Precision, model, qc};

use failure::{Failure, INPUT, OUTPUT, SUSPICIOUS, USAGE, guard};
use volume::Volume;

/// `endocast_options`.
#[repr(C)]
pub struct CallerOptions {
    model: *const c_char,
    precision: i32,
    threads: u32,
    threshold: f32,
}

/// `endocast_result`.
#[repr(C)]
pub struct CallerResult {
    volume_ml: f64,
    score: f64,
}

/// `endocast_session`: extraction needs it exclusively.
pub struct Session(Mutex<Extractor>);

static VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// See `endocast.h`.
#[unsafe(no_mangle)]
pub extern "C" fn endocast_version() -> *const c_char {
    VERSION.as_ptr().cast()
}

/// See `endocast.h`.
#[unsafe(no_mangle)]
pub extern "C" fn endocast_error() -> *const c_char {
    failure::last()
}

/// See `endocast.h`.
///
/// # Safety
/// Pointers are null or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn endocast_open(
    options: *const CallerOptions,
    session: *mut *mut Session,
) -> i32 {
    guard(|| {
        // SAFETY: the caller gives null or a place for a pointer.
        let place = unsafe { session.as_mut() }.ok_or(Failure::null("session"))?;
        *place = ptr::null_mut();
        // SAFETY: the caller gives null or options.
        let options = unsafe { options.as_ref() };
        // SAFETY: the strings among them are null or end with a zero.
        let extractor = unsafe { extractor(options) }?;
        *place = Box::into_raw(Box::new(Session(Mutex::new(extractor))));
        Ok(())
    })
}

/// See `endocast.h`.
///
/// # Safety
/// Null, or a session from [`endocast_open`] that was not closed and that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn endocast_close(session: *mut Session) {
    if !session.is_null() {
        // The session is gone either way, and there is nobody to tell.
        let _ = guard(|| {
            // SAFETY: it came from `Box::into_raw` in `endocast_open`, says the caller.
            drop(unsafe { Box::from_raw(session) });
            Ok(())
        });
    }
}

/// See `endocast.h`.
///
/// # Safety
/// Pointers are null or as the header says; arrays have as many elements as the volume's shape says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn endocast_extract(
    session: *const Session,
    volume: *const Volume,
    mask: *mut u8,
    distance: *mut f32,
    probability: *mut f32,
    result: *mut CallerResult,
) -> i32 {
    guard(|| {
        // SAFETY: the caller gives null or an open session.
        let session = unsafe { session.as_ref() }.ok_or(Failure::null("session"))?;
        // SAFETY: the caller gives null or a volume.
        let volume = unsafe { volume.as_ref() }.ok_or(Failure::null("volume"))?;
        // SAFETY: its voxels are as many as its shape says.
        let scan = unsafe { volume.scan() }?;
        let extraction = session.extract(&scan, !probability.is_null())?;
        let distances = match distance.is_null() {
            true => None,
            false => Some(
                extraction
                    .distance(scan.geometry())
                    .map_err(Failure::input)?,
            ),
        };
        let checked = check(&scan, &extraction, "")?;
        // SAFETY: each is null or has room for every voxel; all three arrays have the scan's shape.
        unsafe {
            fill(mask, &extraction.mask);
            if let Some(distances) = &distances {
                fill(distance, distances);
            }
            if let Some(probabilities) = &extraction.probabilities {
                fill(probability, probabilities);
            }
            checked.report(result)
        }
    })
}

/// See `endocast.h`.
///
/// # Safety
/// Pointers are null or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn endocast_extract_file(
    session: *const Session,
    scan: *const c_char,
    mask: *const c_char,
    brain: *const c_char,
    result: *mut CallerResult,
) -> i32 {
    guard(|| {
        // SAFETY: the caller gives null or an open session.
        let session = unsafe { session.as_ref() }.ok_or(Failure::null("session"))?;
        // SAFETY: each is null or ends with a zero.
        let [scan, mask, brain] = unsafe {
            [
                path("scan", scan)?,
                path("mask", mask)?,
                path("brain", brain)?,
            ]
        };
        let path = scan.ok_or(Failure::null("scan"))?;
        for output in [mask, brain].into_iter().flatten() {
            check_output(output)?;
        }
        let scan = Scan::read(path, FourD::First).map_err(Failure::input)?;
        let name = format!("{}: ", path.display());
        let extraction = session.extract(&scan, false).map_err(|f| f.about(&name))?;
        let checked = check(&scan, &extraction, &name)?;
        let failed = |cause| Failure::new(OUTPUT, cause);
        if let Some(path) = mask {
            scan.write_mask(path, &extraction.mask).map_err(failed)?;
        }
        if let Some(path) = brain {
            scan.write_brain(path, &extraction.mask).map_err(failed)?;
        }
        // SAFETY: null or a place for a result.
        unsafe { checked.report(result) }
    })
}

/// # Safety
/// The strings are null or end with a zero.
unsafe fn extractor(options: Option<&CallerOptions>) -> Result<Extractor, Failure> {
    let mut chosen = Options::default();
    let (mut file, mut precision) = (None, None);
    let mut threads = 0;
    if let Some(options) = options {
        // SAFETY: passed on from the caller.
        file = unsafe { path("model", options.model) }?;
        precision = match options.precision {
            0 => None,
            1 => Some(Precision::F32),
            2 => Some(Precision::Int8),
            other => return Err(Failure::new(USAGE, format!("no precision {other}"))),
        };
        threads = options.threads as usize;
        chosen.threshold = match options.threshold {
            0.0 => None,
            threshold if threshold > 0.0 && threshold < 1.0 => Some(threshold),
            other => return Err(Failure::new(USAGE, format!("no threshold {other}"))),
        };
    }
    chosen.threads = match threads {
        0 => engine::processors::usable(),
        threads => threads,
    };
    let model = model::open(file, precision)
        .map_err(|cause| Failure::new(cause.exit_code().into(), cause))?;
    Extractor::new(model, &chosen).map_err(Failure::extract)
}

impl Session {
    fn extract(&self, scan: &Scan, probabilities: bool) -> Result<Extraction, Failure> {
        let extractor = self.0.lock();
        let mut extractor = extractor.map_err(|_| Failure::damaged("an earlier call"))?;
        let extraction = extractor.extract(scan, probabilities);
        extraction.map_err(Failure::extract)
    }
}

/// A quality check's findings.
struct Checked {
    result: CallerResult,
    warning: Option<String>,
}

fn check(scan: &Scan, extraction: &Extraction, name: &str) -> Result<Checked, Failure> {
    let quality = qc::inspect(scan, &extraction.mask, extraction.certainty.as_ref());
    let quality = quality.map_err(Failure::input)?;
    let voxels = extraction.mask.iter().filter(|&&voxel| voxel != 0).count();
    let [x, y, z] = scan.geometry().spacing;
    let warnings = quality.warnings.join("; ");
    Ok(Checked {
        result: CallerResult {
            volume_ml: voxels as f64 * x * y * z / 1000.0,
            score: quality.score,
        },
        warning: quality
            .is_suspicious()
            .then(|| format!("{name}the mask looks wrong: {warnings}")),
    })
}

impl Checked {
    /// # Safety
    /// Null, or a place for a result.
    unsafe fn report(self, result: *mut CallerResult) -> Result<(), Failure> {
        if !result.is_null() {
            // SAFETY: the caller gives a place.
            unsafe { result.write(self.result) };
        }
        match self.warning {
            Some(warning) => Err(Failure::new(SUSPICIOUS, warning)),
            None => Ok(()),
        }
    }
}

fn check_output(path: &Path) -> Result<(), Failure> {
    engine::volume::check_output_name(path).map_err(|cause| Failure::new(OUTPUT, cause))?;
    let name = path.display();
    if path.exists() {
        return Err(Failure::new(OUTPUT, format!("{name}: exists")));
    }
    let checked = engine::output::check(path);
    checked.map_err(|cause| Failure::new(OUTPUT, format!("{name}: cannot write: {cause}")))
}

/// # Safety
/// Null, or a string that ends with a zero and outlives the call.
unsafe fn path<'a>(what: &str, text: *const c_char) -> Result<Option<&'a Path>, Failure> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: passed on from the caller.
    let text = unsafe { CStr::from_ptr(text) };
    let text = text.to_str();
    let text = text.map_err(|_| Failure::new(INPUT, format!("{what}: not a UTF-8 path")))?;
    Ok(Some(Path::new(text)))
}

/// Copies an array with the first axis fastest.
///
/// # Safety
/// `to` is null or has room for every element.
unsafe fn fill<T: Copy>(to: *mut T, from: &engine::ndarray::Array3<T>) {
    if !to.is_null() {
        for (index, &value) in from.t().iter().enumerate() {
            // SAFETY: the caller promises room for every element.
            unsafe { to.add(index).write(value) };
        }
    }
}
