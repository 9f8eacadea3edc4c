use std::io::Write;
use std::path::Path;

use nnunet_schema::{Summary, atomic};

use crate::EvaluateError;
use crate::Overlap;
use crate::summarise::file_name;
use crate::surface::SurfaceSummary;

/// What a table of cases is made of.
#[derive(Clone, Copy, Debug)]
pub struct CaseTable<'a> {
    /// Overlap.
    pub summary: &'a Summary,
    /// The volume of a voxel in cubic millimetres, case by case as in the summary; see
    /// [`Measured`](crate::Measured).
    pub voxel_mm3: Option<&'a [f64]>,
    /// Distances.
    pub surfaces: Option<&'a SurfaceSummary>,
}

/// Writes the metrics of every case and class as a table of comma-separated values, one row per
/// case and class; atomically.
///
/// Columns are `case` (the file name of the prediction), `class` (as in `summary.json`), the
/// ratios, the voxel counts and, as far as they are known, the volumes in cubic millimetres and
/// the distances in millimetres. A ratio that there is none of is empty; an infinite distance is
/// `inf`.
///
/// # Errors
/// [`EvaluateError::Schema`] if the file cannot be written.
pub fn write_csv(path: &Path, table: &CaseTable<'_>) -> Result<(), EvaluateError> {
    let CaseTable {
        summary,
        voxel_mm3,
        surfaces,
    } = *table;
    let mut text = String::from(
        "case,class,dice,iou,precision,recall,true_positive,false_positive,false_negative,\
         true_negative,predicted_voxels,reference_voxels",
    );
    if voxel_mm3.is_some() {
        text.push_str(",predicted_mm3,reference_mm3");
    }
    if surfaces.is_some() {
        text.push_str(",hausdorff_mm,hausdorff_95_mm,average_distance_mm,surface_dice");
    }
    text.push('\n');
    for (number, case) in summary.metric_per_case.iter().enumerate() {
        let name = file_name(&case.prediction_file);
        let distances = surfaces.and_then(|surfaces| {
            // Cases of surfaces are named without the ending, and may have dots of their own.
            let named = |c: &&crate::surface::CaseSurfaces| {
                let rest = name.strip_prefix(c.case.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let cases = surfaces.cases.iter().filter(named);
            cases.max_by_key(|case| case.case.len())
        });
        for (key, metrics) in &case.metrics {
            let overlap = Overlap {
                true_positive: metrics.true_positive,
                false_positive: metrics.false_positive,
                false_negative: metrics.false_negative,
                true_negative: metrics.true_negative,
            };
            let mut fields = vec![quoted(name), quoted(key)];
            let ratios = [
                metrics.dice,
                metrics.iou,
                overlap.precision(),
                overlap.recall(),
            ];
            fields.extend(ratios.map(number_of));
            let counts = [
                metrics.true_positive,
                metrics.false_positive,
                metrics.false_negative,
                metrics.true_negative,
                metrics.n_pred,
                metrics.n_ref,
            ];
            fields.extend(counts.map(|count| count.to_string()));
            if let Some(voxel_mm3) = voxel_mm3 {
                let volume = voxel_mm3.get(number).copied().unwrap_or(f64::NAN);
                let voxels = [metrics.n_pred, metrics.n_ref];
                fields.extend(voxels.map(|voxels| number_of(voxels as f64 * volume)));
            }
            if surfaces.is_some() {
                let found = distances.and_then(|case| case.metrics.get(key));
                let values = found.map_or([f64::NAN; 4], |found| {
                    [
                        found.hausdorff,
                        found.hausdorff_95,
                        found.average_distance,
                        found.surface_dice,
                    ]
                });
                fields.extend(values.map(number_of));
            }
            text.push_str(&fields.join(","));
            text.push('\n');
        }
    }
    Ok(atomic::write_with(path, |file| {
        file.write_all(text.as_bytes())
    })?)
}

fn number_of(value: f64) -> String {
    if value.is_nan() {
        String::new()
    } else {
        value.to_string()
    }
}

/// A field, in quotation marks where commas or quotation marks are in it.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nnunet_schema::summary::CaseMetrics;

    use super::*;
    use crate::summarise;
    use crate::surface::{CaseSurfaces, SurfaceMetrics};

    #[test]
    fn a_row_per_case_and_class() {
        let overlap = Overlap {
            true_positive: 1,
            false_positive: 3,
            false_negative: 1,
            true_negative: 7,
        };
        let absent = Overlap {
            true_negative: 12,
            ..Overlap::default()
        };
        let summary = summarise(vec![CaseMetrics {
            metrics: [
                ("(1, 2)".to_owned(), overlap.into()),
                ("2".to_owned(), absent.into()),
            ]
            .into(),
            prediction_file: "p/a.nii.gz".to_owned(),
            reference_file: "r/a.nii.gz".to_owned(),
        }])
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cases.csv");
        let rows = |voxel_mm3: Option<&[f64]>, surfaces: Option<&SurfaceSummary>| -> Vec<String> {
            let table = CaseTable {
                summary: &summary,
                voxel_mm3,
                surfaces,
            };
            write_csv(&path, &table).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            text.lines().map(str::to_owned).collect()
        };
        let plain = rows(None, None);
        assert_eq!(plain.len(), 3);
        assert_eq!(
            plain[1],
            "a.nii.gz,\"(1, 2)\",0.3333333333333333,0.2,0.25,0.5,1,3,1,7,4,2"
        );
        assert_eq!(plain[2], "a.nii.gz,2,,,,,0,0,0,12,0,0");

        let metrics = SurfaceMetrics {
            hausdorff: f64::INFINITY,
            hausdorff_95: 2.5,
            average_distance: 1.0,
            surface_dice: 0.0,
        };
        let surfaces = SurfaceSummary {
            tolerance_mm: [].into(),
            mean: [].into(),
            cases: vec![CaseSurfaces {
                case: "a".to_owned(),
                metrics: [("(1, 2)".to_owned(), metrics)].into(),
            }],
        };
        let more = rows(None, Some(&surfaces));
        assert_eq!(more[1], format!("{},inf,2.5,1,0", plain[1]));
        assert_eq!(more[2], format!("{},,,,", plain[2]));
        let volumes = rows(Some(&[0.5]), Some(&surfaces));
        assert!(volumes[0].contains("reference_voxels,predicted_mm3,reference_mm3,hausdorff_mm"));
        assert_eq!(volumes[1], format!("{},2,1,inf,2.5,1,0", plain[1]));
    }
}
