//! The check of one case.

use std::collections::BTreeMap;
use std::path::Path;

use nnunet_image::{FormatRegistry, Geometry, Image, LabelMap, RawCase, RawDataset};
use nnunet_schema::{LabelScheme, Shape, layout};

use super::{Finding, FindingKind};

pub(super) fn check(
    case: &RawCase,
    dataset: &RawDataset,
    scheme: &LabelScheme,
    registry: &FormatRegistry,
) -> Vec<Finding> {
    let mut check = Check {
        case,
        registry,
        reference: None,
        findings: Vec::new(),
    };
    check.images(dataset.description.channels());
    check.labels(dataset, scheme);
    check.findings
}

struct Check<'a> {
    case: &'a RawCase,
    registry: &'a FormatRegistry,
    /// Shape and geometry of the first channel that could be read.
    reference: Option<(Shape, Geometry)>,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn images(&mut self, channels: usize) {
        let mut found = 0;
        let mut all_read = true;
        for (channel, path) in self.case.images.iter().enumerate() {
            if channel >= channels {
                self.report(FindingKind::SurplusChannel { channels }, path);
                all_read = false;
            } else if !path.is_file() {
                self.report(FindingKind::MissingChannel { channel }, path);
                all_read = false;
            } else {
                match self.registry.read_image(path) {
                    Ok(image) => {
                        found += image.channels();
                        self.image(&image, path);
                    }
                    Err(error) => {
                        all_read = false;
                        let reason = error.to_string();
                        self.report(FindingKind::Unreadable { reason }, path);
                    }
                }
            }
        }
        if all_read && found != channels {
            let kind = FindingKind::ChannelCount {
                expected: channels,
                found,
            };
            self.findings.push(Finding::of_case(&self.case.id, kind));
        }
    }

    fn image(&mut self, image: &Image, path: &Path) {
        self.skew(&image.geometry, path);
        let mut not_finite = image.data.indexed_iter().filter(|(_, v)| !v.is_finite());
        if let Some(((_, z, y, x), _)) = not_finite.next() {
            let kind = FindingKind::NotFinite {
                count: 1 + not_finite.count(),
                voxel: [z, y, x],
            };
            self.report(kind, path);
        }
        let Some((shape, geometry)) = self.reference else {
            self.reference = Some((image.shape(), image.geometry));
            return;
        };
        if image.shape() != shape {
            let kind = FindingKind::ChannelShape {
                expected: shape,
                found: image.shape(),
            };
            self.report(kind, path);
        }
        if !image.geometry.same_spacing(&geometry) {
            let kind = FindingKind::ChannelSpacing {
                expected: geometry.spacing.mm(),
                found: image.geometry.spacing.mm(),
            };
            self.report(kind, path);
        }
        self.position(&image.geometry, &geometry, path);
    }

    fn labels(&mut self, dataset: &RawDataset, scheme: &LabelScheme) {
        let path = self.case.label.clone().unwrap_or_else(|| {
            let name = format!("{}{}", self.case.id, dataset.description.file_ending);
            layout::training_labels(&dataset.folder).join(name)
        });
        if !path.is_file() {
            self.report(FindingKind::MissingLabel, &path);
            return;
        }
        let labels = match self.registry.read_labels(&path) {
            Ok(labels) => labels,
            Err(error) => {
                let reason = error.to_string();
                self.report(FindingKind::Unreadable { reason }, &path);
                return;
            }
        };
        let found = unknown_labels(&labels, scheme);
        if !found.is_empty() {
            let expected = scheme.all_labels().iter().copied();
            let kind = FindingKind::UnknownLabels {
                found,
                expected: expected.chain(scheme.ignore_label()).collect(),
            };
            self.report(kind, &path);
        }
        let Some((shape, geometry)) = self.reference else {
            return;
        };
        if labels.shape() != shape {
            let kind = FindingKind::LabelShape {
                expected: shape,
                found: labels.shape(),
            };
            self.report(kind, &path);
        }
        if !labels.geometry.same_spacing(&geometry) {
            let kind = FindingKind::LabelSpacing {
                expected: geometry.spacing.mm(),
                found: labels.geometry.spacing.mm(),
            };
            self.report(kind, &path);
        }
        self.position(&labels.geometry, &geometry, &path);
    }

    fn skew(&mut self, found: &Geometry, path: &Path) {
        if found.skew > 0.0 {
            let degrees = found.skew;
            self.report(FindingKind::Skewed { degrees }, path);
        }
    }

    /// Compares where a file lies in the world with where the first image lies.
    fn position(&mut self, found: &Geometry, expected: &Geometry, path: &Path) {
        if !found.same_origin(expected) {
            let kind = FindingKind::Origin {
                expected: expected.origin,
                found: found.origin,
            };
            self.report(kind, path);
        }
        if !found.same_direction(expected) {
            let kind = FindingKind::Direction {
                expected: expected.direction,
                found: found.direction,
            };
            self.report(kind, path);
        }
    }

    fn report(&mut self, kind: FindingKind, path: &Path) {
        let finding = Finding::of_case(&self.case.id, kind).in_file(path);
        self.findings.push(finding);
    }
}

/// The labels that the scheme does not have, ascending, with the number of their voxels.
fn unknown_labels(map: &LabelMap, scheme: &LabelScheme) -> Vec<(i16, usize)> {
    let mut counts: BTreeMap<i16, usize> = BTreeMap::new();
    // Neighbours mostly have the same label: count runs.
    let mut run = (0_i16, 0_usize);
    for label in &map.labels {
        if *label != run.0 {
            *counts.entry(run.0).or_default() += run.1;
            run = (*label, 0);
        }
        run.1 += 1;
    }
    *counts.entry(run.0).or_default() += run.1;
    (counts.into_iter())
        .filter(|(label, count)| *count > 0 && !scheme.allows(i64::from(*label)))
        .collect()
}
