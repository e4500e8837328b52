//! A nipype interface, as the text of a Python module.

use std::fmt::Write as _;

use clap::{Arg, ArgAction};

use super::{NUMBERS, description, is_output};

const IMPORTS: &str = "\
\"\"\"nipype interface of endocast: brain extraction from head MRI.\"\"\"

import os

from nipype.interfaces.base import CommandLine, CommandLineInputSpec, File, TraitedSpec, traits
";

const INTERFACE: &str = r#"class Endocast(CommandLine):
    """Brain extraction. Without a named output, brain and mask are named after the scan."""

    _cmd = "endocast extract"
    input_spec = EndocastInputSpec
    output_spec = EndocastOutputSpec

    def _parse_inputs(self, skip=None):
        if not self._named():
            stem = os.path.basename(str(self.inputs.scan))
            for suffix in (".gz", ".nii", ".hdr", ".img", ".mgz", ".mgh"):
                stem = stem.removesuffix(suffix)
            self.inputs.brain = stem + "_brain.nii.gz"
            self.inputs.mask = stem + "_brain_mask.nii.gz"
        return super()._parse_inputs(skip=skip)

    def _named(self):
        values = {name: getattr(self.inputs, name) for name in self.output_spec().get()}
        return {name: value for name, value in values.items() if isinstance(value, str) and value}

    def _list_outputs(self):
        return {name: os.path.abspath(value) for name, value in self._named().items()}
"#;

/// The module: classes `EndocastInputSpec`, `EndocastOutputSpec` and `Endocast`.
pub fn module(options: &[Arg]) -> String {
    let mut inputs = String::from(
        "class EndocastInputSpec(CommandLineInputSpec):\n    \
         scan = File(exists=True, mandatory=True, position=0, argstr=\"%s\", desc=\"Head scan\")\n",
    );
    let mut outputs = String::from("class EndocastOutputSpec(TraitedSpec):\n");
    for option in options {
        let id = option.get_id().as_str();
        let flag = option.get_long().unwrap_or(id);
        let text = quoted(&description(option));
        let (kind, format) = match option.get_action() {
            ArgAction::SetTrue => ("traits.Bool", String::new()),
            _ if is_output(option) => ("File", " %s".into()),
            _ if NUMBERS.contains(&id) => ("traits.Float", " %g".into()),
            _ => ("traits.Str", " %s".into()),
        };
        let _ = writeln!(
            inputs,
            "    {id} = {kind}(argstr=\"--{flag}{format}\", desc={text})"
        );
        if is_output(option) {
            let _ = writeln!(outputs, "    {id} = File(desc={text})");
        }
    }
    [IMPORTS, &inputs, &outputs, INTERFACE].join("\n\n")
}

/// A Python string.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
