//! What good masks look like, from the calibration that `docs/validation.md` reports.

/// A measure's usual range and where a good mask ends.
pub(super) struct Limits {
    pub name: &'static str,
    /// Values from the first to the second score 1.
    usual: [f64; 2],
    /// Values at or beyond these score 0.
    limit: [f64; 2],
    /// What a value below or above may mean.
    meaning: [&'static str; 2],
}

impl Limits {
    /// From 0 to 1.
    pub fn score(&self, value: f64) -> f64 {
        let [low, high] = self.usual;
        let [least, most] = self.limit;
        if value < low {
            ((value - least) / (low - least)).max(0.0)
        } else if value > high {
            ((most - value) / (most - high)).max(0.0)
        } else {
            1.0
        }
    }

    /// One line for a value outside the usual range.
    pub fn warning(&self, value: f64) -> String {
        let meaning = self.meaning[usize::from(value > self.usual[1])];
        format!("{meaning} ({} {value:.3})", self.name)
    }
}

const NONE: f64 = f64::INFINITY;

/// A measure with limits on both sides.
const fn between(
    name: &'static str,
    limit: [f64; 2],
    usual: [f64; 2],
    meaning: [&'static str; 2],
) -> Limits {
    Limits {
        name,
        usual,
        limit,
        meaning,
    }
}

/// A measure that is only ever too small.
const fn at_least(name: &'static str, limit: f64, usual: f64, meaning: &'static str) -> Limits {
    between(name, [limit, NONE], [usual, NONE], [meaning, ""])
}

/// A measure that is only ever too large.
const fn at_most(name: &'static str, usual: f64, limit: f64, meaning: &'static str) -> Limits {
    between(name, [-NONE, limit], [-NONE, usual], ["", meaning])
}

/// A measure that is reported and never warns.
const fn any(name: &'static str) -> Limits {
    between(name, [-NONE, NONE], [-NONE, NONE], ["", ""])
}

const SIZE: [&str; 2] = ["too small for a brain", "too large for a brain"];
const CUT_OFF: &str = "part of the brain is missing";

pub(super) const VOLUME: Limits = between("volume_ml", [400.0, 2600.0], [850.0, 2000.0], SIZE);
pub(super) const WIDTH: Limits = between("width_mm", [60.0, 200.0], [105.0, 165.0], SIZE);
pub(super) const LENGTH: Limits = between("length_mm", [100.0, 240.0], [140.0, 200.0], SIZE);
pub(super) const HEIGHT: Limits = between("height_mm", [55.0, 210.0], [100.0, 165.0], SIZE);
pub(super) const FLATNESS: Limits = at_most("flatness", 0.4, 0.7, CUT_OFF);
pub(super) const SYMMETRY: Limits = at_least("symmetry", 0.6, 0.9, "left and right differ");
pub(super) const CUT: Limits =
    at_most("cut_cm2", 60.0, 140.0, "the brain leaves the field of view");
pub(super) const MARGIN: Limits = any("margin_mm");
pub(super) const COMPONENTS: Limits = any("components");
pub(super) const LARGEST: Limits =
    at_least("largest_share", 0.88, 0.98, "the network saw several parts");
pub(super) const BORDER: Limits = at_least(
    "border_step",
    0.14,
    0.3,
    "the network was not sure of the border",
);
pub(super) const CONTRAST: Limits = at_least(
    "contrast",
    0.02,
    0.12,
    "the brain is uniform, as in a phantom or in CT",
);
pub(super) const ROUGHNESS: Limits = at_most("roughness", 0.3, 0.55, "the brain is all noise");
pub(super) const OUTSIDE: Limits = at_least(
    "outside_ml",
    50.0,
    300.0,
    "there is no head around the brain",
);
pub(super) const ABOVE: Limits = at_most(
    "above_mm",
    15.0,
    30.0,
    "too much of the head is above the brain",
);
pub(super) const HOUNSFIELD: Limits = at_most("hounsfield", 0.0, 1.0, "the values are those of CT");
pub(super) const SHELL: Limits = at_most(
    "shell",
    0.38,
    0.5,
    "what surrounds the mask looks like brain",
);
pub(super) const RIM: Limits = at_least(
    "rim",
    0.08,
    0.22,
    "what the mask's border holds does not look like brain",
);
pub(super) const WIDTH_TO_LENGTH: Limits = at_most("width_to_length", 0.95, 1.1, "wider than long");
pub(super) const HEIGHT_TO_LENGTH: Limits =
    at_most("height_to_length", 1.0, 1.15, "taller than long");
pub(super) const TAPER: Limits = at_most(
    "taper",
    1.3,
    1.7,
    "the brain is broader below than above, as if upside down",
);
