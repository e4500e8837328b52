//! Voxels in the type the file stores them in.

use bytemuck::Pod;

/// One voxel type: conversion to and from `f64`.
pub(crate) trait Voxel: Pod {
    /// The type's place in the NIfTI table.
    const DATATYPE: Datatype;

    /// The stored value; 64-bit integers round to 53 bits.
    fn to_f64(self) -> f64;

    /// Truncates towards zero and saturates for integers, rounds for floats.
    fn from_f64(value: f64) -> Self;
}

/// Reverses the byte order of every voxel.
pub(super) fn swap_bytes<T: Voxel>(voxels: &mut [T]) {
    for voxel in voxels {
        bytemuck::bytes_of_mut(voxel).reverse();
    }
}

macro_rules! datatypes {
    ($($variant:ident $type:ident $code:literal $name:literal;)*) => {
        /// The voxel types that are read and written.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Datatype {
            $(#[doc = concat!("NIfTI code ", $code, ", `", $name, "`.")] $variant,)*
        }

        impl Datatype {
            /// The type with this NIfTI `datatype` code.
            pub(super) fn from_code(code: i64) -> Option<Datatype> {
                match code {
                    $($code => Some(Datatype::$variant),)*
                    _ => None,
                }
            }

            /// The NIfTI `datatype` code.
            pub fn code(self) -> i16 {
                match self { $(Datatype::$variant => $code,)* }
            }

            /// Bytes per voxel.
            pub fn size(self) -> usize {
                match self { $(Datatype::$variant => size_of::<$type>(),)* }
            }

            /// The name the standard and NumPy use, such as `int16`.
            pub fn name(self) -> &'static str {
                match self { $(Datatype::$variant => $name,)* }
            }
        }

        /// Voxels of one volume in native byte order, first axis fastest, before scaling.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Voxels {
            $(#[doc = concat!("`", $name, "` voxels.")] $variant(Vec<$type>),)*
        }

        impl Voxels {
            /// The voxel type.
            pub fn datatype(&self) -> Datatype {
                match self { $(Voxels::$variant(_) => Datatype::$variant,)* }
            }
        }

        $(
            impl Voxel for $type {
                const DATATYPE: Datatype = Datatype::$variant;

                fn to_f64(self) -> f64 {
                    self as f64
                }

                fn from_f64(value: f64) -> Self {
                    value as $type
                }
            }

            impl From<Vec<$type>> for Voxels {
                fn from(voxels: Vec<$type>) -> Voxels {
                    Voxels::$variant(voxels)
                }
            }
        )*
    };
}

datatypes! {
    U8 u8 2 "uint8";
    I8 i8 256 "int8";
    U16 u16 512 "uint16";
    I16 i16 4 "int16";
    U32 u32 768 "uint32";
    I32 i32 8 "int32";
    U64 u64 1280 "uint64";
    I64 i64 1024 "int64";
    F32 f32 16 "float32";
    F64 f64 64 "float64";
}

/// Runs an expression with `$data` bound to the typed vector, once per voxel type.
macro_rules! with_voxels {
    ($voxels:expr, |$data:ident| $body:expr) => {
        match $voxels {
            $crate::volume::Voxels::U8($data) => $body,
            $crate::volume::Voxels::I8($data) => $body,
            $crate::volume::Voxels::U16($data) => $body,
            $crate::volume::Voxels::I16($data) => $body,
            $crate::volume::Voxels::U32($data) => $body,
            $crate::volume::Voxels::I32($data) => $body,
            $crate::volume::Voxels::U64($data) => $body,
            $crate::volume::Voxels::I64($data) => $body,
            $crate::volume::Voxels::F32($data) => $body,
            $crate::volume::Voxels::F64($data) => $body,
        }
    };
}
pub(crate) use with_voxels;

impl Voxels {
    /// Number of voxels.
    pub fn len(&self) -> usize {
        with_voxels!(self, |data| data.len())
    }

    /// Whether there are no voxels.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The stored value at a linear index (first axis fastest), before scaling.
    pub fn get(&self, index: usize) -> Option<f64> {
        with_voxels!(self, |data| data.get(index).map(|&voxel| voxel.to_f64()))
    }
}

/// The linear map from stored to real values: `slope * stored + intercept`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    slope: f64,
    intercept: f64,
}

impl Scaling {
    /// Stored values are real values.
    pub const NONE: Scaling = Scaling {
        slope: 1.0,
        intercept: 0.0,
    };

    /// The header's `scl_slope` and `scl_inter`. A slope of zero, or either being NaN or infinite,
    /// means [`Scaling::NONE`].
    pub fn new(slope: f64, intercept: f64) -> Scaling {
        if slope == 0.0 || !slope.is_finite() || !intercept.is_finite() {
            return Scaling::NONE;
        }
        Scaling { slope, intercept }
    }

    /// Factor from stored to real values; never zero, always finite.
    pub fn slope(self) -> f64 {
        self.slope
    }

    /// Real value of a stored zero; always finite.
    pub fn intercept(self) -> f64 {
        self.intercept
    }

    /// Real value of a stored value.
    pub fn apply(self, stored: f64) -> f64 {
        self.slope * stored + self.intercept
    }

    /// The stored value whose real value is nearest to `real`. For integers it is rounded and kept
    /// inside the type's range.
    pub(super) fn stored<T: Voxel>(self, real: f64) -> T {
        let exact = if real == self.intercept {
            0.0
        } else {
            (real - self.intercept) / self.slope
        };
        match T::DATATYPE {
            Datatype::F32 | Datatype::F64 => T::from_f64(exact),
            _ => T::from_f64(exact.round()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meaningless_scaling_means_none() {
        for (slope, intercept) in [
            (0.0, 3.0),
            (f64::NAN, 0.0),
            (f64::INFINITY, 0.0),
            (2.0, f64::NAN),
            (2.0, f64::NEG_INFINITY),
        ] {
            assert_eq!(Scaling::new(slope, intercept), Scaling::NONE);
        }
        assert_eq!(Scaling::new(-2.0, 1.0).apply(3.0), -5.0);
    }

    #[test]
    fn stored_values_are_the_nearest_representable() {
        assert_eq!(Scaling::NONE.stored::<i16>(0.0), 0);
        assert_eq!(Scaling::NONE.stored::<i16>(-7.4), -7);
        assert_eq!(Scaling::new(1.0, -1024.0).stored::<u16>(0.0), 1024);
        assert_eq!(Scaling::new(2.0, 3.0).stored::<i16>(0.0), -2);
        assert_eq!(Scaling::new(1.0, 1000.0).stored::<u8>(0.0), 0);
        assert_eq!(Scaling::new(2.0, 3.0).stored::<f32>(0.0), -1.5);
        let zero = Scaling::new(-2.0, 0.0).stored::<f32>(0.0);
        assert!(zero == 0.0 && zero.is_sign_positive());
        assert_eq!(Scaling::new(1e-300, 1e300).stored::<i8>(0.0), i8::MIN);
    }

    #[test]
    fn datatype_codes_round_trip() {
        for code in [2, 4, 8, 16, 64, 256, 512, 768, 1024, 1280] {
            let datatype = Datatype::from_code(code).unwrap();
            assert_eq!(i64::from(datatype.code()), code);
        }
        assert_eq!(Datatype::from_code(1536), None);
    }
}
