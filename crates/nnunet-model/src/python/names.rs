//! The names that a Python module gives its tensors, several to each.
//!
//! nnU-Net v2's blocks register convolution and norm twice (by name, and in a sequence called
//! `all_modules`), and its decoder holds the encoder, so that a state dictionary lists most
//! tensors four times. Python's strict loading wants all of these names.

use crate::UNet;

/// Names of a state dictionary in its order, each with the name that the tensor has here.
pub(super) fn state_dict(network: &UNet) -> Vec<(String, String)> {
    let mut encoder = Vec::new();
    let mut decoder = Vec::new();
    let names: Vec<&str> = network.parameters().iter().map(|(name, _)| name).collect();
    let buffers: Vec<&str> = network.buffers().iter().map(|(name, _)| name).collect();
    for unit in names.chunk_by(|a, b| unit_of(a).is_some() && unit_of(a) == unit_of(b)) {
        let Some(&first) = unit.first() else {
            continue;
        };
        let own = match unit_of(first) {
            None => unit
                .iter()
                .map(|n| ((*n).to_owned(), (*n).to_owned()))
                .collect(),
            Some(prefix) => unit_names(prefix, unit, &buffers),
        };
        match first.starts_with("encoder.") {
            true => encoder.extend(own),
            false => decoder.extend(own),
        }
    }
    let again = (encoder.iter()).map(|(name, own)| (format!("decoder.{name}"), own.clone()));
    let again: Vec<_> = again.collect();
    encoder.into_iter().chain(again).chain(decoder).collect()
}

/// The name of the block of a convolution with norm that a tensor belongs to.
fn unit_of(name: &str) -> Option<&str> {
    let (rest, _) = name.rsplit_once('.')?;
    let (prefix, part) = rest.rsplit_once('.')?;
    matches!(part, "conv" | "norm").then_some(prefix)
}

/// Both names of everything in a block.
fn unit_names(prefix: &str, unit: &[&str], buffers: &[&str]) -> Vec<(String, String)> {
    let buffers = (buffers.iter()).filter(|name| unit_of(name) == Some(prefix));
    let own: Vec<&str> = unit.iter().chain(buffers).copied().collect();
    let alias = |name: &str| {
        let within = name.strip_prefix(prefix).unwrap_or(name);
        let within = within.replacen(".conv.", ".all_modules.0.", 1);
        format!(
            "{prefix}{}",
            within.replacen(".norm.", ".all_modules.1.", 1)
        )
    };
    let first = own
        .iter()
        .map(|name| ((*name).to_owned(), (*name).to_owned()));
    let second = own.iter().map(|name| (alias(name), (*name).to_owned()));
    first.chain(second).collect()
}
