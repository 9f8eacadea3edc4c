use ndarray::Array3;
use proptest::prelude::*;

use super::*;

/// Numbers components by flooding them one after the other.
fn flood(labels: &Array3<i16>, connectivity: Connectivity) -> Array3<u32> {
    let reach = match connectivity {
        Connectivity::Face => 1,
        Connectivity::Edge => 2,
        Connectivity::Full => 3,
    };
    let mut numbers = Array3::zeros(labels.raw_dim());
    let mut count = 0;
    for (seed, label) in labels.indexed_iter().filter(|(_, label)| **label > 0) {
        if numbers[seed] > 0 {
            continue;
        }
        count += 1;
        numbers[seed] = count;
        let mut open = vec![seed];
        while let Some((z, y, x)) = open.pop() {
            for (at, other) in labels.indexed_iter() {
                let steps = [at.0.abs_diff(z), at.1.abs_diff(y), at.2.abs_diff(x)];
                let near = steps.iter().all(|s| *s <= 1) && steps.iter().sum::<usize>() <= reach;
                if near && other == label && numbers[at] == 0 {
                    numbers[at] = count;
                    open.push(at);
                }
            }
        }
    }
    numbers
}

fn any_connectivity() -> impl Strategy<Value = Connectivity> {
    prop_oneof![
        Just(Connectivity::Face),
        Just(Connectivity::Edge),
        Just(Connectivity::Full)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn components_equal_a_flood_fill(
        labels in (1_usize..5, 1_usize..5, 1_usize..9).prop_flat_map(|shape| {
            let voxels = shape.0 * shape.1 * shape.2;
            proptest::collection::vec(-1_i16..3, voxels)
                .prop_map(move |v| Array3::from_shape_vec(shape, v).unwrap())
        }),
        connectivity in any_connectivity(),
    ) {
        let found = connected_components(labels.view(), connectivity).unwrap();
        let wanted = flood(&labels, connectivity);
        prop_assert_eq!(&found.to_array(), &wanted);
        for (number, component) in (1_u32..).zip(found.components()) {
            let voxels: Vec<_> = wanted.indexed_iter().filter(|(_, n)| **n == number).collect();
            prop_assert_eq!(component.voxels, voxels.len() as u64);
            prop_assert!(voxels.iter().all(|(at, _)| labels[*at] as u16 == component.label));
            let mask = wanted.mapv(|n| n == number);
            prop_assert_eq!(Some(component.bounds), CropBox::around(mask.view()));
        }
    }

    #[test]
    fn a_union_of_labels_is_one_mask(
        labels in proptest::collection::vec(-1_i16..5, 60),
        connectivity in any_connectivity(),
    ) {
        let labels = Array3::from_shape_vec((3, 4, 5), labels).unwrap();
        let mask = labels.mapv(|label| i16::from(label == 1 || label == 4));
        let found = connected_components_of(labels.view(), &[4, 1], connectivity).unwrap();
        prop_assert_eq!(found.to_array(), flood(&mask, connectivity));
        prop_assert!(found.components().iter().all(|component| component.label == 4));
    }
}

#[test]
fn long_runs_and_views_in_another_order_are_the_same_objects() {
    let labels = Array3::from_shape_fn((3, 4, 150), |(z, y, x)| {
        u8::from(!(70..=90).contains(&x)) * u8::try_from(1 + (z + y) / 3).unwrap()
    });
    let straight = connected_components(labels.view(), Connectivity::Face).unwrap();
    let turned = labels.view().reversed_axes();
    let turned = connected_components(turned, Connectivity::Face).unwrap();
    let sizes = |found: &Components| {
        let mut sizes: Vec<_> = (found.components().iter())
            .map(|component| (component.label, component.voxels))
            .collect();
        sizes.sort_unstable();
        sizes
    };
    assert_eq!(straight.components().len(), 4);
    assert_eq!(sizes(&straight), sizes(&turned));
}

#[test]
fn all_of_equally_large_components_are_the_largest_of_their_label() {
    let labels = Array3::from_shape_vec((1, 1, 9), vec![1_u8, 1, 0, 2, 0, 1, 0, 1, 1]).unwrap();
    let found = connected_components(labels.view(), Connectivity::Full).unwrap();
    assert_eq!(found.largest(), [true, true, false, true]);
}

#[test]
fn an_empty_map_has_no_components() {
    for shape in [(0, 3, 3), (3, 0, 3), (3, 3, 0), (2, 2, 2)] {
        let labels = Array3::<u8>::zeros(shape);
        let found = connected_components(labels.view(), Connectivity::Full).unwrap();
        assert!(found.components().is_empty());
        assert_eq!(found.to_array().dim(), shape);
    }
}
