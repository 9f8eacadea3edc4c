//! Lets the binaries, tests and examples of this package find libtorch at run time.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    // Beside the program first, so that a binary can be carried elsewhere
    // together with its libtorch, then where the build found it.
    println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN/libtorch/lib");
    match std::env::var("DEP_TCH_LIBTORCH_LIB") {
        Ok(lib) => println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}"),
        Err(_) => {
            println!("cargo::warning=torch-sys is not a direct dependency: no path to libtorch")
        }
    }
}
