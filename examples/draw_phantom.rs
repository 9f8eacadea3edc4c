//! Makes a phantom and draws it with its labels: no dataset, no network.
#![allow(clippy::print_stdout)] // an example shows what it found

use nnunet::draw::overlay::{self, Overlay, OverlayOptions};
use nnunet::phantom::{Phantom, PhantomConfig, PhantomDataset};

fn main() -> anyhow::Result<()> {
    let phantom = Phantom::generate(&PhantomConfig::default(), 0)?;
    let labels = overlay::label_names(&PhantomDataset::default().description())?;
    let picture = overlay::draw(
        &Overlay {
            image: &phantom.image,
            reference: Some(&phantom.labels),
            prediction: None,
            labels: &labels,
        },
        &OverlayOptions::default(),
    )?;
    let path = std::env::temp_dir().join("nnunet-phantom.png");
    picture.save(&path)?;
    println!(
        "{} voxels, drawn to {}",
        phantom.image.shape(),
        path.display()
    );
    Ok(())
}
