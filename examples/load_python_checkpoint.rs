//! A checkpoint of the Python program without Python: what is in it, what its network costs, and
//! what the network answers. Give a `checkpoint_final.pth`; without one, the example writes a
//! small one first, as the Python program could read it.
#![allow(clippy::print_stdout)] // an example shows what it found

use std::path::PathBuf;

use anyhow::Context;
use nnunet::model::{
    CheckpointKind, Device, ModelInfo, PythonCheckpoint, Strictness, Tensor, UNet,
};
use nnunet::schema::{Fold, Plans, RuleSet, layout};

#[path = "support/small_model.rs"]
mod small_model;

fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => {
            let model = small_model::write(folder.path(), RuleSet::ResencM)?;
            CheckpointKind::Final.python_path(&layout::fold(&model, Fold::Number(0)))
        }
    };

    // Nothing in the file is run: what means nothing here is listed instead.
    let checkpoint = PythonCheckpoint::open(&path)?;
    let metadata = checkpoint.metadata();
    let trainer = metadata
        .trainer_name
        .as_deref()
        .unwrap_or("unknown trainer");
    println!("{trainer}, {} epochs", metadata.current_epoch);
    for skipped in checkpoint.skipped() {
        println!("skipped: {skipped}");
    }

    let spec = metadata.network_spec(&path)?;
    let plans: Plans = serde_json::from_value(metadata.init_args.plans.clone())?;
    let name = metadata.init_args.configuration.as_deref();
    let patch = plans
        .configuration(name.context("no configuration")?)?
        .patch_size;
    println!("{}", ModelInfo::new(&spec, &patch)?);

    let mut network = UNet::zeros(spec, Device::Cpu)?;
    let report = checkpoint.load_into(&mut network, Strictness::Exact)?;
    println!("{report}");
    let shape: Vec<i64> = [1, network.spec().channels()]
        .iter()
        .chain(&patch)
        .map(|edge| *edge as i64)
        .collect();
    let zeros = vec![0.0_f32; shape.iter().product::<i64>() as usize];
    let logits = network.infer(&Tensor::f_from_slice(&zeros)?.f_view(shape.as_slice())?)?;
    println!("logits of shape {:?}", logits.size());
    Ok(())
}
