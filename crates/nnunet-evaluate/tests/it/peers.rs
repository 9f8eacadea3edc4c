use std::fs;
use std::path::Path;
use std::process::Command;

use ndarray::Array3;
use nnunet_evaluate::components::{Connectivity, connected_components};
use nnunet_evaluate::distance::distance_to;
use nnunet_evaluate::postprocessing::{PickleOutcome, Postprocessing};
use nnunet_evaluate::surface::surface_metrics;
use nnunet_schema::Spacing;

const SHAPE: [usize; 3] = [14, 33, 41];
const SPACING: [f64; 3] = [2.5, 0.7, 0.8];
const TOLERANCE: f64 = 1.3;

/// Surfaces, distances and components as SciPy has them: two masks in, three files out.
const SCRIPT: &str = r"
import sys
import numpy as np
from scipy import ndimage
folder, shape, spacing, tolerance = sys.argv[1], [14, 33, 41], [2.5, 0.7, 0.8], 1.3
read = lambda name: np.fromfile(f'{folder}/{name}', np.uint8).reshape(shape)
a, b, labels = read('a') > 0, read('b') > 0, read('labels')
surface = lambda mask: mask & ~ndimage.binary_erosion(mask, ndimage.generate_binary_structure(3, 1))
to = lambda mask: ndimage.distance_transform_edt(~mask, sampling=spacing)
surface_a, surface_b = surface(a), surface(b)
forth, back = to(surface_a)[surface_b], to(surface_b)[surface_a]
both = np.concatenate([forth, back])
print(both.max(), max(np.percentile(forth, 95), np.percentile(back, 95)), both.mean(),
      (both <= tolerance).mean())
to(a).tofile(f'{folder}/distances')
for rank in 1, 2, 3:
    structure = ndimage.generate_binary_structure(3, rank)
    print(*(ndimage.label(labels == label, structure)[1] for label in (1, 2, 3)))
";

/// The interpreter to compare with, if it has SciPy.
fn python(test: &str) -> Option<Command> {
    let program = std::env::var_os("NNUNET_PYTHON").unwrap_or_else(|| "python3".into());
    let has_scipy = Command::new(&program)
        .args(["-c", "import numpy, scipy.ndimage"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !has_scipy {
        println!("skipped: {test} needs Python with SciPy: name one in NNUNET_PYTHON");
        return None;
    }
    Some(Command::new(program))
}

/// A lump with folds, `shift` voxels along x.
fn lump(shift: f64) -> Array3<bool> {
    Array3::from_shape_fn(SHAPE, |(z, y, x)| {
        let (z, y, x) = (z as f64, y as f64, x as f64 - shift);
        let square = ((z - 6.0) / 5.0).powi(2) + ((y - 15.0) / 12.0).powi(2);
        let fold = 1.0 + 0.3 * (z * 1.1).sin() * (y * 0.7).cos() * (x * 0.9).sin();
        square + ((x - 18.0) / 14.0).powi(2) < fold
    })
}

#[test]
fn surfaces_distances_and_components_equal_those_of_scipy() {
    let test = "surfaces_distances_and_components_equal_those_of_scipy";
    let Some(mut python) = python(test) else {
        return;
    };
    let (a, b) = (lump(0.0), lump(5.0));
    let labels = Array3::from_shape_fn(SHAPE, |(z, y, x)| {
        let scattered = (z * 7919 + y * 104_729 + x * 1_299_709) % 1013;
        u8::try_from(scattered % 4).unwrap()
    });
    let folder = tempfile::tempdir().unwrap();
    let bytes = |mask: &Array3<bool>| mask.iter().map(|v| u8::from(*v)).collect::<Vec<_>>();
    fs::write(folder.path().join("a"), bytes(&a)).unwrap();
    fs::write(folder.path().join("b"), bytes(&b)).unwrap();
    let voxels: Vec<u8> = labels.iter().copied().collect();
    fs::write(folder.path().join("labels"), voxels).unwrap();
    let output = (python.arg("-c").arg(SCRIPT).arg(folder.path()))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines().map(|line| {
        let numbers = line.split_whitespace().map(|v| v.parse::<f64>().unwrap());
        numbers.collect::<Vec<_>>()
    });

    let spacing = Spacing::new(SPACING).unwrap();
    let found = surface_metrics(a.view(), b.view(), spacing, TOLERANCE).unwrap();
    let found = [
        found.hausdorff,
        found.hausdorff_95,
        found.average_distance,
        found.surface_dice,
    ];
    let wanted = lines.next().unwrap();
    assert!(found.iter().all(|v| *v > 0.0), "{found:?}");
    for (found, wanted) in found.iter().zip(&wanted) {
        assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
    }

    let distances = distance_to::<f64>(a.view(), spacing);
    let wanted = doubles(&folder.path().join("distances"));
    assert_eq!(wanted.len(), distances.len());
    assert!((distances.iter().zip(&wanted)).all(|(a, b)| (a - b).abs() < 1e-6));

    for connectivity in [Connectivity::Face, Connectivity::Edge, Connectivity::Full] {
        let found = connected_components(labels.view(), connectivity).unwrap();
        let count = |label: u16| {
            let of_label = found.components().iter().filter(|c| c.label == label);
            of_label.count() as f64
        };
        assert_eq!([1, 2, 3].map(count).to_vec(), lines.next().unwrap());
    }
}

fn doubles(path: &Path) -> Vec<f64> {
    let bytes = fs::read(path).unwrap();
    let (words, rest) = bytes.as_chunks::<8>();
    assert!(rest.is_empty());
    words.iter().map(|word| f64::from_le_bytes(*word)).collect()
}

/// Reads a pickle without the program that it is for: functions become their names.
const UNPICKLE: &str = r"
import pickle, sys
class Reader(pickle.Unpickler):
    def find_class(self, module, name):
        return f'{module}.{name}'
with open(sys.argv[1], 'rb') as file:
    print(Reader(file).load())
";

#[test]
fn python_reads_the_steps_of_postprocessing() {
    let Some(mut python) = python("python_reads_the_steps_of_postprocessing") else {
        return;
    };
    let text = r#"{"input_folder": {"foreground_mean": MEANS, "mean": {}},
        "postprocessed": {"foreground_mean": MEANS, "mean": {}},
        "postprocessing_fns": ["NAME", "NAME"],
        "postprocessing_kwargs": [{"labels_or_regions": [[1, 2], 300]}, {"labels_or_regions": 2}]}"#;
    let means =
        r#"{"Dice": 1, "FN": 0, "FP": 0, "IoU": 1, "TN": 1, "TP": 1, "n_pred": 1, "n_ref": 1}"#;
    let name = "remove_all_but_largest_component_from_segmentation";
    let text = text.replace("MEANS", means).replace("NAME", name);
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("postprocessing.json");
    fs::write(&document, text).unwrap();
    let mut steps = Postprocessing::load(&document).unwrap();

    let pickle = folder.path().join("postprocessing.pkl");
    assert_eq!(steps.save_pickle(&pickle).unwrap(), PickleOutcome::Written);
    let output = python.args(["-c", UNPICKLE]).arg(&pickle).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let function = format!("'nnunetv2.postprocessing.remove_connected_components.{name}'");
    let wanted = format!(
        "([{function}, {function}], [{{'labels_or_regions': [(1, 2), 300]}}, \
         {{'labels_or_regions': 2}}])"
    );
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), wanted);

    steps.connectivity = Connectivity::Face;
    let other = folder.path().join("other.pkl");
    let outcome = steps.save_pickle(&other).unwrap();
    assert_eq!(outcome, PickleOutcome::OtherNeighbourhood);
    assert!(!other.exists());
}
