//! The plan in words.

use std::fmt;

use super::step::{Element, Home, Work};
use super::{Plan, Role};

/// Lists stages, steps, chosen kernels with the reasons against the others, and memory.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [depth, height, width] = self.grid();
        let threads = self.options.threads;
        writeln!(
            f,
            "grid {depth}x{height}x{width}, {threads} threads, {:.1} GMAC, activations {} MiB, \
             kernel-specific weights {} MiB",
            self.macs() as f64 * 1e-9,
            self.arena_bytes >> 20,
            self.prepared_bytes() >> 20,
        )?;
        for (number, stage) in self.stages.iter().enumerate() {
            let written = stage.regions.iter().filter_map(|region| match region.role {
                Role::Written(id) => Some(self.tensors[id].name.as_str()),
                _ => None,
            });
            writeln!(
                f,
                "stage {number}: {} slabs, workspace {} KiB, stores {}",
                stage.group.slabs.count,
                (stage.group.slabs.count * stage.slab_bytes()) >> 10,
                written.collect::<Vec<_>>().join(", "),
            )?;
            for index in stage.group.steps.clone() {
                self.explain_step(f, index)?;
            }
        }
        Ok(())
    }
}

impl Plan {
    fn explain_step(&self, f: &mut fmt::Formatter<'_>, index: usize) -> fmt::Result {
        let step = &self.steps[index];
        let work = match &step.work {
            Work::Conv(conv) if conv.residual.is_some() => "convolution + residual",
            Work::Conv(_) => "convolution",
            Work::Upsample { .. } => "upsampling",
            Work::Pointwise { .. } => "pointwise",
            Work::Quantise { .. } => "quantisation",
            Work::Result { .. } => "result",
        };
        write!(f, "  {:24} {work:22}", step.name)?;
        for id in step.outputs().into_iter().flatten() {
            let tensor = &self.tensors[id];
            let [depth, height, width] = tensor.grid();
            write!(f, " {}x{depth}x{height}x{width}", tensor.channels)?;
            if let Element::U8(_) = tensor.element {
                write!(f, " u8")?;
            }
            if let Home::Ring { slots, .. } = tensor.home {
                write!(f, " (ring of {slots})")?;
            }
        }
        writeln!(f)?;
        if let Some(conv) = &self.convs[index] {
            writeln!(f, "      {}", conv.name())?;
            for refusal in conv.refused() {
                writeln!(f, "        not {}: {}", refusal.name, refusal.reason)?;
            }
        }
        Ok(())
    }
}
