//! A Boutiques descriptor.

use clap::{Arg, ArgAction};

use super::super::{failure, json};
use super::{NUMBERS, description, is_output};

/// Suffixes that the default outputs' names leave out.
const SUFFIXES: [&str; 7] = [".nii.gz", ".nii", ".hdr", ".img", ".mgz", ".mgh", ".gz"];

/// The descriptor, schema 0.5.
pub fn descriptor(options: &[Arg]) -> json::Value {
    let mut line = String::from("endocast [SCAN]");
    let mut inputs = vec![json::object([
        ("id", "scan".into()),
        ("name", "Head scan".into()),
        ("type", "File".into()),
        ("value-key", "[SCAN]".into()),
        ("optional", json::Value::Bool(false)),
    ])];
    let mut outputs = Vec::new();
    for (name, ending) in [("brain", "_brain.nii.gz"), ("mask", "_brain_mask.nii.gz")] {
        outputs.push(output(
            format!("default_{name}"),
            format!("{name}, unless outputs are named"),
            format!("[SCAN]{ending}"),
        ));
    }
    for option in options {
        let key = format!("[{}]", option.get_id().as_str().to_uppercase());
        line.push(' ');
        line.push_str(&key);
        inputs.push(input(option, &key));
        if is_output(option) {
            let id = option.get_id();
            outputs.push(output(format!("{id}_file"), description(option), key));
        }
    }
    let codes = failure::EXIT_CODES.lines().filter_map(|line| {
        let (code, meaning) = line.trim().split_once(' ')?;
        let code: f64 = code.parse().ok()?;
        (code > 0.0).then(|| {
            json::object([
                ("code", code.into()),
                ("description", meaning.trim().into()),
            ])
        })
    });
    json::object([
        ("name", "endocast".into()),
        ("description", "Brain extraction from head MRI".into()),
        ("tool-version", env!("CARGO_PKG_VERSION").into()),
        ("schema-version", "0.5".into()),
        ("command-line", line.into()),
        ("inputs", json::Value::Array(inputs)),
        ("output-files", json::Value::Array(outputs)),
        ("error-codes", json::Value::Array(codes.collect())),
        (
            "suggested-resources",
            json::object([
                ("cpu-cores", 4.0.into()),
                ("ram", 2.0.into()),
                ("walltime-estimate", 60.0.into()),
            ]),
        ),
        (
            "tags",
            json::object([(
                "domain",
                json::Value::Array(vec!["neuroinformatics".into(), "mri".into()]),
            )]),
        ),
    ])
}

fn input(option: &Arg, key: &str) -> json::Value {
    let id = option.get_id().as_str();
    let is_flag = matches!(option.get_action(), ArgAction::SetTrue);
    let kind = match id {
        _ if is_flag => "Flag",
        _ if NUMBERS.contains(&id) => "Number",
        _ => "String",
    };
    let flag = format!("--{}", option.get_long().unwrap_or(id));
    json::object([
        ("id", id.into()),
        ("name", id.replace('_', " ").into()),
        ("description", description(option).into()),
        ("type", kind.into()),
        ("value-key", key.into()),
        ("command-line-flag", flag.into()),
        ("optional", json::Value::Bool(true)),
    ])
}

fn output(id: String, name: String, template: String) -> json::Value {
    let suffixes = SUFFIXES.map(json::Value::from);
    json::object([
        ("id", id.into()),
        ("name", name.into()),
        ("path-template", template.into()),
        (
            "path-template-stripped-extensions",
            json::Value::Array(suffixes.into()),
        ),
        ("optional", json::Value::Bool(true)),
    ])
}
