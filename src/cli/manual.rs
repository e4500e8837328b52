//! Manual pages and shell completions, made from the command line's own definition.

use clap::CommandFactory;
use clap_complete::Shell;

use super::stdout::print;
use super::{Arguments, Failure};

/// Command line of `completions`.
#[derive(clap::Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

/// Command line of `man`.
#[derive(clap::Args)]
pub struct Man {
    /// Command to describe; by default the program
    command: Option<String>,
}

/// Prints the completions.
pub fn completions(arguments: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Arguments::command(),
        "endocast",
        &mut script,
    );
    print(&script)
}

/// Prints a manual page.
pub fn man(arguments: &Man) -> Result<(), Failure> {
    let mut program = Arguments::command();
    program.build();
    let command = match &arguments.command {
        None => program,
        Some(name) => {
            let command = program.find_subcommand(name).cloned();
            command
                .map(|command| command.version(env!("CARGO_PKG_VERSION")))
                .ok_or_else(|| Failure::Usage(format!("no command '{name}'; see --help")))?
        }
    };
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command).render(&mut page);
    rendered.map_err(|cause| Failure::Output(cause.to_string()))?;
    print(&page)
}
