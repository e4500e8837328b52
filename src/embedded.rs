//! The models that ship inside this library.

use endocast_kernels::cpu::Cpu;
use endocast_weights::{Error, Model, include_model};

use crate::Precision;

/// A model inside this library.
#[derive(Clone, Copy)]
pub struct Embedded {
    /// Which network it is.
    pub name: &'static str,
    /// In which precision.
    pub precision: Precision,
    bytes: &'static [u8],
}

/// Name of the model that is taken where none is named.
pub const DEFAULT: &str = "default";

/// Name of the model for old machines: less exact, a tenth of the size.
pub const TINY: &str = "tiny";

/// Every model inside this library.
pub static MODELS: &[Embedded] = &[
    Embedded {
        name: DEFAULT,
        precision: Precision::Int8,
        bytes: include_model!("../weights/endocast-int8.model"),
    },
    Embedded {
        name: TINY,
        precision: Precision::Int8,
        bytes: include_model!("../weights/endocast-tiny-int8.model"),
    },
    #[cfg(feature = "embedded-f32-model")]
    Embedded {
        name: DEFAULT,
        precision: Precision::F32,
        bytes: include_model!("../weights/endocast.model"),
    },
    #[cfg(feature = "embedded-f32-model")]
    Embedded {
        name: TINY,
        precision: Precision::F32,
        bytes: include_model!("../weights/endocast-tiny.model"),
    },
];

impl Embedded {
    /// The model.
    ///
    /// # Errors
    /// None that a build from an intact source tree could show; the bytes are checked like any file's.
    pub fn open(&self) -> Result<Model, Error> {
        Model::from_static(self.bytes)
    }
}

/// The model `name` in `precision`, or without one in the [fastest](Precision::fastest) that there is.
pub fn find(name: &str, precision: Option<Precision>, cpu: Cpu) -> Option<&'static Embedded> {
    let mut named = MODELS.iter().filter(|model| model.name == name);
    let wanted = precision.unwrap_or(Precision::fastest(cpu));
    let found = named.clone().find(|model| model.precision == wanted);
    found.or_else(|| named.next().filter(|_| precision.is_none()))
}

#[cfg(test)]
mod tests {
    use endocast_kernels::cpu::Isa;

    use super::*;

    #[test]
    fn models_are_what_they_are_listed_as() {
        for (index, embedded) in MODELS.iter().enumerate() {
            let model = embedded.open().unwrap();
            assert_eq!(Precision::of(&model), embedded.precision);
            model.verify_payload().unwrap();
            let same = |other: &Embedded| {
                (other.name, other.precision) == (embedded.name, embedded.precision)
            };
            assert!(!MODELS[..index].iter().any(same), "{}", embedded.name);
        }
    }

    #[test]
    fn every_name_is_found_without_a_precision() {
        for embedded in MODELS {
            for isa in Isa::ALL {
                let found = find(embedded.name, None, Cpu::detect().capped(isa)).unwrap();
                assert_eq!(found.name, embedded.name);
            }
        }
        assert!(find("none", None, Cpu::detect()).is_none());
    }
}
