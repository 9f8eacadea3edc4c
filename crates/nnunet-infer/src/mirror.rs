use crate::{InferError, Mirroring};

/// All combinations of the mirror axes, none of them first, as dimensions of a network's input
/// (2 is the first spatial one). `spatial` is the number of spatial axes.
pub(crate) fn mirrorings(
    axes: &[usize],
    spatial: usize,
    mirroring: Mirroring,
) -> Result<Vec<Vec<i64>>, InferError> {
    let mut axes = axes.to_vec();
    axes.sort_unstable();
    axes.dedup();
    if axes.iter().any(|axis| *axis >= spatial) {
        return Err(InferError::MirrorAxes {
            found: axes,
            last: spatial - 1,
        });
    }
    let axes = match mirroring {
        Mirroring::AsTrained => axes,
        Mirroring::Off => Vec::new(),
    };
    let combinations = 0..1_usize << axes.len();
    let chosen = |bits: usize| {
        let members = axes
            .iter()
            .enumerate()
            .filter(move |(i, _)| bits >> i & 1 == 1);
        members.map(|(_, axis)| *axis as i64 + 2).collect()
    };
    Ok(combinations.map(chosen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_combinations_once() {
        let three = mirrorings(&[0, 1, 2], 3, Mirroring::AsTrained).unwrap();
        assert_eq!(three.len(), 8);
        assert!(three[0].is_empty());
        assert_eq!(three[7], [2, 3, 4]);
        let two = mirrorings(&[1, 0], 2, Mirroring::AsTrained).unwrap();
        assert_eq!(two, [vec![], vec![2], vec![3], vec![2, 3]]);
    }

    #[test]
    fn off_means_one_pass() {
        assert_eq!(
            mirrorings(&[0, 1], 3, Mirroring::Off).unwrap(),
            [Vec::<i64>::new()]
        );
        assert_eq!(mirrorings(&[], 3, Mirroring::AsTrained).unwrap().len(), 1);
    }

    #[test]
    fn axes_beyond_the_network_are_refused() {
        let error = mirrorings(&[2], 2, Mirroring::Off).unwrap_err().to_string();
        assert!(error.contains("axes 0 to 1"), "{error}");
    }
}
