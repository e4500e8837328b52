//! Vector types and kernel entry points, one file per instruction set.

#[cfg(target_arch = "x86_64")]
pub(crate) mod amx;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512vnni;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avxvnni;
pub(crate) mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) mod simd128;
#[cfg(target_arch = "x86_64")]
pub(crate) mod sse2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod ssse3;

/// Entry points of one vector type: the generic bodies under its target features.
macro_rules! entry_points {
    (f32 $vector:ty, tile $tile:literal $(, features $features:literal)?) => {
        pub(crate) const FUSED: bool = <$vector as crate::vector::Vector>::FUSED;

        entry_points! { @ $vector, $($features,)?
            conv(crate::contract::ConvArgs) = crate::op::conv::direct::<$vector, $tile>;
            upsample(crate::contract::UpsampleArgs) = crate::op::upsample::upsample::<$vector>;
            pointwise(crate::contract::PointwiseArgs) = crate::op::pointwise::pointwise::<$vector>;
        }
    };
    (wino2x2x4 $vector:ty, tile $tile:literal $(, features $features:literal)?) => {
        entry_points! { @ $vector, $($features,)?
            wino2x2x4(crate::contract::ConvArgs) = crate::op::winograd::winograd::<$vector, $tile>;
        }
    };
    (exact $vector:ty $(, features $features:literal)?) => {
        entry_points! { @ $vector, $($features,)?
            moments(crate::contract::MomentsArgs) = crate::op::moments::moments::<$vector>;
            quantize(crate::contract::QuantizeArgs) = crate::op::quantize::quantize::<$vector>;
            link(crate::contract::LinkArgs) = crate::op::link::link;
        }
    };
    (int8 $dot:ty, tile $tile:literal $(, features $features:literal)?) => {
        entry_points! { @ $dot, $($features,)?
            conv_int8(crate::contract::ConvInt8Args) = crate::op::conv_int8::direct::<$dot, $tile>;
        }
    };
    (wino_int8 $dot:ty, tiles $tile:literal $pair:literal, features $features:literal) => {
        entry_points! { @ $dot, $features,
            wino2x4_int8(crate::contract::ConvInt8Args) =
                crate::op::winograd_int8::winograd::<$dot, $tile, 3>;
        }
        entry_points!(wino_int8 $dot, pair tile $pair, features $features);
    };
    (wino_int8 $dot:ty, pair tile $pair:literal, features $features:literal) => {
        entry_points! { @ $dot, $features,
            wino2x2x4_int8(crate::contract::ConvInt8Args) =
                crate::op::winograd_int8::winograd::<$dot, $pair, 4>;
        }
    };
    (tiles $tiles:ty, $dot:ty $(, features $features:literal)?) => {
        entry_points! { @ $dot, $($features,)?
            conv_int8(crate::contract::ConvInt8Args) =
                crate::op::conv_int8_tiles::tiled::<$tiles, $dot>;
        }
    };
    (@ $vector:ty, $features:literal, $($name:ident($args:ty) = $body:expr;)*) => {$(
        /// # Safety
        ///
        /// The processor has the features; `args.check` passed.
        #[target_feature(enable = $features)]
        pub(crate) unsafe fn $name(args: &mut $args) {
            // SAFETY: passed on from the caller.
            unsafe { $body(args) }
        }
    )*};
    (@ $vector:ty, $($name:ident($args:ty) = $body:expr;)*) => {$(
        /// # Safety
        ///
        /// `args.check` passed.
        pub(crate) unsafe fn $name(args: &mut $args) {
            // SAFETY: passed on from the caller.
            unsafe { $body(args) }
        }
    )*};
}
use entry_points;
