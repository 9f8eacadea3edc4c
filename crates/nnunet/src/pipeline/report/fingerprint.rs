//! The facts about the images, and how they compare.

use std::collections::BTreeMap;
use std::fs;

use nnunet_image::RawDataset;
use nnunet_report::data::{
    ChannelIntensities, ClassVolumes, Comparison, Fingerprint, Part, Property, Spread,
};
use nnunet_schema::DatasetFingerprint;

use super::Sources;
use super::candidates::{Validated, case_name};
use crate::pipeline::compare::{FingerprintFile, compare_fingerprints};

const AXES: [&str; 3] = ["z", "y", "x"];
const MICROLITRES_PER_MILLILITRE: f64 = 1000.0;

impl Sources<'_> {
    pub(super) fn fingerprint(&self, validated: &[Validated]) -> Part<Fingerprint> {
        let path = self.pipeline.layout.fingerprint(&self.dataset);
        if !path.is_file() {
            return Part::missing(format!(
                "There is no fingerprint yet: `nnunet fingerprint {}` makes it.",
                self.dataset
            ));
        }
        DatasetFingerprint::load(&path)
            .map(|found| Fingerprint {
                cases: found.shapes_after_crop.len(),
                kept_by_cropping: found.median_relative_size_after_cropping,
                geometry: geometry(&found),
                intensities: self.intensities(&found),
                volumes: self.volumes(&found, validated),
                comparison: self.comparison(),
            })
            .into()
    }

    fn intensities(&self, found: &DatasetFingerprint) -> Vec<ChannelIntensities> {
        let description = self.description.present();
        let names = description.map_or_else(Vec::new, |d| d.ordered_channel_names());
        let channels = &found.foreground_intensity_properties_per_channel;
        (0..channels.len())
            .filter_map(|number| {
                let of = channels.get(&number.to_string())?;
                let name = names.get(number).map(|name| (*name).to_owned());
                Some(ChannelIntensities {
                    channel: name.unwrap_or_else(|| number.to_string()),
                    mean: of.mean,
                    deviation: of.std,
                    lowest: of.min,
                    percentile_00_5: of.percentile_00_5,
                    median: of.median,
                    percentile_99_5: of.percentile_99_5,
                    highest: of.max,
                })
            })
            .collect()
    }

    /// From the voxels of the references, which the validation has counted, and the spacings.
    fn volumes(
        &self,
        found: &DatasetFingerprint,
        validated: &[Validated],
    ) -> Part<Vec<ClassVolumes>> {
        let most = validated
            .iter()
            .max_by_key(|one| one.summary.metric_per_case.len());
        let Some(most) = most else {
            return Part::missing(
                "The voxels of the classes are counted when a fold is validated, which has not \
                 happened yet.",
            );
        };
        self.classes()
            .and_then(|classes| {
                let voxel_volumes = self.voxel_volumes(found)?;
                let mut volumes: Vec<ClassVolumes> = (classes.classes().iter())
                    .map(|class| ClassVolumes {
                        class: class.name().to_owned(),
                        millilitres: Vec::new(),
                        cases_without: 0,
                    })
                    .collect();
                for case in &most.summary.metric_per_case {
                    let name = case_name(&case.prediction_file);
                    let Some(microlitres) = voxel_volumes.get(&name) else {
                        return Err(format!("the fingerprint does not have the case `{name}`"));
                    };
                    for (class, volume) in classes.classes().iter().zip(&mut volumes) {
                        match case.metrics.get(class.key()).map_or(0, |m| m.n_ref) {
                            0 => volume.cases_without += 1,
                            voxels => {
                                let microlitres = voxels as f64 * microlitres;
                                let millilitres = microlitres / MICROLITRES_PER_MILLILITRE;
                                volume.millilitres.push(millilitres);
                            }
                        }
                    }
                }
                Ok(volumes)
            })
            .into()
    }

    /// Cubic millimetres of a voxel of each case: the fingerprint has them in the order of the
    /// raw dataset.
    fn voxel_volumes(&self, found: &DatasetFingerprint) -> Result<BTreeMap<String, f64>, String> {
        let folder = self.pipeline.layout.raw_dataset(&self.dataset);
        let raw = RawDataset::scan(&folder).map_err(|error| error.to_string())?;
        if raw.cases.len() != found.spacings.len() {
            return Err(format!(
                "the fingerprint has {} cases, the raw dataset {}: `nnunet fingerprint {}` makes it \
                 anew",
                found.spacings.len(),
                raw.cases.len(),
                self.dataset
            ));
        }
        let volume = |spacing: &nnunet_schema::Spacing| spacing.mm().iter().product();
        Ok((raw.cases.into_iter().zip(&found.spacings))
            .map(|(case, spacing)| (case.id, volume(spacing)))
            .collect())
    }

    /// With all datasets of the preprocessed folder that have a fingerprint.
    fn comparison(&self) -> Part<Comparison> {
        let root = &self.pipeline.layout.preprocessed;
        let mut names: Vec<String> = (fs::read_dir(root).into_iter().flatten())
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with("Dataset"))
            .filter(|name| self.pipeline.layout.fingerprint(name).is_file())
            .collect();
        names.sort_unstable();
        if names.len() < 2 {
            return Part::missing(format!(
                "{} has the fingerprint of no other dataset.",
                root.display()
            ));
        }
        let files: Vec<FingerprintFile> = (names.iter())
            .map(|name| FingerprintFile::new(&self.pipeline.layout.fingerprint(name)))
            .collect();
        compare_fingerprints(&files)
            .map(|compared| Comparison {
                own: (names.iter().position(|name| *name == self.dataset)).unwrap_or(0),
                datasets: compared.datasets,
                properties: (compared.properties.into_iter())
                    .map(|row| Property {
                        name: row.property.name().to_owned(),
                        values: row.values,
                        z_scores: row.z_scores,
                    })
                    .collect(),
            })
            .into()
    }
}

fn geometry(found: &DatasetFingerprint) -> Vec<Spread> {
    let edges = (0..3).map(|axis| Spread {
        name: format!("size along {}", AXES[axis]),
        unit: "voxels".to_owned(),
        values: (found.shapes_after_crop.iter())
            .map(|shape| shape[axis] as f64)
            .collect(),
    });
    let spacings = (0..3).map(|axis| Spread {
        name: format!("spacing along {}", AXES[axis]),
        unit: "mm".to_owned(),
        values: found.spacings.iter().map(|spacing| spacing[axis]).collect(),
    });
    edges.chain(spacings).collect()
}
