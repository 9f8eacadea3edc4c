//! The figures of planned networks.

use nnunet_planner::draw::{Drawing, compact, svg};
use nnunet_schema::plans::{Architecture, Dimensionality, EncoderDepths, Stages};
use nnunet_schema::{Configuration, Plans};
use proptest::prelude::*;
use roxmltree::{Document, Node};
use serde_json::json;

use crate::common::fixtures;

/// A network of `stages` stages, pooled along all axes but the first.
fn network(axes: usize, stages: usize, encoder: EncoderDepths) -> Configuration {
    let dimensionality = if axes == 2 {
        Dimensionality::Two
    } else {
        Dimensionality::Three
    };
    let row = |first: usize, others: usize| {
        let mut row = vec![others; axes];
        row[0] = first;
        row
    };
    let mut strides = vec![row(1, 2); stages];
    strides[0] = row(1, 1);
    let mut kernels = vec![row(3, 3); stages];
    kernels[0] = row(1, 3);
    let stages = Stages {
        features: (0..stages).map(|stage| (32 << stage).min(320)).collect(),
        kernels,
        strides,
        encoder,
        decoder_convolutions: 2,
    };
    serde_json::from_value(json!({
        "data_identifier": "", "preprocessor_name": "", "batch_size": 2,
        "patch_size": row(40, 512), "median_image_size_in_voxels": row(80, 700),
        "spacing": vec![0.762_882; axes], "normalization_schemes": [], "use_mask_for_norm": [],
        "resampling_fn_data": "", "resampling_fn_seg": "", "resampling_fn_data_kwargs": {},
        "resampling_fn_seg_kwargs": {}, "resampling_fn_probabilities": "",
        "resampling_fn_probabilities_kwargs": {}, "batch_dice": false,
        "architecture": Architecture::unet(dimensionality, &stages)
    }))
    .unwrap()
}

fn plain(axes: usize, stages: usize) -> Configuration {
    network(axes, stages, EncoderDepths::Convolutions(vec![2; stages]))
}

fn residual(axes: usize, stages: usize) -> Configuration {
    let depths = (0..stages).map(|stage| [1, 3, 4, 6][stage.min(3)]);
    network(axes, stages, EncoderDepths::Blocks(depths.collect()))
}

fn drawing(configuration: &Configuration) -> Drawing<'_> {
    Drawing {
        dataset: "Dataset001_Test",
        name: "3d_fullres",
        configuration,
        input_channels: 1,
        output_channels: 3,
    }
}

#[derive(Clone, Copy, Debug)]
struct Area {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Area {
    fn meets(self, other: Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

fn number(node: Node<'_, '_>, attribute: &str) -> f64 {
    node.attribute(attribute).unwrap().parse().unwrap()
}

/// The boxes of all texts, with what they say, at a width that is common for their font size.
fn texts(document: &Document<'_>) -> Vec<(Area, String)> {
    let nodes = document
        .descendants()
        .filter(|node| node.has_tag_name("text"));
    let areas = nodes.map(|node| {
        let text = node.text().unwrap().to_owned();
        let (size, x) = (number(node, "font-size"), number(node, "x"));
        let width = 0.6 * size * text.chars().count() as f64;
        let left = match node.attribute("text-anchor").unwrap() {
            "start" => x,
            "end" => x - width,
            other => panic!("unexpected anchor {other}"),
        };
        let baseline = number(node, "y");
        let area = Area {
            left,
            top: baseline - 0.75 * size,
            right: left + width,
            bottom: baseline + 0.22 * size,
        };
        (area, text)
    });
    areas.collect()
}

/// The boxes of all plates.
fn plates(document: &Document<'_>) -> Vec<Area> {
    let nodes = document.descendants();
    let nodes = nodes.filter(|node| node.has_tag_name("rect") && node.attribute("x").is_some());
    let areas = nodes.map(|node| {
        let (left, top) = (number(node, "x"), number(node, "y"));
        Area {
            left,
            top,
            right: left + number(node, "width"),
            bottom: top + number(node, "height"),
        }
    });
    areas.collect()
}

/// The boxes of all parts of lines, which go along the axes.
fn lines(document: &Document<'_>) -> Vec<Area> {
    let nodes = document.descendants();
    let nodes = nodes.filter(|node| node.has_tag_name("polyline"));
    let areas = nodes.flat_map(|node| {
        let points = node.attribute("points").unwrap().split(' ');
        let points: Vec<(f64, f64)> = points
            .map(|point| point.split_once(',').unwrap())
            .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
            .collect();
        let parts = points.windows(2).map(|ends| Area {
            left: ends[0].0.min(ends[1].0) - 0.5,
            top: ends[0].1.min(ends[1].1) - 0.5,
            right: ends[0].0.max(ends[1].0) + 0.5,
            bottom: ends[0].1.max(ends[1].1) + 0.5,
        });
        parts.collect::<Vec<_>>()
    });
    areas.collect()
}

/// How often a plate of this colour stands in the figure.
fn count(document: &Document<'_>, fill: &str) -> usize {
    let nodes = document.descendants();
    let plates = nodes.filter(|node| node.has_tag_name("rect") && node.attribute("x").is_some());
    plates
        .filter(|node| node.attribute("fill") == Some(fill))
        .count()
}

fn assert_legible(svg: &str) {
    let document = Document::parse(svg).unwrap();
    let (texts, plates, lines) = (texts(&document), plates(&document), lines(&document));
    for (n, (area, text)) in texts.iter().enumerate() {
        for (other_area, other) in &texts[n + 1..] {
            assert!(!area.meets(*other_area), "{text} on {other}");
        }
        for other in plates.iter().chain(&lines) {
            assert!(!area.meets(*other), "{text} on {other:?}");
        }
    }
    let root = document.root_element();
    let group = root.children().find(|node| node.has_tag_name("g")).unwrap();
    let shift = group.attribute("transform").unwrap();
    let shift = shift.trim_start_matches("translate(").trim_end_matches(')');
    let (x, y) = shift.split_once(' ').unwrap();
    let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
    for area in texts
        .iter()
        .map(|(area, _)| area)
        .chain(&plates)
        .chain(&lines)
    {
        assert!(area.left + x >= 0.0 && area.right + x <= number(root, "width"));
        assert!(area.top + y >= 0.0 && area.bottom + y <= number(root, "height"));
    }
}

#[test]
fn figures_of_all_sizes_are_legible() {
    for axes in [2, 3] {
        for stages in 2..=10 {
            for configuration in [plain(axes, stages), residual(axes, stages)] {
                for (input_channels, output_channels) in [(1, 2), (12, 105), (1000, 123_456)] {
                    assert_legible(&svg(&Drawing {
                        input_channels,
                        output_channels,
                        ..drawing(&configuration)
                    }));
                }
            }
        }
    }
}

#[test]
fn every_stage_is_labelled_on_both_sides() {
    let configuration = plain(3, 4);
    let figure = svg(&drawing(&configuration));
    let document = Document::parse(&figure).unwrap();
    let texts = texts(&document);
    let occurrences = |wanted: &str| texts.iter().filter(|(_, text)| text == wanted).count();
    for stage in ["32 · 40×512×512", "64 · 40×256×256", "128 · 40×128×128"] {
        assert_eq!(occurrences(stage), 2, "{stage}");
    }
    assert_eq!(occurrences("256 · 40×64×64"), 1);
    assert_eq!(occurrences("kernel 1×3×3"), 2);
    assert_eq!(occurrences("1×2×2"), 6);
    assert_eq!(occurrences("3 channels"), 3);
    let losses = ["loss × 2/3", "loss × 1/3", "no loss"];
    assert_eq!(losses.map(occurrences), [1; 3]);
    assert_eq!(occurrences("Dataset001_Test · 3d_fullres"), 1);
    let plan = "patch size 40×512×512 · batch size 2 · target spacing 0.763×0.763×0.763 mm";
    assert_eq!(occurrences(plan), 1);
}

#[test]
fn a_plate_stands_for_each_convolution_and_block() {
    // One more of each colour is in the legend.
    let configuration = plain(2, 5);
    let figure = svg(&drawing(&configuration));
    let document = Document::parse(&figure).unwrap();
    assert_eq!(count(&document, "#f2b694"), 1 + 4);
    assert_eq!(count(&document, "#a9c4e4"), 1 + 2 + 4 + 2 * 4);

    let configuration = residual(3, 4);
    let figure = svg(&drawing(&configuration));
    let document = Document::parse(&figure).unwrap();
    assert_eq!(count(&document, "#f2b694"), 1 + 3);
    let stem_and_decoder = 1 + 2 * 3;
    assert_eq!(
        count(&document, "#a9c4e4"),
        2 + (1 + 2 + 3 + 5) + stem_and_decoder
    );
    assert!(figure.contains("ResidualEncoderUNet · 4 stages"));
}

#[test]
fn names_cannot_break_the_document() {
    let mut configuration = plain(3, 3);
    configuration.architecture.network_class_name = "a.<U>&\"Net".to_owned();
    let long = format!("R&D <b>\u{7}{}", "x".repeat(500));
    let figure = svg(&Drawing {
        dataset: &long,
        name: "]]>'\"",
        ..drawing(&configuration)
    });
    assert_legible(&figure);
    let document = Document::parse(&figure).unwrap();
    let title = document
        .descendants()
        .find(|node| node.has_tag_name("title"));
    let expected = format!("R&D <b>\u{fffd}{} · ]]>'\"", "x".repeat(500));
    assert_eq!(title.unwrap().text(), Some(expected.as_str()));
    assert!(
        texts(&document)
            .iter()
            .any(|(_, text)| text.starts_with("<U>&\"Net"))
    );
}

#[test]
fn the_same_drawing_gives_the_same_text() {
    let configuration = residual(3, 6);
    assert_eq!(svg(&drawing(&configuration)), svg(&drawing(&configuration)));
}

#[test]
fn figures_of_published_plans_are_legible() {
    let Some(folder) = fixtures("figures_of_published_plans_are_legible") else {
        return;
    };
    for dataset in std::fs::read_dir(folder.join("v2")).unwrap() {
        let folder = dataset.unwrap().path();
        for name in ["nnUNetPlans.json", "nnUNetResEncUNetLPlans.json"] {
            let Ok(plans) = Plans::load(&folder.join(name)) else {
                continue;
            };
            for name in plans.configuration_names() {
                let configuration = plans.configuration(name).unwrap();
                assert_legible(&svg(&drawing(&configuration)));
            }
        }
    }
}

/// Numbers with the ones that a slip of the pen makes.
fn numbers(length: usize) -> impl Strategy<Value = Vec<usize>> {
    let number = prop_oneof![4 => 0_usize..8, 1 => Just(usize::MAX)];
    prop::collection::vec(number, 0..length)
}

fn rows() -> impl Strategy<Value = Vec<Vec<usize>>> {
    prop::collection::vec(numbers(5), 0..7)
}

proptest! {
    #[test]
    fn inconsistent_plans_are_drawn_as_far_as_they_go(
        (features, patch, depths, decoder) in (numbers(7), numbers(5), numbers(7), numbers(7)),
        (kernels, strides) in (rows(), rows()),
        residual: bool,
        channels: usize,
    ) {
        let mut configuration = plain(3, 3);
        configuration.patch_size = patch;
        configuration.spacing = vec![f64::NAN, -1e300];
        let network = &mut configuration.architecture.arch_kwargs;
        network.features_per_stage = features;
        network.kernel_sizes = kernels;
        network.strides = strides;
        network.n_conv_per_stage_decoder = decoder;
        network.n_blocks_per_stage = residual.then(|| depths.clone());
        network.n_conv_per_stage = (!residual).then_some(depths);
        let figure = svg(&Drawing {
            input_channels: channels,
            output_channels: channels,
            ..drawing(&configuration)
        });
        assert_legible(&figure);
        prop_assert_eq!(compact(&configuration).lines().count(), 3);
    }
}
