//! The compiled half of the Python package: arrays go in and out as bytes, first axis fastest.

use std::path::PathBuf;
use std::sync::Mutex;

use engine::ndarray::Array3;
use engine::volume::{Scaling, Scan, Voxels};
use engine::{Extraction, Extractor, Options, Precision, extract, model, qc};
use pyo3::create_exception;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyByteArray;

create_exception!(
    endocast,
    NoBrainError,
    PyValueError,
    "No brain was found in the scan."
);

/// A model ready to extract brains.
#[pyclass(frozen)]
struct Engine(Mutex<Extractor>);

/// Mask, distances, probabilities, quality score, warnings.
type Results<'py> = (
    Bound<'py, PyByteArray>,
    Option<Bound<'py, PyByteArray>>,
    Option<Bound<'py, PyByteArray>>,
    f64,
    Vec<String>,
);

#[pymethods]
impl Engine {
    #[new]
    fn new(
        py: Python<'_>,
        model: Option<PathBuf>,
        precision: &str,
        threads: Option<usize>,
        threshold: Option<f32>,
    ) -> PyResult<Engine> {
        let precision = match precision {
            "auto" => None,
            "f32" => Some(Precision::F32),
            "int8" => Some(Precision::Int8),
            _ => {
                return Err(PyValueError::new_err(
                    "precision is 'auto', 'f32' or 'int8'",
                ));
            }
        };
        if threshold.is_some_and(|threshold| !(threshold > 0.0 && threshold < 1.0)) {
            return Err(PyValueError::new_err("threshold is between 0 and 1"));
        }
        let options = Options {
            threads: threads.unwrap_or_else(engine::processors::usable),
            threshold,
            ..Options::default()
        };
        py.detach(|| {
            let model = model::open(model.as_deref(), precision)
                .map_err(|cause| exception(cause.exit_code(), cause.to_string()))?;
            let extractor = Extractor::new(model, &options).map_err(failed)?;
            Ok(Engine(Mutex::new(extractor)))
        })
    }

    /// `voxels` of the NumPy type `dtype`, in the machine's byte order.
    #[allow(clippy::too_many_arguments)] // as keywords in Python
    fn extract<'py>(
        &self,
        py: Python<'py>,
        voxels: &[u8],
        dtype: &str,
        shape: [usize; 3],
        affine: [[f64; 4]; 3],
        scaling: (f64, f64),
        distance: bool,
        probability: bool,
    ) -> PyResult<Results<'py>> {
        let (extraction, distances, quality) = py.detach(|| {
            let voxels = decode(voxels, dtype)?;
            let scaling = Scaling::new(scaling.0, scaling.1);
            let scan = Scan::new(shape, affine, voxels, scaling).map_err(invalid)?;
            let extraction = self.run(&scan, probability)?;
            let distances = match distance {
                true => Some(extraction.distance(scan.geometry()).map_err(invalid)?),
                false => None,
            };
            let quality = qc::inspect(&scan, &extraction.mask, extraction.certainty.as_ref());
            Ok::<_, PyErr>((extraction, distances, quality.map_err(invalid)?))
        })?;
        let floats = |values: Array3<f32>| encode(py, &values, f32::to_ne_bytes);
        Ok((
            encode(py, &extraction.mask, u8::to_ne_bytes),
            distances.map(floats),
            extraction.probabilities.map(floats),
            quality.score,
            quality.warnings,
        ))
    }

    /// Name of the model.
    #[getter]
    fn model(&self) -> PyResult<String> {
        Ok(self.lock()?.model().name().into())
    }

    /// Precision of the model.
    #[getter]
    fn precision(&self) -> PyResult<&'static str> {
        Ok(Precision::of(self.lock()?.model()).name())
    }
}

impl Engine {
    fn lock(&self) -> PyResult<std::sync::MutexGuard<'_, Extractor>> {
        let lock = self.0.lock();
        lock.map_err(|_| PyRuntimeError::new_err("an earlier call met a defect of the library"))
    }

    fn run(&self, scan: &Scan, probabilities: bool) -> PyResult<Extraction> {
        self.lock()?.extract(scan, probabilities).map_err(failed)
    }
}

fn exception(exit_code: u8, message: String) -> PyErr {
    match exit_code {
        2 | 3 => PyValueError::new_err(message),
        7 => NoBrainError::new_err(message),
        _ => PyRuntimeError::new_err(message),
    }
}

fn failed(cause: extract::Error) -> PyErr {
    exception(cause.exit_code(), cause.to_string())
}

fn invalid(cause: impl ToString) -> PyErr {
    PyValueError::new_err(cause.to_string())
}

fn decode(bytes: &[u8], dtype: &str) -> PyResult<Voxels> {
    macro_rules! voxels {
        ($type:ident) => {{
            let (voxels, rest) = bytes.as_chunks::<{ size_of::<$type>() }>();
            if !rest.is_empty() {
                return Err(invalid("a part of a voxel is missing"));
            }
            let voxels = voxels.iter().map(|&bytes| $type::from_ne_bytes(bytes));
            voxels.collect::<Vec<$type>>().into()
        }};
    }
    Ok(match dtype {
        "uint8" => voxels!(u8),
        "int8" => voxels!(i8),
        "uint16" => voxels!(u16),
        "int16" => voxels!(i16),
        "uint32" => voxels!(u32),
        "int32" => voxels!(i32),
        "uint64" => voxels!(u64),
        "int64" => voxels!(i64),
        "float32" => voxels!(f32),
        "float64" => voxels!(f64),
        _ => return Err(invalid(format!("voxels of type {dtype} are not supported"))),
    })
}

fn encode<'py, T: Copy, const N: usize>(
    py: Python<'py>,
    values: &Array3<T>,
    bytes: impl Fn(T) -> [u8; N],
) -> Bound<'py, PyByteArray> {
    let bytes: Vec<u8> = values.t().iter().flat_map(|&value| bytes(value)).collect();
    PyByteArray::new(py, &bytes)
}

#[pymodule]
fn _endocast(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("NoBrainError", module.py().get_type::<NoBrainError>())?;
    module.add_class::<Engine>()
}
