//! Lists the cases of the conformance suite, so that they are part of the library.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo says no folder")?)
        .join("tests/conformance/cases");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "yaml") {
            names.push(path.with_extension(""));
        }
    }
    names.sort();
    let mut table = String::from("&[\n");
    for path in names {
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .ok_or("a name is no text")?;
        let script = path.with_extension("yaml");
        let transcript = path.with_extension("txt");
        // A topic that is new has no transcript until it is recorded.
        let said = match transcript.exists() {
            true => format!("include_str!({transcript:?})"),
            false => "\"\"".to_owned(),
        };
        writeln!(table, "    ({name:?}, include_str!({script:?}), {said}),")?;
    }
    table.push_str("]\n");
    let out = env::var_os("OUT_DIR").ok_or("cargo says no folder for what is made")?;
    fs::write(Path::new(&out).join("cases.rs"), table)?;
    Ok(())
}
